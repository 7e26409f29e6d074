// Which server an exchange goes to: the caller's decision, asked for once per
// attempt. Rules, persistence and scheduling stand behind this.
//
// Every ServerChoice that Choose() returned is followed by exactly one
// OnEnd(). Nothing here may call back into the exchange.
#ifndef LB_L7_CHOOSER_H_
#define LB_L7_CHOOSER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/instant.h"
#include "lb/http/head.h"
#include "lb/l7/orders.h"

namespace ballast::l7 {

// How an attempt ended.
enum class Outcome : uint8_t {
  kAnswered,       // The response was passed on whole.
  kTunnelled,      // An upgrade or CONNECT, which has ended.
  kConnectFailed,  // Refused, unreachable.
  kConnectTimeout,
  // TLS to the server could not be agreed on, or it is not the one it should
  // be: under the name that it was configured to have,
  kTlsFailed,
  // or under one of the client's choice, which tells nothing of other names.
  kTlsNameFailed,
  kServerSilent,   // Idle timeout, no response.
  kServerStalled,  // Idle timeout in the middle.
  kServerClosed,   // Before the response.
  kServerBroke,    // In the middle of it.
  kServerInvalid,  // Its response was refused.
  kClientAborted,
  kClientStalled,  // Idle timeout; the client's turn.
  kClientInvalid,  // Its body was refused.
  kDropped,        // By the owner.
  kCount,
};
absl::string_view OutcomeName(Outcome outcome);

// No server: what the client gets instead.
struct Denial {
  uint16_t status = 503;  // 0: nothing, the connection is closed.
  std::string location;   // For 301, 302, 303, 307 and 308.
  std::string body;       // Empty: the error page of that status.
  std::string content_type = "text/html";
  uint32_t retry_after_s = 0;  // 0: not said.
  bool close = false;          // The connection, after the answer.
  // Others than Location and Content-Type; tokens and field values.
  std::vector<std::pair<std::string, std::string>> fields;
};

class Chooser {
 public:
  virtual ~Chooser() = default;

  // `attempt` counts from 0; more than that are asked for when a server could
  // not be reached. May edit the fields that will be sent, once (attempt 0).
  virtual std::variant<ServerChoice, Denial> Choose(
      Instant now, const Client& client, uint32_t attempt,
      http::RequestHead* request) = 0;

  // A final response, before it is passed on. May edit its fields. False: it
  // is not passed on, and the client gets a 500.
  virtual bool OnResponse(Instant /*now*/, const Client& /*client*/,
                          const ServerChoice& /*choice*/,
                          const http::RequestHead& /*request*/,
                          http::ResponseHead* /*response*/) {
    return true;
  }

  virtual void OnEnd(Instant now, const ServerChoice& choice,
                     Outcome outcome) = 0;
};

// For plain streams, where nothing is known but who calls and, unless the
// server speaks first, the first bytes.
class StreamChooser {
 public:
  virtual ~StreamChooser() = default;
  // What the client sends, in order, before Choose(); true: which should wait
  // for more of it. Not called again after it was false.
  virtual bool ReadClient(absl::string_view /*bytes*/) { return false; }
  // What the server sends, in order; not called again after it was false.
  virtual bool ReadServer(Instant /*now*/, const ServerChoice& /*choice*/,
                          absl::string_view /*bytes*/) {
    return false;
  }
  virtual std::variant<ServerChoice, Denial> Choose(
      Instant now, const Client& client, uint32_t attempt,
      absl::string_view first_bytes) = 0;
  virtual void OnEnd(Instant now, const ServerChoice& choice,
                     Outcome outcome) = 0;
};

}  // namespace ballast::l7

#endif  // LB_L7_CHOOSER_H_
