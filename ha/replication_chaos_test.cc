// Goal    whatever the network, the stream and the tables did: after a bounded
//         time of quiet both tables are equal and the follower says complete;
//         and it never says so while its table is not what the leader had told
//         up to the very position it has applied.
// Method  a pair on virtual time over a link that loses, doubles and reorders,
//         a stream that breaks, tables that change, lose changes and forget,
//         roles that move, units that die. A model follows what leaves the
//         leader. The seed is the only input.
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"
#include "ha/replication_pair.h"
#include "ha/replicator.h"
#include "ha/sync_datagram.h"
#include "ha/transfer_wire.h"
#include "io/base/bytes.h"

namespace ballast::ha {
namespace {

constexpr uint64_t kSeeds = 60;

using Table = std::map<FakeStateTable::Key, std::pair<Endpoint, uint16_t>>;

Table TableOf(const FakeStateTable& table) {
  Table result;
  for (const SyncRecord& record : table.Connections()) {
    result[FakeStateTable::KeyOf(record)] = {record.server, record.state};
  }
  return result;
}

// What a follower must have at each position of a leader: what the leader's
// table had given away by the time the datagram was full.
class Model {
 public:
  // A datagram leaves for the first time.
  void OnDatagram(const FakeStateTable& table,
                  std::span<const uint8_t> datagram) {
    const uint64_t position = LoadBig64(datagram.data());
    if (position == 0 || tables_.contains(position)) return;
    SyncContent content;
    ASSERT_TRUE(ReadSections(datagram.subspan(8), 0, content));
    Follow(table, content.records.size());
    tables_[position] = state_;
  }
  // The end of a transfer leaves: all that was given is told.
  void OnEnd(const FakeStateTable& table, uint64_t position) {
    state_.clear();
    seen_ = 0;
    Follow(table, table.given().size());
    tables_[position] = state_;
  }
  // Null: no such position was ever told.
  const Table* At(uint64_t position) const {
    const auto found = tables_.find(position);
    return found == tables_.end() ? nullptr : &found->second;
  }
  void Clear() { *this = Model(); }

 private:
  void Follow(const FakeStateTable& table, size_t count) {
    for (; count > 0; --count) {
      ASSERT_LT(seen_, table.given().size());
      const SyncRecord& record = table.given()[seen_++];
      if (record.kind == SyncRecord::Kind::kGone) {
        state_.erase(FakeStateTable::KeyOf(record));
      } else {
        state_[FakeStateTable::KeyOf(record)] = {record.server, record.state};
      }
    }
  }

  Table state_;
  size_t seen_ = 0;
  std::map<uint64_t, Table> tables_;
};

class Chaos {
 public:
  explicit Chaos(uint64_t seed)
      : pair_(MakeOptions(seed), seed, /*changes_max=*/300) {
    pair_.filter = [this](int to, std::span<const uint8_t> datagram) {
      models_[1 - to].OnDatagram(pair_.unit(1 - to).table, datagram);
      return true;
    };
    pair_.on_stream = [this](int to, std::span<const uint8_t> message) {
      if (message[0] != static_cast<uint8_t>(StreamMessage::kEnd)) return;
      const auto end = DecodeEnd(message.subspan(1));
      ASSERT_TRUE(end);
      models_[1 - to].OnEnd(pair_.unit(1 - to).table, end->position);
    };
    pair_.after_step = [this] { CheckComplete(); };
    Lead(0);
    pair_.StreamUp();
  }

