// What a check says to a server over a TCP connection (or inside TLS), and what
// it wants to hear before the server counts as up: pure.
//
//   auto step = dialogue.OnOpen();           // Connected.
//   while (step.state == kGoesOn) send step.send, then
//     step = dialogue.OnBytes(received);     // or OnEnd()
//   send step.send, close.                   // A farewell, best effort.
//
// One dialogue serves one connection. Timeouts are the caller's.
//
// Memory   what has been received is kept only as far as it decides, at most
//          kKeptMax.
// Threads  one.
// Source   KEMP LoadMaster 1500 manual (2005), p. 26-27, for whom a greeting is
//          enough; the protocols' own RFCs for the rest.
#ifndef LB_HEALTH_DIALOGUE_H_
#define LB_HEALTH_DIALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace ballast::health {

class Dialogue {
 public:
  static constexpr size_t kKeptMax = 64 * 1024;

  enum class State : uint8_t { kGoesOn, kUp, kDown };
  struct Step {
    State state = State::kGoesOn;
    std::string send;  // May be empty.
    std::string why;   // kDown: "greeting \"421 busy\", must begin with 220".
  };

  virtual ~Dialogue() = default;

  virtual Step OnOpen() { return {}; }
  // Bytes as they come, cut anywhere.
  virtual Step OnBytes(absl::string_view bytes) = 0;
  // The server sends no more.
  virtual Step OnEnd() { return Down("closed before it had answered"); }

 protected:
  static Step Up(std::string farewell = "") {
    return {State::kUp, std::move(farewell), ""};
  }
  static Step Down(std::string why) {
    return {State::kDown, "", std::move(why)};
  }
  static Step Say(std::string text) {
    return {State::kGoesOn, std::move(text), ""};
  }
};

// The first bytes of `text`, printable, in quotes: for Step::why.
std::string Shown(absl::string_view text);

}  // namespace ballast::health

#endif  // LB_HEALTH_DIALOGUE_H_
