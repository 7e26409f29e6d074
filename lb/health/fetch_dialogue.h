// Fetches a small document from a server: an HTTP/1.0 GET whose 200 has a body.
//
// Bounds   a body of at most `body_max` bytes; a longer one is a failure.
// Errors   kDown with why: another status, too long, no HTTP.
#ifndef LB_HEALTH_FETCH_DIALOGUE_H_
#define LB_HEALTH_FETCH_DIALOGUE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "lb/health/response_dialogue.h"

namespace ballast::health {

class FetchDialogue final : public ResponseDialogue {
 public:
  // `body` has all of it when the dialogue has ended with kUp. `host`: as a
  // Host field has it, for servers that ask for one.
  FetchDialogue(absl::string_view url, absl::string_view host, size_t body_max,
                std::shared_ptr<std::string> body);

  Step OnOpen() override { return Say(request_); }

 private:
  Step OnStatus(int status) override;
  Step OnBody(absl::string_view bytes) override;
  Step OnWhole() override { return Up(); }

  const std::string request_;
  const size_t body_max_;
  const std::shared_ptr<std::string> body_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_FETCH_DIALOGUE_H_
