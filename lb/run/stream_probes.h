// Connects to servers and has dialogues with them (lb/health/dialogue.h), over
// TCP or in TLS, a bounded number at a time.
//
// TLS      1.2 or 1.3, any certificate: this asks whether a server works, not
//          whether it is the right one (lb/config/ballast.proto).
// Ends     once the dialogue has decided, that is told. The server then gets
//          kLingerTime to read the farewell and close first, which leaves no
//          TIME_WAIT here; after it, or kLingerBytes, the connection is reset.
// Bounds   kPlacesMax sockets, those that linger included: the one that has
//          lingered longest goes when its place is wanted. What a dialogue
//          keeps of an answer: Dialogue::kKeptMax.
// Errors   what could not be sent is kLocalError; what was answered otherwise
//          than wanted kRejected, with why.
// Threads  the reactor's, which outlives this.
#ifndef LB_RUN_STREAM_PROBES_H_
#define LB_RUN_STREAM_PROBES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "lb/health/check_state.h"
#include "lb/health/dialogue.h"
#include "lb/run/alarm.h"
#include "lb/run/probe_source.h"
#include "lb/tls/context.h"

namespace ballast::run {

class StreamProbes {
 public:
  static constexpr absl::Duration kLingerTime = absl::Seconds(1);
  static constexpr size_t kLingerBytes = 256 * 1024;

  // What the probe came to; nullopt: a place is free again, and nothing to
  // tell.
  using OnDone = absl::AnyInvocable<void(
      uint16_t server, uint32_t probe, std::optional<health::ProbeDone> done)>;

  // What is said, and whether in TLS, where `server_name` is asked for unless
  // it is empty.
  struct Talk {
    std::unique_ptr<health::Dialogue> dialogue;
    bool tls = false;
    std::string server_name{};
  };

  StreamProbes(Reactor& reactor, const ProbeSource& source, OnDone on_done)
      : reactor_(reactor), source_(source), on_done_(std::move(on_done)) {}
  StreamProbes(const StreamProbes&) = delete;
  StreamProbes& operator=(const StreamProbes&) = delete;
  // What is under way ends untold.
  ~StreamProbes();

  size_t in_flight() const { return probes_.size() + lingering_.size(); }
  // Ends the one that has lingered longest. False: none does.
  bool MakeRoom();

  // nullopt: under way, OnDone will be called, not from in here. Else what it
  // came to at once. One probe a server.
  std::optional<health::ProbeResult> Start(uint16_t server, uint32_t probe,
                                           const Endpoint& to, Talk talk);
  // Its result is not awaited. Nothing if there is no probe of that server.
  void Abort(uint16_t server);

 private:
  class Probe;

  // Takes it out of probes_.
  void Done(Probe& probe, std::optional<health::ProbeDone> done, bool lingers);
  void LeftLingering(Probe& probe);
  void OnLingerAlarm();

  Reactor& reactor_;
  const ProbeSource source_;
  OnDone on_done_;
  std::shared_ptr<const tls::ClientContext> tls_;  // Null: not needed so far.
  absl::flat_hash_map<uint16_t, Probe*> probes_;
  std::list<Probe*> lingering_;  // Longest first.
  Alarm alarm_{reactor_, [this] { OnLingerAlarm(); }};
};

}  // namespace ballast::run

#endif  // LB_RUN_STREAM_PROBES_H_
