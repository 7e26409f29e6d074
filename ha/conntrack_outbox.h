// Messages of one conntrackd channel on their way out: numbers them, gathers
// them into datagrams, keeps the pace.
//
// Pace     burst_max datagrams each burst_interval. It is asked for, not
//          enforced: answers go out whatever was sent before.
// Threads  one.
#ifndef HA_CONNTRACK_OUTBOX_H_
#define HA_CONNTRACK_OUTBOX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "ha/conntrack_channel.h"
#include "ha/conntrack_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ConntrackOutbox {
 public:
  struct Options {
    // conntrackd begins with the second of the clock on the wall.
    uint32_t first_sequence = 1;
    // UDP payload in bytes, at least kConntrackMessageMax. conntrackd stays
    // below 1500 - 28.
    size_t datagram_max = 1471;
    size_t burst_max = 16;  // At least 1.
    absl::Duration burst_interval = absl::Milliseconds(10);
  };

  // `host` and `stats` outlive it. Nothing counts as sent at `now`.
  ConntrackOutbox(const Options& options, Instant now,
                  ConntrackChannel::Host& host, ConntrackChannel::Stats& stats);

  // Of the next message.
  uint32_t sequence() const { return sequence_; }
  // False: not sendable, no number is used.
  bool AddEntry(Instant now, ConntrackType type, uint8_t flags,
                const ConntrackEntry& entry);
  void AddControl(Instant now, uint8_t flags, uint32_t from = 0,
                  uint32_t to = 0);
  void Flush(Instant now);

  bool HasRoom(Instant now);
  // When the next burst begins.
  Instant room_at() const { return next_burst_; }
  // When the last datagram left.
  Instant last_sent() const { return last_sent_; }

 private:
  void Add(Instant now, size_t size);

  const Options options_;
  ConntrackChannel::Host& host_;
  ConntrackChannel::Stats& stats_;
  uint32_t sequence_;
  std::array<uint8_t, kConntrackMessageMax> message_;
  std::vector<uint8_t> datagram_;
  Instant last_sent_;
  size_t burst_left_;
  Instant next_burst_;
};

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_OUTBOX_H_