  void Run() {
    for (int round = 0; round < 4; ++round) {
      Rage();
      if (::testing::Test::HasFatalFailure()) return;
      Quiet();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  uint64_t completions() const { return completions_; }

 private:
  static Replicator::Options MakeOptions(uint64_t seed) {
    std::mt19937_64 prng(seed * 7919);
    Replicator::Options options;
    options.queue_max = 4 + prng() % 60;
    options.payload_max = 256 + prng() % 1145;
    options.burst_max = 1 + prng() % 64;
    options.sum_period = absl::Milliseconds(100 + prng() % 900);
    options.alone_after = absl::Milliseconds(500 + prng() % 5000);
    return options;
  }

  uint64_t Pick(uint64_t below) { return pair_.prng()() % below; }
  FakeStateTable& leaders() { return pair_.unit(leader_).table; }
  FakeStateTable& followers() { return pair_.unit(1 - leader_).table; }

  void Lead(int i) {
    leader_ = i;
    pair_.unit(i).table.set_active(true);
    pair_.unit(1 - i).table.set_active(false);
    pair_.unit(i).replicator.Lead(pair_.now());
    pair_.unit(1 - i).replicator.Follow(pair_.now());
  }

  void Mutate() {
    const uint32_t n = static_cast<uint32_t>(Pick(120));
    SyncRecord record = FakeStateTable::Connection(
        n, static_cast<uint8_t>(1 + Pick(20) / 19), n % 3 == 0);
    record.state = static_cast<uint16_t>(1 + Pick(10));
    if (Pick(3) == 0) {
      leaders().Remove(record);
    } else {
      leaders().Put(record);
    }
  }

  void Rage() {
    pair_.link() = {.loss = 0.05 * Pick(8),
                    .twice = 0.05 * Pick(4),
                    .delay = absl::Microseconds(50 + Pick(2000)),
                    .jitter = absl::Microseconds(Pick(15000))};
    pair_.set_stream_room(1 + Pick(10));
    for (uint64_t steps = 200 + Pick(400); steps > 0; --steps) {
      for (uint64_t n = Pick(12); n > 0; --n) Mutate();
      switch (Pick(200)) {
        case 0:
        case 1:
          if (pair_.stream_up()) pair_.StreamDown();
          break;
        case 2:
        case 3:
        case 4:
        case 5:
          if (!pair_.stream_up()) pair_.StreamUp();
          break;
        case 6:
          leaders().LoseChanges();
          break;
        case 7:
          pair_.unit(leader_).replicator.Resync(pair_.now());
          break;
        case 8:  // The same units, the other way round.
          pair_.unit(leader_).replicator.Finish(pair_.now());
          pair_.Run(absl::Milliseconds(Pick(20)));
          Lead(1 - leader_);
          break;
        case 9:  // Led, idle, leads again.
          pair_.unit(leader_).replicator.Idle(pair_.now());
          Lead(leader_);
          break;
        case 10:
          if (Pick(2) == 0) {
            const int dead = static_cast<int>(Pick(2));
            pair_.Restart(dead);
            models_[dead].Clear();
            Lead(1 - dead);
          }
          break;
        default:
          break;
      }
      pair_.Run(absl::Microseconds(Pick(4000)));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  void Quiet() {
    pair_.link() = {};
    pair_.set_stream_room(1000);
    if (!pair_.stream_up()) pair_.StreamUp();
    // In some, the follower's table has a mishap that only a sum can show.
    if (Pick(2) == 0) {
      checked_ = false;
      const auto connections = followers().Connections();
      if (!connections.empty()) {
        followers().Forget(connections[Pick(connections.size())]);
      }
    }
    const Replicator& follower = pair_.unit(1 - leader_).replicator;
    const Replicator& leader = pair_.unit(leader_).replicator;
    // Two sums; and the longest pause between two requests is a minute.
    pair_.Run(absl::Seconds(2));
    for (int s = 0; s < 63 && !follower.complete(); ++s) {
      pair_.Run(absl::Seconds(1));
    }
    checked_ = true;
    // The last sum may be on its way.
    if (follower.position() != leader.position()) {
      pair_.Run(absl::Milliseconds(1));
    }
    ASSERT_TRUE(follower.complete());
    ASSERT_EQ(follower.position(), leader.position());
    ASSERT_EQ(follower.lag(), 0u);
    ASSERT_TRUE(TableOf(followers()) == TableOf(leaders()));
    ASSERT_EQ(follower.stats().malformed, 0u);
    ASSERT_EQ(leader.stats().malformed, 0u);
  }

  void CheckComplete() {
    const Replicator& follower = pair_.unit(1 - leader_).replicator;
    if (!checked_ || !follower.complete()) return;
    const uint64_t position = follower.position();
    const Table* told = models_[leader_].At(position);
    ASSERT_NE(told, nullptr) << position;
    ASSERT_TRUE(TableOf(followers()) == *told) << position;
    ++completions_;
  }

  ReplicationPair pair_;
  Model models_[2];
  int leader_ = 0;
  bool checked_ = true;
  uint64_t completions_ = 0;
};

TEST(ReplicationChaosTest, QuietMakesTablesEqualAndCompleteIsNeverALie) {
  uint64_t completions = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Chaos chaos(seed);
    chaos.Run();
    if (HasFatalFailure()) return;
    completions += chaos.completions();
  }
  // Else nothing was checked.
  EXPECT_GT(completions, kSeeds * 1000);
}

}  // namespace
}  // namespace ballast::ha
