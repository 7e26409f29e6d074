// One side of the traffic with a conntrackd, in one of its modes: what is told
// becomes datagrams, datagrams become what the peer tells.
//
// conntrack_plain.h has the modes that repeat nothing that was lost (NOTRACK,
// ALARM), conntrack_ftfw.h the one that does. A channel does not know tables:
// see conntrack_peer.h.
//
// Whoever can send to the port can tell: the wire has no authentication. The
// owner passes on the peer's datagrams alone.
//
// Threads  one.
#ifndef HA_CONNTRACK_CHANNEL_H_
#define HA_CONNTRACK_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/time/time.h"
#include "ha/conntrack_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ConntrackChannel {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // To the peer. May be lost.
    virtual void SendConntrack(Instant now, std::span<const uint8_t> bytes) = 0;
    // kNew and kUpdate are the same: what there is of it now. Of kDelete only
    // the tuple counts.
    virtual void OnConntrack(Instant now, ConntrackType type,
                             const ConntrackEntry& entry) = 0;
    // The peer wants to be told everything, or has missed what nobody knows.
    virtual void OnTellAll(Instant now) = 0;
    // The peer has started, or has noticed that we have: from now on nothing is
    // lost unnoticed, while of what was before some may be, either way.
    virtual void OnGreeted(Instant now) = 0;
  };

  struct Stats {
    uint64_t datagrams_sent = 0;
    uint64_t bytes_sent = 0;
    uint64_t entries_sent = 0;  // Repeats, too.
    uint64_t controls_sent = 0;
    uint64_t unsendable = 0;  // IsSendable() said no.
    ConntrackReader read;     // With what was refused, by reason.
    uint64_t entries_received = 0;
    uint64_t gaps = 0;     // Places where numbers were missing.
    uint64_t missing = 0;  // Numbers missing there.
    uint64_t late = 0;     // Messages that came behind a later one.
    // Of another mode than ours: a flagged message in ALARM, ACK and NACK in
    // NOTRACK.
    uint64_t not_of_mode = 0;
    uint64_t resyncs_asked = 0;     // By us.
    uint64_t resyncs_received = 0;  // Of the peer.
    // FTFW.
    uint64_t acknowledged = 0;     // Messages of ours.
    uint64_t nacks_sent = 0;       // Each for one gap.
    uint64_t nacks_received = 0;   // Each for one gap.
    uint64_t repeated = 0;         // Messages sent again for it.
    uint64_t forgotten = 0;        // Not acknowledged, and not kept: no room.
    uint64_t hellos_received = 0;  // Starts of the peer.
    uint64_t begun_again = 0;      // F8
    uint64_t late_accepted = 0;    // F7
  };

  // What the peer has not said it has, and since when. Always nothing where it
  // does not say.
  struct Lag {
    size_t connections = 0;
    absl::Duration oldest = absl::ZeroDuration();
  };

  virtual ~ConntrackChannel() = default;

  // Whether the pace allows to tell now; else from room_at() on. Not obeyed:
  // it goes out all the same, and may find no buffer.
  virtual bool HasRoom(Instant now) = 0;
  virtual Instant room_at() const = 0;
  // Leaves when a datagram is full, and with Flush(), OnDatagram() and Tick().
  virtual void Tell(Instant now, ConntrackType type,
                    const ConntrackEntry& entry) = 0;
  // Ask the peer for everything. Nothing, where the mode has no words for it.
  virtual void AskAll(Instant now) = 0;
  virtual void Flush(Instant now) = 0;

  virtual void OnDatagram(Instant now, std::span<const uint8_t> bytes) = 0;
  // At deadline(), or any time.
  virtual void Tick(Instant now) = 0;
  virtual Instant deadline() const = 0;

  virtual const Stats& stats() const = 0;
  virtual Lag lag(Instant now) const = 0;
};

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_CHANNEL_H_
