// Connections shared with a conntrackd over a StateTable: what this unit's
// directors do is told, what the peer tells becomes connections here. Beside a
// Linux firewall, say, each side can go on with the other's connections.
//
// conntrackd has no roles: both sides tell, whoever serves. So a table that
// tells is told at the same time.
//
// P1  the table's changes are told as they come: "new" before it is answered
//     and when everything is told, else "update"; its end as "delete". To a
//     receiver "new" and "update" are the same.
// P2  what came from the peer must not be told back to it: the table has to
//     leave it out of its changes and of Export() until a packet of it comes
//     here. (Told back, two of these would tell each other everything for
//     ever.)
// P3  everything is told again when the peer asks, when either side has
//     started, and when changes were lost to the table's full queue; behind
//     the changes that wait. Asked meanwhile, once more after. There are no
//     words for "that is all": an end that was lost so leaves the peer with a
//     connection until its timeout.
// P4  the peer is asked for everything after a start of either side.
// P5  in mode ALARM everything is told again each `refresh`, and what the peer
//     tells ends cache_timeout after it was last heard of.
// P6  what the peer tells and no director could have is counted by its reason
//     (conntrack_record.h). The rest is the table's to judge.
// P7  a standby tells nothing: nothing happens there.
//
// Bounds   a Tick() takes at most kTakeMax records off the table, and no more
//          than the channel's pace allows.
// Threads  one.
#ifndef HA_CONNTRACK_PEER_H_
#define HA_CONNTRACK_PEER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "ha/conntrack_channel.h"
#include "ha/conntrack_outbox.h"
#include "ha/conntrack_record.h"
#include "ha/conntrack_wire.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/instant.h"

namespace ballast::ha {

enum class ConntrackMode : uint8_t { kFtfw, kNotrack, kAlarm };

class ConntrackPeer : private ConntrackChannel::Host {
 public:
  static constexpr size_t kTakeMax = 16384;

  class Host {
   public:
    virtual ~Host() = default;
    // To the peer. May be lost.
    virtual void SendConntrack(Instant now, std::span<const uint8_t> bytes) = 0;
  };

  struct Options {
    ConntrackMode mode = ConntrackMode::kFtfw;
    ConntrackOutbox::Options out;
    // FTFW: see conntrack_ftfw.h.
    uint32_t window = 300;
    size_t kept_max = 131072;
    // ALARM.
    absl::Duration refresh = absl::Seconds(60);
    absl::Duration cache_timeout = absl::Seconds(180);
    // How often changes are looked for.
    absl::Duration poll_interval = absl::Milliseconds(10);
  };

  struct Stats {
    uint64_t records_taken = 0;  // Off the table, to be told.
    uint64_t not_nat = 0;        // Of them without such a form.
    uint64_t changes_lost = 0;   // By the table's full queue.
    uint64_t tell_all_begun = 0;
    uint64_t tell_all_complete = 0;
    // By ConntrackUnmatched: entries of the peer's.
    std::array<uint64_t, kConntrackUnmatchedCount> unmatched{};
    ApplyCounts applied;
  };

  // It begins as a standby. `table` and `host` outlive it. Of valid options.
  ConntrackPeer(const Options& options, Instant now, StateTable& table,
                Host& host);

  // Active: what changes from now on is told, and once what there is.
  void Lead(Instant now);
  // A standby. What has not been told yet goes out first, up to kTakeMax
  // records and at whatever pace.
  void Follow(Instant now);
  bool leading() const { return leading_; }

  // Tell everything again; ask the peer for everything.
  void Resync(Instant now);
  bool telling_all() const { return telling_all_; }

  void OnDatagram(Instant now, std::span<const uint8_t> bytes);
  // At deadline(), or any time.
  void Tick(Instant now);
  Instant deadline() const;

  const Stats& stats() const { return stats_; }
  const ConntrackChannel& channel() const { return *channel_; }

 private:
  // ConntrackChannel::Host.
  void SendConntrack(Instant now, std::span<const uint8_t> bytes) override;
  void OnConntrack(Instant now, ConntrackType type,
                   const ConntrackEntry& entry) override;
  void OnTellAll(Instant now) override;
  void OnGreeted(Instant now) override;

  void TellAll();
  void NoticeLoss();
  // Fills batch_. False: nothing to tell now.
  bool Fetch(Instant now, size_t room);
  // False: the pace does not allow more.
  bool TellBatch(Instant now, bool paced);
  void TellOne(Instant now, const SyncRecord& record);
  void ApplyReceived(Instant now);

  const Options options_;
  StateTable& table_;
  Host& host_;
  Stats stats_;
  std::unique_ptr<ConntrackChannel> channel_;

  bool leading_ = false;
  std::vector<SyncRecord> received_;
  std::vector<SyncRecord> batch_;  // Taken off the table, and told up to here:
  size_t batch_at_ = 0;
  bool batch_is_all_ = false;  // Of TellAll().
  Instant next_poll_ = Instant::Never();
  Instant next_refresh_ = Instant::Never();
  uint64_t lost_ = 0;  // The table's changes_lost() as far as seen.
  bool ask_all_ = false;
  bool telling_all_ = false;
  bool tell_all_again_ = false;
  StateTable::Cursor cursor_;
};

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_PEER_H_
