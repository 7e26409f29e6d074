// conntrackd's mode FTFW: every message is numbered and acknowledged, and what
// is lost is asked for and sent again.
//
// As conntrackd does:
//   F1  a second without a datagram of ours is ended by an ACK of what came
//       since the last, if anything did, else by an ALIVE. After `window`
//       messages the ACK comes at once.
//   F2  a gap is acted upon beyond, answered by an ACK of what was before it
//       and a NACK of what is missing. What comes late is not taken: its
//       content comes again under another number.
//   F3  what was sent, but ALIVE, is kept until it is acknowledged. A NACK has
//       what is still kept of it sent again, under new numbers.
//   F4  HELLO is said with every message until a HELLO_BACK comes; one
//   HELLO_BACK
//       is said for each HELLO that comes. A message with HELLO is taken
//       whatever its number, and ends what was kept: the peer knows nothing of
//       it.
// Beyond, since conntrackd does not recover by itself there:
//   F5  of one connection only the newest message is kept, so that a repeat
//       never undoes what was told later. (conntrackd repeats the object as it
//       is by then, which is the same.)
//   F6  once both hellos are over the owner is told (OnGreeted): messages with
//       HELLO are not asked for again, and before it the peer may have lost
//       anything. A RESYNC that comes before is passed on then.
//   F7  a peer that is only heard late for stale_after has begun anew, and its
//       hello was lost: its numbers count from there.
//   F8  what stays unacknowledged for that long though the peer is heard, or
//       was not kept for want of room, has the hello said again.
//   F9  a message whose attributes are refused is acknowledged all the same:
//       asked again, the peer would say it again, for ever.
//
// Bounds   kept_max messages, of some 200 bytes each; then the oldest is
//          forgotten and counted. A NACK costs what of it is kept, once.
// Cost     of a message told or acknowledged: one hash look-up.
// Threads  one.
// Source   conntrack-tools 1.4.7 sync-ftfw.c and captures.
#ifndef HA_CONNTRACK_FTFW_H_
#define HA_CONNTRACK_FTFW_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "ha/conntrack_channel.h"
#include "ha/conntrack_outbox.h"
#include "ha/conntrack_wire.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ConntrackFtfw : public ConntrackChannel {
 public:
  struct Options {
    ConntrackOutbox::Options out;
    uint32_t window = 300;     // ACKWindowSize, at least 1.
    size_t kept_max = 131072;  // ResendQueueSize, at least 1.
    absl::Duration alive_interval = absl::Seconds(1);
    absl::Duration stale_after = absl::Seconds(30);
  };

  // `host` outlives it.
  ConntrackFtfw(const Options& options, Instant now, Host& host);

  // Repeats go first; and half of what can be kept is for answers, else a
  // table that is told would push them out.
  bool HasRoom(Instant now) override {
    return again_.empty() && kept_.size() < (options_.kept_max + 1) / 2 &&
           out_.HasRoom(now);
  }
  Instant room_at() const override { return out_.room_at(); }
  void Tell(Instant now, ConntrackType type,
            const ConntrackEntry& entry) override;
  void AskAll(Instant now) override;
  void Flush(Instant now) override { out_.Flush(now); }
  void OnDatagram(Instant now, std::span<const uint8_t> bytes) override;
  void Tick(Instant now) override;
  Instant deadline() const override;
  const Stats& stats() const override { return stats_; }
  Lag lag(Instant now) const override;

  // Whether both sides know of each other's start (F4).
  bool greeted() const { return hello_done_ && !peer_hello_; }

 private:
  struct Kept {
    enum class Kind : uint8_t { kNothing, kEntry, kControl };
    Kind kind = Kind::kNothing;
    bool again = false;  // In again_.
    ConntrackType type = ConntrackType::kNew;
    uint8_t flags = 0;  // Of a control message, with its range.
    uint32_t from = 0;
    uint32_t to = 0;
    Instant sent;
    ConntrackEntry entry;
  };

  // Receiving.
  bool IsStale(Instant now, Instant since) const;
  void OnMessage(Instant now, const ConntrackMessage& message);
  void OnHello(Instant now, const ConntrackMessage& message);
  void InOrder(Instant now, const ConntrackMessage& message);
  void BehindGap(Instant now, const ConntrackMessage& message);
  void Act(Instant now, const ConntrackMessage& message);
  void Acknowledge(Instant now);
  void OnAcknowledged(uint32_t from, uint32_t to);
  void OnMissed(uint32_t from, uint32_t to);
  void Greet(Instant now);

  // Sending.
  uint8_t Flags(uint8_t flags);
  void SendEntry(Instant now, ConntrackType type, const ConntrackEntry& entry);
  void SendControl(Instant now, uint8_t flags, uint32_t from, uint32_t to);
  void SendAgain(Instant now);
  void SayHelloAgain();

  // What is kept. Numbers outside of it have nothing.
  Kept* Find(uint32_t sequence);
  void Keep(uint32_t sequence, Kept kept);
  void Drop(Kept& kept);
  void Trim();
  void ForgetAll();

  const Options options_;
  Host& host_;
  Stats stats_;
  ConntrackOutbox out_;

  // Received: the last number taken, the first of those not acknowledged.
  std::optional<uint32_t> last_;
  std::optional<uint32_t> first_;
  uint32_t window_;
  Instant taken_at_;  // When the last was.
  Instant heard_at_;  // The peer, and since when without a silence.
  Instant heard_since_;

  bool hello_done_ = false;
  bool say_hello_back_ = false;
  bool peer_hello_ = false;    // The peer's last message had HELLO.
  bool greet_due_ = false;     // F6
  bool resync_due_ = false;    // F6
  bool not_all_kept_ = false;  // F8

  std::deque<Kept> kept_;  // By number, from base_ on.
  uint32_t base_ = 0;
  absl::flat_hash_map<ConntrackTuple, uint32_t> by_tuple_;
  std::deque<uint32_t> again_;  // Numbers.
};

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_FTFW_H_
