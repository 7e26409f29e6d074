// conntrackd's modes NOTRACK and ALARM: what is lost stays lost until it is
// told again.
//
// N1  what comes is taken whatever its number; gaps are only counted.
// N2  NOTRACK: a second without a datagram of ours is ended by an ALIVE; the
//     peer's RESYNC asks to be told everything.
// N3  ALARM: no control messages; one that comes is left alone. Who tells
//     repeats everything, which is what makes up for losses.
// N4  there is no greeting in either: that the peer has restarted is not known.
//
// Threads  one.
// Source   conntrack-tools 1.4.7 sync-notrack.c, sync-alarm.c and captures.
#ifndef HA_CONNTRACK_PLAIN_H_
#define HA_CONNTRACK_PLAIN_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "ha/conntrack_channel.h"
#include "ha/conntrack_outbox.h"
#include "ha/conntrack_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ConntrackPlain : public ConntrackChannel {
 public:
  enum class Mode : uint8_t { kNotrack, kAlarm };
  struct Options {
    Mode mode = Mode::kNotrack;
    ConntrackOutbox::Options out;
    absl::Duration alive_interval = absl::Seconds(1);
  };

  // `host` outlives it.
  ConntrackPlain(const Options& options, Instant now, Host& host);

  bool HasRoom(Instant now) override { return out_.HasRoom(now); }
  Instant room_at() const override { return out_.room_at(); }
  void Tell(Instant now, ConntrackType type,
            const ConntrackEntry& entry) override;
  void AskAll(Instant now) override;
  void Flush(Instant now) override { out_.Flush(now); }
  void OnDatagram(Instant now, std::span<const uint8_t> bytes) override;
  void Tick(Instant now) override;
  Instant deadline() const override;
  const Stats& stats() const override { return stats_; }
  Lag lag(Instant) const override { return {}; }

 private:
  void OnMessage(Instant now, const ConntrackMessage& message);

  const Options options_;
  Host& host_;
  Stats stats_;
  ConntrackOutbox out_;
  std::optional<uint32_t> last_;  // The last number that came.
};

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_PLAIN_H_
