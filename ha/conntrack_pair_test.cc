// Goal    however the link loses, repeats and reorders datagrams, and whichever
//         side restarts: once the link is good and nothing changes any more,
//         each side has exactly the other's connections, as they are (and those
//         whose end was lost with a side, or in a table's full queue).
// Method  two peers with a table each on virtual time. The seed is the only
//         input. A connection belongs to one side, which begins, changes and
//         ends it; a side that restarts keeps its own and loses the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "ha/conntrack_peer.h"
#include "ha/fake_state_table.h"
#include "ha/sync_record.h"
#include "io/base/instant.h"

namespace ballast::ha {
namespace {

class PairWorld {
 public:
  struct Options {
    uint64_t seed = 0;
    double loss = 0;
    double twice = 0;
    bool restarts = false;
    uint32_t window = 300;
    size_t kept_max = 131072;
    size_t changes_max = 100000;
    uint32_t first_sequence = 0x7fffff00;  // Numbers wrap on the way.
  };

  explicit PairWorld(const Options& options)
      : options_(options), loss_(options.loss), prng_(options.seed) {
    for (int side = 0; side < 2; ++side) Start(side, {});
  }

  // Connections come, change and go, and sides restart.
  void Live(absl::Duration duration) {
    const Instant end = now_ + duration;
    Instant next_restart = now_ + absl::Seconds(2 + Random(8));
    while (now_ < end) {
      Change(static_cast<int>(Random(2)));
      RunTo(now_ + absl::Milliseconds(Random(20)));
      if (options_.restarts && now_ >= next_restart) {
        next_restart = now_ + absl::Seconds(2 + Random(8));
        Restart(static_cast<int>(Random(2)));
      }
    }
  }
  void Heal() { loss_ = 0; }
  void RunTo(Instant end) {
    for (;;) {
      Instant next = end;
      for (const Side& side : sides_) {
        next = std::min(next, side.peer->deadline());
      }
      if (!flying_.empty()) next = std::min(next, flying_.begin()->first);
      now_ = std::max(now_, next);
      for (Side& side : sides_) {
        if (side.peer->deadline() <= now_) side.peer->Tick(now_);
      }
      while (!flying_.empty() && flying_.begin()->first <= now_) {
        const Flying flying = flying_.begin()->second;
        flying_.erase(flying_.begin());
        sides_[flying.to].peer->OnDatagram(now_, flying.bytes);
      }
      if (next >= end) break;
    }
  }
  void Run(absl::Duration duration) { RunTo(now_ + duration); }

  void ExpectConverged() {
    for (int side = 0; side < 2; ++side) {
      SCOPED_TRACE(absl::StrCat("known by ", 1 - side));
      std::map<FakeStateTable::Key, SyncRecord> known;
      for (const SyncRecord& record : sides_[1 - side].table->Connections()) {
        const auto key = FakeStateTable::KeyOf(record);
        if (!sides_[1 - side].own.contains(key)) known[key] = record;
      }
      size_t there = 0;
      for (const auto& [key, record] : sides_[side].own) {
        const auto found = known.find(key);
        ASSERT_TRUE(found != known.end()) << record.client.ToString();
        EXPECT_EQ(found->second.server, record.server);
        EXPECT_EQ(found->second.state, record.state);
        ++there;
      }
      // An end that a restart or a full queue swallowed is told by nobody.
      if (!options_.restarts && stats(side).changes_lost == 0) {
        EXPECT_EQ(known.size(), there);
      }
      EXPECT_EQ(sides_[side].peer->channel().lag(now_).connections, 0u);
    }
  }
  const ConntrackChannel::Stats& channel_stats(int side) const {
    return sides_[side].peer->channel().stats();
  }
  const ConntrackPeer::Stats& stats(int side) const {
    return sides_[side].peer->stats();
  }
  size_t own(int side) const { return sides_[side].own.size(); }

 private:
  struct Link : ConntrackPeer::Host {
    void SendConntrack(Instant now, std::span<const uint8_t> bytes) override {
      world->Send(now, to, bytes);
    }
    PairWorld* world = nullptr;
    int to = 0;
  };
  struct Side {
    std::unique_ptr<Link> link;
    std::unique_ptr<FakeStateTable> table;
    std::unique_ptr<ConntrackPeer> peer;
    std::map<FakeStateTable::Key, SyncRecord> own;
  };
  struct Flying {
    int to = 0;
    std::vector<uint8_t> bytes;
  };

