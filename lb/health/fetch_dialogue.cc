#include "lb/health/fetch_dialogue.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lb/http/head.h"

namespace ballast::health {

FetchDialogue::FetchDialogue(absl::string_view url, absl::string_view host,
                             size_t body_max, std::shared_ptr<std::string> body)
    : ResponseDialogue(http::Method::kGet),
      request_(
          absl::StrCat("GET ", url, " HTTP/1.0\r\nHost: ", host, "\r\n\r\n")),
      body_max_(body_max),
      body_(std::move(body)) {
  body_->clear();
}

Dialogue::Step FetchDialogue::OnStatus(int status) {
  if (status == 200) return {};
  return Down(absl::StrCat("HTTP status ", status));
}

Dialogue::Step FetchDialogue::OnBody(absl::string_view bytes) {
  if (body_->size() + bytes.size() > body_max_) {
    return Down(absl::StrCat("more than ", body_max_, " bytes"));
  }
  absl::StrAppend(body_.get(), bytes);
  return {};
}

}  // namespace ballast::health
