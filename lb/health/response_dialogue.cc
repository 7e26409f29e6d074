#include "lb/health/response_dialogue.h"

#include "absl/strings/str_cat.h"
#include "lb/http/limits.h"
#include "lb/http/refusal.h"

namespace ballast::health {

ResponseDialogue::ResponseDialogue(http::Method method)
    : method_(method), reader_(http::Limits()) {
  reader_.Begin(method_);
}

Dialogue::Step ResponseDialogue::OnBytes(absl::string_view bytes) {
  for (;;) {
    const http::Read read = reader_.Next(&bytes);
    if (read == http::Read::kNeedMore) return {};
    Step step = OnRead(read);
    if (step.state != State::kGoesOn) return step;
  }
}

Dialogue::Step ResponseDialogue::OnEnd() {
  const http::Read read = reader_.Closed();
  if (read == http::Read::kNeedMore) return Dialogue::OnEnd();
  return OnRead(read);
}

Dialogue::Step ResponseDialogue::OnRead(http::Read read) {
  switch (read) {
    case http::Read::kHead:
      interim_ = reader_.head().interim();
      return interim_ ? Step() : OnStatus(reader_.head().status);
    case http::Read::kBody:
      return interim_ ? Step() : OnBody(reader_.body());
    case http::Read::kEnd:
      if (!interim_) return OnWhole();
      reader_.Begin(method_);
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
