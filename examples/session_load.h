// Many long TCP sessions that are watched byte by byte: to see whether they
// outlive the director that carries them.
//
// A session is one connection from its first byte to its last: its client sends
// a numbered block each interval, the server sends every byte back changed in a
// known way, the client compares every byte. There is no second try: whatever
// ends the connection, or makes one byte differ, loses the session. What is
// measured is how long a block and its echo were on their way, the retries of
// TCP included.
//
//   inside the servers' namespace:  auto server = SessionServer::Start(7000);
//   inside the client's:            auto client = SessionClient::Start(
//       {.groups = {{.name = "v4", .server = vip, .count = 190},
//                   {.name = "idle", .server = vip, .count = 10,
//                    .interval = absl::Seconds(5)}}});
//   client->AwaitEstablished(absl::Seconds(10));
//   client->BeginWindow("takeover");
//   ... kill the active unit, watch client->Now() ...
//   SessionReport report = client->Finish(absl::Seconds(10));
//
// Errors   absl::Status for what the kernel refuses at the start; a session
//          that fails later is in the report.
// Threads  one per server and one per client, in the network namespace of the
//          thread that called Start() (NetNamespace::Run() is one way). Every
//          other call: from any thread.
// Bounds   a session remembers at most Options::unanswered_max blocks and sends
//          none above; a server holds 4 KiB per connection.
#ifndef EXAMPLES_SESSION_LOAD_H_
#define EXAMPLES_SESSION_LOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/address.h"

namespace ballast::testbed {

// ---- The server's side ------------------------------------------------------

class SessionServer {
 public:
  static constexpr size_t kConnectionsMax = 8192;

  struct Counts {
    uint64_t accepted = 0;
    uint64_t refused = 0;  // Above kConnectionsMax, or out of descriptors.
    uint64_t ended = 0;    // The client closed in good order.
    uint64_t failed = 0;   // Reset, or timed out.
    uint64_t bytes = 0;    // Sent back.
  };

  // Listens on `port` of every address, IPv4 and IPv6.
  static absl::StatusOr<std::unique_ptr<SessionServer>> Start(uint16_t port);
  // What is still connected is closed.
  virtual ~SessionServer() = default;
  virtual Counts counts() const = 0;
};

// ---- The client's side ------------------------------------------------------

struct SessionGroup {
  std::string name;   // In the report: "NAT v4".
  Address source{};   // Unspecified: the kernel's choice.
  Endpoint server{};  // The virtual service.
  int count = 1;      // Sessions.
  absl::Duration interval = absl::Milliseconds(50);  // 1 ms or more.
};

enum class SessionLoss : uint8_t {
  kNotConnected,  // Refused, or not within Options::connect_timeout.
  kReset,         // RST.
  kClosed,        // FIN before the client's own.
  kTimedOut,      // The kernel gave up, or another of its errors.
  kWrongBytes,
  kUnanswered,  // At the end, bytes or the last FIN were still to come.
};
inline constexpr size_t kSessionLossCount = 6;
const char* SessionLossName(SessionLoss loss);

// A stretch of time between two calls of BeginWindow().
struct SessionWindow {
  std::string name;
  absl::Duration length;
  // From the sending of a block to the last byte of its echo. A block counts in
  // the window in which it was answered, and in each in which it was not.
  absl::Duration longest_gap;
  std::string longest_session;  // Whose.
  uint64_t blocks = 0;          // Answered.
  int answered = 0;             // Sessions that had an answer in it.
  int lost = 0;
};

struct LostSession {
  std::string session;  // "NAT v4 #17, 192.0.2.1:40113 to 10.1.0.100:80"
  SessionLoss loss = SessionLoss::kNotConnected;
  std::string window;
  absl::Duration at;  // Since the window began.
  std::string detail;
};

// How it stands.
struct SessionStatus {
  int sessions = 0;
  int alive = 0;     // Connected and whole so far; those that ended well too.
  int answered = 0;  // Of these, had an answer since the window began.
  int lost = 0;
  uint64_t bytes_verified = 0;
  // The age of the oldest block without an answer.
  absl::Duration gap_now;
  absl::Duration longest_gap;  // Of the window so far, gap_now included.
};

struct SessionReport {
  static constexpr size_t kLossesMax = 32;

  int sessions = 0;
  int completed = 0;  // All bytes verified, and closed in good order.
  int lost = 0;
  std::array<int, kSessionLossCount> lost_by{};
  uint64_t blocks_sent = 0;
  uint64_t blocks_held = 0;  // Not sent: too many without an answer.
  uint64_t bytes_verified = 0;
  std::vector<SessionWindow> windows;
  std::vector<LostSession> losses;  // The first kLossesMax.

  // One line of JSON with these names; durations as *_ms.
  std::string ToJson() const;
};

class SessionClient {
 public:
  struct Options {
    std::vector<SessionGroup> groups;
    absl::Duration connect_timeout = absl::Seconds(10);
    // Between the beginnings of two connections.
    absl::Duration connect_pace = absl::Milliseconds(2);
    size_t unanswered_max = 1024;
    uint64_t seed = 1;  // Of the bytes.
  };

  // Begins to connect, in a window named "begin".
  //   kInvalidArgument  a group without sessions, or with an interval too short
  static absl::StatusOr<std::unique_ptr<SessionClient>> Start(Options options);
  // What is still connected is closed.
  virtual ~SessionClient() = default;

  // Until every session had its first answer.
  //   kDeadlineExceeded    not within `patience`
  //   kFailedPrecondition  one is lost; the text says which and why
  virtual absl::Status AwaitEstablished(absl::Duration patience) = 0;
  virtual void BeginWindow(std::string name) = 0;
  virtual SessionStatus Now() const = 0;
  // Sends no more, waits for what is to come, closes in good order. What has
  // not ended by then is lost. To be called once.
  virtual SessionReport Finish(absl::Duration patience) = 0;
};

}  // namespace ballast::testbed

#endif  // EXAMPLES_SESSION_LOAD_H_
