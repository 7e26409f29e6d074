// What every dialogue over HTTP has in common: one response is read strictly,
// interim ones before it are passed over, and what is no HTTP is a failure.
#ifndef LB_HEALTH_RESPONSE_DIALOGUE_H_
#define LB_HEALTH_RESPONSE_DIALOGUE_H_

#include "absl/strings/string_view.h"
#include "lb/health/dialogue.h"
#include "lb/http/head.h"
#include "lb/http/message_reader.h"

namespace ballast::health {

class ResponseDialogue : public Dialogue {
 public:
  Step OnBytes(absl::string_view bytes) final;
  Step OnEnd() final;

 protected:
  // `method`: of the request, which says whether a body follows.
  explicit ResponseDialogue(http::Method method);

 private:
  virtual Step OnStatus(int status) = 0;
  // A piece of the body.
  virtual Step OnBody(absl::string_view bytes) = 0;
  // The response is there whole.
  virtual Step OnWhole() = 0;

  Step OnRead(http::Read read);

  const http::Method method_;
  http::ResponseReader reader_;
  bool interim_ = false;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_RESPONSE_DIALOGUE_H_
