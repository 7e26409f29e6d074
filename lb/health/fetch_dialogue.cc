#include "lb/health/fetch_dialogue.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lb/http/limits.h"
#include "lb/http/refusal.h"

namespace ballast::health {

FetchDialogue::FetchDialogue(absl::string_view url, absl::string_view host,
                             size_t body_max, std::shared_ptr<std::string> body)
    : request_(
          absl::StrCat("GET ", url, " HTTP/1.0\r\nHost: ", host, "\r\n\r\n")),
      body_max_(body_max),
      body_(std::move(body)),
      reader_(http::Limits()) {
  body_->clear();
  reader_.Begin(http::Method::kGet);
}

Dialogue::Step FetchDialogue::OnBytes(absl::string_view bytes) {
  for (;;) {
    const http::Read read = reader_.Next(&bytes);
    if (read == http::Read::kNeedMore) return {};
    Step step = OnRead(read);
    if (step.state != State::kGoesOn) return step;
  }
}

Dialogue::Step FetchDialogue::OnEnd() {
  const http::Read read = reader_.Closed();
  if (read == http::Read::kNeedMore) return Dialogue::OnEnd();
  return OnRead(read);
}

Dialogue::Step FetchDialogue::OnRead(http::Read read) {
  switch (read) {
    case http::Read::kHead:
      interim_ = reader_.head().interim();
      if (interim_ || reader_.head().status == 200) return {};
      return Down(absl::StrCat("HTTP status ", reader_.head().status));
    case http::Read::kBody:
      if (interim_) return {};
      if (body_->size() + reader_.body().size() > body_max_) {
        return Down(absl::StrCat("more than ", body_max_, " bytes"));
      }
      absl::StrAppend(body_.get(), reader_.body());
      return {};
    case http::Read::kEnd:
      if (!interim_) return Up();
      reader_.Begin(http::Method::kGet);
      return {};
    case http::Read::kRefused:
      return Down(absl::StrCat("not an HTTP response: ",
                               http::RefusalName(reader_.refusal())));
    case http::Read::kNeedMore:
      break;
  }
  return {};
}

}  // namespace ballast::health
