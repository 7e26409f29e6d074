// IPVS connection sync with a director of another make, over a StateTable: as
// master it tells, as backup it is told. Beside a Linux director, say, each
// side can take the other's connections over.
//
// The wire has no answers, no numbers and no seal: what is lost stays lost
// until its connection is told of again, and whoever can send on the link can
// tell. Between two units of our own see replicator.h.
//
// I1  a backup applies the records of a message in one go, as the table does:
//     created, updated, kept unbound until a server is configured for it.
//     Connections end by their own timeouts, since nobody says that one is
//     gone.
// I2  own syncid 0 takes every message's; a message's 0 is no wildcard.
// I3  left out, of what a backup is told: entries of a persistence engine (this
//     unit has none), and connections whose sequence numbers the other director
//     shifts. Our own detail is not taken from a stranger.
// I4  a master tells the table's changes as they come, in the order they came;
//     the end of a connection is not one, as IPVS has no words for it.
// I5  a message is sent when it is full, or its first record is flush_after
//     old. A kernel takes 2 to 3 s for that.
// I6  Resync() tells the whole table again, behind the changes. If changes were
//     lost to a full queue, that is done unasked. An order during a resync is
//     carried out once more after it.
// I7  nothing goes faster than burst_max messages each burst_interval: a
//     receiver with room for so many loses nothing. (Linux's default socket
//     buffer has room for some 90.) While changes alone take that pace, a
//     resync waits.
//
// Units    message_max in bytes of UDP payload.
// Bounds   a Tick() takes at most kTakeMax records off the table and sends at
//          most burst_max messages.
// Errors   what cannot be decoded is left out and counted, as IPVS does.
// Threads  one.
// Source   ip_vs_sync.c; limits and times: Linux 6.1.
#ifndef HA_IPVS_PEER_H_
#define HA_IPVS_PEER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "ha/ipvs_wire.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/instant.h"

namespace ballast::ha {

class IpvsPeer {
 public:
  static constexpr size_t kTakeMax = 16384;

  class Host {
   public:
    virtual ~Host() = default;
    // To the group. May be lost.
    virtual void SendSync(Instant now, std::span<const uint8_t> bytes) = 0;
  };

  struct Options {
    int version = 1;  // What is sent: 1, or 0 (IPv4 alone). Both are read.
    uint8_t syncid = 0;
    // At least 80, an IPv6 entry; kIpvsMessageMaxV6 to a group of IPv6.
    size_t message_max = kIpvsMessageMaxV4;
    size_t burst_max = 16;  // At least 1.
    absl::Duration burst_interval = absl::Milliseconds(10);
    absl::Duration flush_after = absl::Milliseconds(20);
    // A master looks for changes so often.
    absl::Duration poll_interval = absl::Milliseconds(10);
  };

  struct Stats {
    // As master.
    uint64_t messages_sent = 0;
    uint64_t bytes_sent = 0;
    uint64_t records_sent = 0;
    uint64_t unsendable = 0;    // IPv6 in version 0, one-packet connections.
    uint64_t ends_untold = 0;   // Connections that ended (I4).
    uint64_t changes_lost = 0;  // By the table's full queue.
    uint64_t resyncs_begun = 0;
    uint64_t resyncs_complete = 0;
    uint64_t resync_records = 0;  // Of the current or last one.
    // As backup.
    uint64_t messages_received = 0;  // Those refused whole are in `errors`.
    uint64_t records_received = 0;
    std::array<uint64_t, kIpvsReadErrorCount> errors{};  // By IpvsReadError.
    uint64_t engine_skipped = 0;                         // I3
    uint64_t sequence_skipped = 0;                       // I3
    ApplyCounts applied;
    uint64_t ignored_while_leading = 0;  // Messages.
  };

  // It begins as a backup. `table` and `host` outlive it. Of valid options.
  IpvsPeer(const Options& options, StateTable& table, Host& host);

  // -- Roles ----------------------------------------------------------------
  // Master: what changes from now on is told.
  void Lead(Instant now);
  // Backup. A master first tells what it has not told yet, up to kTakeMax
  // records and at whatever pace, so that a planned switchover loses nothing.
  void Follow(Instant now);
  bool leading() const { return leading_; }

  // Master: I6. A backup has nobody to tell.
  void Resync(Instant now);
  bool resyncing() const { return resyncing_; }

  // -- Events ---------------------------------------------------------------
  // A datagram of the group. A master counts and ignores it.
  void OnMessage(Instant now, std::span<const uint8_t> bytes);
  // At deadline(), or any time.
  void Tick(Instant now);
  Instant deadline() const { return deadline_; }

  const Stats& stats() const { return stats_; }

 private:
  bool Takes(const IpvsEntry& entry);
  void NoticeLoss(Instant now);
  void BeginResync();
  // Fills batch_, at most `room` records. False: nothing to tell now.
  bool Fetch(Instant now, size_t room);
  // False: the pace does not allow more.
  bool Pack(Instant now, bool paced);
  void Flush(Instant now);

  const Options options_;
  StateTable& table_;
  Host& host_;
  IpvsReader reader_;
  IpvsWriter writer_;
  Stats stats_;

  bool leading_ = false;
  Instant deadline_ = Instant::Never();
  std::vector<SyncRecord> received_;
  std::vector<SyncRecord> batch_;  // Taken off the table and not packed yet:
  size_t batch_at_ = 0;            // from here on.
  Instant begun_;                  // The message in writer_.
  size_t burst_left_ = 0;
  Instant next_burst_;
  uint64_t lost_ = 0;  // The table's changes_lost() as far as seen.
  bool resyncing_ = false;
  bool resync_again_ = false;
  StateTable::Cursor cursor_;
};

}  // namespace ballast::ha

#endif  // HA_IPVS_PEER_H_
