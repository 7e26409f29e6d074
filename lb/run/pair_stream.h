// The pair's one TCP connection: sealed messages of any length, in order, with
// a bound on what waits to be sent.
//
// One unit dials, the other accepts; a connection counts once each side has
// taken the other's hello. The newest that counts is the stream. Strangers who
// connect get no further than the hello and are closed after kHelloPatience.
//
// When a stream breaks, either side tries at once to connect again: if the
// partner's host refuses, its process has died, which is told as `died`.
//
// Wire     length of the message (4, big endian), message
// Bounds   kCandidatesMax connections without hello; Options::outgoing_max.
// Errors   Listen() fails as socket(), bind() or listen() do, naming the
//          address. Later trouble ends the connection, and it is dialed again.
// Threads  the reactor's.
#ifndef LB_RUN_PAIR_STREAM_H_
#define LB_RUN_PAIR_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "io/unique_fd.h"
#include "lb/run/alarm.h"

namespace ballast::run {

class PairStream {
 public:
  static constexpr size_t kCandidatesMax = 4;
  static constexpr size_t kHelloBytesMax = 256;
  static constexpr absl::Duration kHelloPatience = absl::Seconds(1);
  static constexpr absl::Duration kRedialPause = absl::Milliseconds(50);

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual std::vector<uint8_t> Hello() = 0;
    virtual bool OnHello(std::span<const uint8_t> message) = 0;
    virtual void OnUp() = 0;
    // Once for a stream that was up; and with `died` when that is known.
    virtual void OnDown(bool died) = 0;
    // False: close it.
    virtual bool OnMessage(std::span<const uint8_t> message) = 0;
    // What was sent has left; there is room again.
    virtual void OnRoom() = 0;
  };

  struct Options {
    Endpoint own;
    Endpoint partner;
    bool dials = false;
    size_t message_max = 1 << 20;
    size_t outgoing_max = 8 << 20;  // A single message may exceed it.
  };
  struct Stats {
    uint64_t accepted = 0;
    uint64_t strangers = 0;  // Refused: another address, no hello, a bad one.
    uint64_t dialed = 0;
    uint64_t broken = 0;  // Streams that ended.
  };

  static absl::StatusOr<std::unique_ptr<PairStream>> Listen(
      Reactor& reactor, const Options& options, Owner& owner);
  // What is under way ends later, untold, or with the reactor.
  ~PairStream();
  PairStream(const PairStream&) = delete;
  PairStream& operator=(const PairStream&) = delete;

  // Whether the partner is there to be dialed.
  void Want(bool wanted);
  // The partner is heard again after a silence. What was sent meanwhile waits
  // for TCP, which has backed off for seconds: who dials begins anew, and the
  // stream of before goes once there is another.
  void Renew();
  // False: not up, or too much waits already.
  bool Send(std::span<const uint8_t> message);
  bool up() const { return current_ != nullptr; }
  const Stats& stats() const { return stats_; }

 private:
  struct Acceptor;
  struct Dialer;
  struct Connection;

  PairStream(Reactor& reactor, const Options& options, Owner& owner);
  bool lacks_stream() const { return current_ == nullptr || renewing_; }
  void OnAccepted(UniqueFd fd);
  void OnDialed(UniqueFd fd, int result);
  void Dial();
  // Takes the connection over, or closes it.
  void Start(UniqueFd fd, bool dialed);
  void OnMessage(Connection* connection, std::span<const uint8_t> message);
  void OnClosed(Connection* connection);
  // Untold.
  void Drop(Connection* connection);

  Reactor& reactor_;
  const Options options_;
  Owner& owner_;
  // Each owns itself while the reactor has its operations.
  Acceptor* acceptor_ = nullptr;
  Dialer* dialer_ = nullptr;
  std::vector<Connection*> candidates_;
  Connection* current_ = nullptr;
  bool wanted_ = false;
  bool renewing_ = false;  // current_ is to be replaced.
  bool probing_ = false;   // A stream broke: is the process still there?
  Alarm redial_;
  Alarm patience_;
  Stats stats_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PAIR_STREAM_H_