  uint64_t Random(uint64_t below) { return prng_() % below; }
  bool Chance(double chance) {
    return static_cast<double>(Random(1000000)) < chance * 1e6;
  }

  void Start(int side, std::map<FakeStateTable::Key, SyncRecord> own) {
    Side& s = sides_[side];
    s.peer.reset();
    s.link = std::make_unique<Link>();
    s.link->world = this;
    s.link->to = 1 - side;
    s.table = std::make_unique<FakeStateTable>(options_.changes_max);
    s.table->set_tells_applied(false);
    s.own = std::move(own);
    for (const auto& [key, record] : s.own) s.table->PutUntold(record);
    ConntrackPeer::Options options{.window = options_.window,
                                   .kept_max = options_.kept_max,
                                   .poll_interval = absl::Milliseconds(50)};
    // As a daemon that starts by the clock: often below where it was.
    options.out.first_sequence =
        options_.first_sequence + static_cast<uint32_t>(Random(300));
    s.peer = std::make_unique<ConntrackPeer>(options, now_, *s.table, *s.link);
    s.peer->Lead(now_);
  }
  void Restart(int side) {
    // What is under way is older than a restart takes.
    flying_.clear();
    Start(side, std::move(sides_[side].own));
  }
  void Send(Instant now, int to, std::span<const uint8_t> bytes) {
    for (int copies = Chance(options_.twice) ? 2 : 1; copies > 0; --copies) {
      if (Chance(loss_)) continue;
      flying_.emplace(now + absl::Microseconds(100 + Random(20000)),
                      Flying{to, {bytes.begin(), bytes.end()}});
    }
  }
  void Change(int side) {
    Side& s = sides_[side];
    const uint32_t n = 2 * static_cast<uint32_t>(Random(60)) + side;
    SyncRecord record = FakeStateTable::Connection(n, 1, n % 3 == 0);
    if (Random(4) == 0) {
      s.own.erase(FakeStateTable::KeyOf(record));
      s.table->Remove(record);
      return;
    }
    record.state = static_cast<uint16_t>(1 + Random(8));
    if (Random(8) == 0) {
      record.server.port = static_cast<uint16_t>(8000 + Random(4));
    }
    s.own[FakeStateTable::KeyOf(record)] = record;
    s.table->Put(record);
  }

  const Options options_;
  double loss_;
  std::mt19937_64 prng_;
  Instant now_ = Instant::FromNanos(0) + absl::Hours(1);
  Side sides_[2];
  std::multimap<Instant, Flying> flying_;
};

TEST(ConntrackPairTest, AGoodLinkNeedsNoRepeats) {
  PairWorld world({.seed = 1});
  world.Live(absl::Seconds(10));
  world.Run(absl::Seconds(5));
  world.ExpectConverged();
  EXPECT_GT(world.own(0), 20u);
}

TEST(ConntrackPairTest, LossRepetitionAndReorderingHeal) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    PairWorld world({.seed = seed,
                     .loss = 0.05 * static_cast<double>(seed % 8),
                     .twice = 0.1});
    world.Live(absl::Seconds(10));
    world.Heal();
    world.Run(absl::Seconds(40));
    world.ExpectConverged();
    if (testing::Test::HasFailure()) return;
    if (seed % 8 > 0) {
      EXPECT_GT(world.channel_stats(0).repeated, 0u);
      EXPECT_GT(world.channel_stats(1).late, 0u);
    }
  }
}

TEST(ConntrackPairTest, RestartsOfEitherSideHeal) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    PairWorld world({.seed = seed,
                     .loss = 0.05 * static_cast<double>(seed % 8),
                     .twice = 0.1,
                     .restarts = true});
    world.Live(absl::Seconds(20));
    world.Heal();
    world.Run(absl::Seconds(80));
    world.ExpectConverged();
    if (testing::Test::HasFailure()) return;
  }
}

TEST(ConntrackPairTest, SmallQueuesHealToo) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    PairWorld world({.seed = seed,
                     .loss = 0.2,
                     .window = 3,
                     .kept_max = 24,
                     .changes_max = 5});
    world.Live(absl::Seconds(10));
    world.Heal();
    world.Run(absl::Seconds(80));
    world.ExpectConverged();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ballast::ha
