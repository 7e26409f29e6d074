// The client's side of an exchange: where the answer goes. A codec implements
// it, HTTP/1 in http_connection.h.
#ifndef LB_L7_RESPONSE_SINK_H_
#define LB_L7_RESPONSE_SINK_H_

#include "absl/strings/string_view.h"
#include "lb/http/fields.h"
#include "lb/http/head.h"
#include "lb/l7/chooser.h"

namespace ballast::l7 {

class ResponseSink {
 public:
  virtual ~ResponseSink() = default;

  // An interim response: before OnHead(), any number of times.
  virtual void OnInterim(const http::ResponseHead& head) = 0;
  // With `tunnel` what follows, either way, is no message: OnBody() and then
  // OnServerEnd() instead of OnEnd().
  virtual void OnHead(const http::ResponseHead& head, bool tunnel) = 0;
  virtual void OnBody(absl::string_view bytes) = 0;
  virtual void OnEnd(const http::Fields& trailers) = 0;
  virtual void OnServerEnd() = 0;
  // Instead of OnHead(): an answer of the proxy's own. `close`: the rest of the
  // connection cannot be trusted.
  virtual void OnDenial(const Denial& denial, bool close) = 0;
  // After OnHead(), instead of OnEnd(): the answer stays incomplete.
  virtual void OnAbort() = 0;
  // Whether the client keeps up.
  virtual bool HasRoom() const = 0;
};

}  // namespace ballast::l7

#endif  // LB_L7_RESPONSE_SINK_H_
