// Two CARP nodes on virtual time over a link that loses, delays and repeats
// adverts, splits, and stalls its ends. The seed is the only input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ha/carp_node.h"

namespace ballast::ha {
namespace {

constexpr absl::Duration kDelayMax = absl::Milliseconds(50);

class ClusterSim {
 public:
  explicit ClusterSim(uint64_t seed) : prng_(seed) {}

  // Both start at once; `later` of the second, if it is to start later.
  void Start(CarpNode::Options first, CarpNode::Options second,
             absl::Duration later = absl::ZeroDuration()) {
    first.source = Address::V4(0x0a4d0001);
    second.source = Address::V4(0x0a4d0002);
    Boot(0, first);
    RunFor(later);
    Boot(1, second);
  }
  void Boot(int unit, const CarpNode::Options& options) {
    Unit& u = units_[unit];
    u = Unit{};
    u.options = options;
    u.node = std::make_unique<CarpNode>(options, now_);
  }

  void set_loss(double loss) { loss_ = loss; }
  // Nothing from `unit` arrives.
  void set_mute(int unit, bool mute) { units_[unit].mute = mute; }
  void Crash(int unit) {
    units_[unit].node.reset();
    units_[unit].serves = false;
  }
  // It is not called for so long; what arrives waits.
  void Stall(int unit, absl::Duration time) {
    units_[unit].stalled_until = now_ + time;
  }
  void Tell(int unit, const CarpEvent& event) { Step(unit, event); }

  void RunFor(absl::Duration time) {
    const Instant end = now_ + time;
    while (true) {
      const auto [when, unit, is_tick] = Next();
      if (when > end) break;
      CountTwoMasters(when);
      now_ = when;
      if (is_tick) {
        Step(unit, CarpTick{});
      } else {
        const Delivery delivery = link_.top();
        link_.pop();
        units_[delivery.to].queue.push_back(delivery.heard);
      }
      for (int i = 0; i < 2; ++i) Drain(i);
    }
    CountTwoMasters(end);
    now_ = end;
  }

  // Both, one or none.
  int MasterCount() const { return units_[0].serves + units_[1].serves; }
  bool serves(int unit) const { return units_[unit].serves; }
  const CarpNode& node(int unit) const { return *units_[unit].node; }
  // The longest that both served at once.
  absl::Duration two_masters_max() const { return two_masters_max_; }
  void ForgetTwoMasters() { two_masters_max_ = absl::ZeroDuration(); }
  std::mt19937_64& prng() { return prng_; }
  double Chance() { return std::uniform_real_distribution<>()(prng_); }

 private:
  struct Unit {
    std::unique_ptr<CarpNode> node;
    CarpNode::Options options;
    std::vector<CarpHeard> queue;  // Arrived.
    Instant stalled_until;
    bool mute = false;
    bool serves = false;
  };
  struct Delivery {
    Instant when;
    int to;
    CarpHeard heard;
    bool operator<(const Delivery& other) const { return when > other.when; }
  };
  struct Event {
    Instant when;
    int unit;
    bool is_tick;
  };

  Event Next() const {
    Event next{Instant::Never(), 0, true};
    for (int i = 0; i < 2; ++i) {
      const Unit& unit = units_[i];
      if (!unit.node) continue;
      Instant when = std::max(unit.node->deadline(), now_);
      if (!unit.queue.empty()) when = now_;
      when = std::max(when, unit.stalled_until);
      if (when < next.when) next = {when, i, true};
    }
    if (!link_.empty() && link_.top().when <= next.when) {
      next = {link_.top().when, 0, false};
    }
    return next;
  }

  void Drain(int i) {
    Unit& unit = units_[i];
    if (unit.stalled_until > now_) return;
    std::vector<CarpHeard> queue;
    queue.swap(unit.queue);
    for (const CarpHeard& heard : queue) Step(i, heard);
  }

  void Step(int i, const CarpEvent& event) {
    Unit& unit = units_[i];
    if (!unit.node) return;
    if (std::holds_alternative<CarpTick>(event)) Drain(i);  // Adverts first.
    for (const CarpAction action : unit.node->Step(now_, event)) {
      switch (action) {
        case CarpAction::kTakeAddresses:
          ASSERT_FALSE(unit.serves);
          unit.serves = true;
          break;
        case CarpAction::kDropAddresses:
          ASSERT_TRUE(unit.serves);
          unit.serves = false;
          break;
        case CarpAction::kAnnounce:
          ASSERT_TRUE(unit.serves);
          break;
        default:
          Send(i, unit.node->MakeAdvert(action, 0));
      }
    }
    ASSERT_EQ(unit.serves, unit.node->role() == CarpRole::kMaster);
  }

  void Send(int from, const CarpAdvert& advert) {
    if (units_[from].mute) return;
    const int copies = Chance() < 0.05 ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (Chance() < loss_) continue;
      link_.push({now_ + kDelayMax * Chance(), 1 - from,
                  CarpHeard{.source = units_[from].options.source,
                            .advbase = advert.advbase,
                            .advskew = advert.advskew}});
    }
  }

  void CountTwoMasters(Instant until) {
    if (MasterCount() < 2) {
      two_since_ = until;
    } else {
      two_masters_max_ = std::max(two_masters_max_, until - two_since_);
    }
  }

  std::mt19937_64 prng_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  Instant two_since_ = now_;
  std::array<Unit, 2> units_;
  std::priority_queue<Delivery> link_;
  double loss_ = 0;
  absl::Duration two_masters_max_;
};

// Of one seed: equal and different speeds, in the proportions that matter.
CarpNode::Options RandomOptions(std::mt19937_64& prng) {
  CarpNode::Options options;
  options.advbase = static_cast<uint8_t>(1 + prng() % 3);
  options.advskew = static_cast<uint8_t>(prng() % 2 * (prng() % 255));
  options.preempt = static_cast<CarpPreempt>(prng() % 3);
  return options;
}

absl::Duration SlowestWait(const ClusterSim& sim) {
  return std::max(sim.node(0).master_down_time(),
                  sim.node(1).master_down_time());
}

// Goal    however bad the link was, one wait after it heals there is exactly
//         one master, and it stays.
// Method  minutes of loss in both directions or of one that is cut, then none.
TEST(CarpClusterTest, AHealedLinkLeavesExactlyOneMaster) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ClusterSim sim(seed);
    const auto first = RandomOptions(sim.prng());
    auto second = RandomOptions(sim.prng());
    if (seed % 3 == 0) second = first;
    sim.Start(first, second, absl::Seconds(10) * sim.Chance());
    sim.set_loss(0.7);
    if (seed % 4 == 1) sim.set_mute(static_cast<int>(seed % 2), true);
    sim.RunFor(absl::Minutes(3));
    sim.set_loss(0);
    for (const int unit : {0, 1}) sim.set_mute(unit, false);
    sim.RunFor(SlowestWait(sim) + kDelayMax);
    ASSERT_EQ(sim.MasterCount(), 1);
    const bool first_serves = sim.serves(0);
    for (int i = 0; i < 100; ++i) {
      sim.RunFor(absl::Milliseconds(300));
      ASSERT_EQ(sim.MasterCount(), 1);
    }
    ASSERT_EQ(sim.serves(0), first_serves);
  }
}

// The answer of the one that yields, and the adverts on the way, are all that a
// second master's time is made of.
TEST(CarpClusterTest, OnAGoodLinkTwoServeForNoLongerThanAnAdvertTravels) {
  absl::Duration longest;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ClusterSim sim(seed);
    const auto first = RandomOptions(sim.prng());
    const auto second = seed % 3 == 0 ? first : RandomOptions(sim.prng());
    sim.Start(first, second, absl::Seconds(10) * sim.Chance());
    sim.RunFor(absl::Minutes(1));
    ASSERT_EQ(sim.MasterCount(), 1);
    ASSERT_LE(sim.two_masters_max(), kDelayMax);
    longest = std::max(longest, sim.two_masters_max());
  }
  EXPECT_GT(longest, absl::ZeroDuration());  // It does happen.
}

TEST(CarpClusterTest, WhoIsMasterAfterASplit) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ClusterSim sim(seed);
    CarpNode::Options slow{.advbase = 1, .advskew = 100};
    CarpNode::Options fast{.advbase = 1, .advskew = 99};
    const bool tie = seed % 2 == 0;
    // The second is faster; or both are equal, and the first has the lower
    // address.
    sim.Start(slow, tie ? slow : fast, absl::Seconds(5) * sim.Chance());
    sim.set_loss(1);
    sim.RunFor(absl::Seconds(10));
    ASSERT_EQ(sim.MasterCount(), 2);
    sim.set_loss(0);
    sim.RunFor(absl::Seconds(2));
    ASSERT_EQ(sim.MasterCount(), 1);
    ASSERT_EQ(sim.serves(0), tie);
  }
}

TEST(CarpClusterTest, ADeadMasterIsSucceededInItsTimeAndALeavingOneAtOnce) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ClusterSim sim(seed);
    sim.Start({.advbase = 1}, {.advbase = 1, .advskew = 100}, absl::Seconds(1));
    sim.RunFor(absl::Seconds(10) + absl::Seconds(10) * sim.Chance());
    ASSERT_TRUE(sim.serves(0));
    if (seed % 2 == 0) {
      sim.Crash(0);
      // At the latest when its last advert was sent just now.
      sim.RunFor(sim.node(1).master_down_time() + kDelayMax);
    } else {
      sim.Tell(0, CarpLeave{});
      ASSERT_FALSE(sim.serves(0));
      sim.RunFor(kDelayMax);
      ASSERT_EQ(sim.node(1).reason(), CarpReason::kMasterTooSlow);
    }
    ASSERT_TRUE(sim.serves(1));
  }
}

// The vendor's preference: the unit that returns takes the role back once.
TEST(CarpClusterTest, APreferredUnitThatReturnsIsMasterAgainAnyOtherIsNot) {
  for (const CarpPreempt preempt : {CarpPreempt::kOff, CarpPreempt::kOnce}) {
    ClusterSim sim(1);
    const CarpNode::Options preferred{
        .advbase = 1, .preempt = preempt, .source = Address::V4(0x0a4d0001)};
    sim.Start(preferred, {.advbase = 1, .advskew = 100}, absl::Seconds(1));
    sim.RunFor(absl::Seconds(10));
    ASSERT_TRUE(sim.serves(0));
    sim.Crash(0);
    sim.RunFor(absl::Seconds(10));
    ASSERT_TRUE(sim.serves(1));
    sim.Boot(0, preferred);
    sim.RunFor(absl::Seconds(10));
    EXPECT_EQ(sim.serves(0), preempt == CarpPreempt::kOnce);
    EXPECT_EQ(sim.MasterCount(), 1);
  }
}

TEST(CarpClusterTest, ASwitchoverMovesTheRoleAndItStaysThere) {
  ClusterSim sim(1);
  sim.Start({.advbase = 1, .preempt = CarpPreempt::kAlways},
            {.advbase = 1, .advskew = 100}, absl::Seconds(1));
  // No advert is on its way that the bow-out could overtake.
  sim.RunFor(absl::Seconds(9.5));
  ASSERT_TRUE(sim.serves(0));
  sim.Tell(0, CarpSwitchover{});
  sim.RunFor(kDelayMax);
  EXPECT_TRUE(sim.serves(1));
  sim.RunFor(absl::Minutes(5));
  EXPECT_TRUE(sim.serves(1));
  EXPECT_EQ(sim.MasterCount(), 1);
}

// What a stopped process does when it goes on: not one moment as master.
TEST(CarpClusterTest, AMasterThatWasStoppedIsBackupWhenItGoesOn) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ClusterSim sim(seed);
    sim.Start({.advbase = 1}, {.advbase = 1, .advskew = 100}, absl::Seconds(1));
    sim.RunFor(absl::Seconds(10) + absl::Seconds(1) * sim.Chance());
    ASSERT_TRUE(sim.serves(0));
    const absl::Duration stall =
        absl::Seconds(4.5) + absl::Seconds(10) * sim.Chance();
    sim.Stall(0, stall);
    sim.RunFor(stall - absl::Nanoseconds(1));
    ASSERT_EQ(sim.MasterCount(), 2);  // It knows nothing of its stall.
    sim.RunFor(absl::Nanoseconds(2));
    ASSERT_FALSE(sim.serves(0));
    ASSERT_EQ(sim.node(0).reason(), CarpReason::kNotScheduled);
    sim.RunFor(absl::Minutes(1));
    ASSERT_TRUE(sim.serves(1));
    ASSERT_EQ(sim.MasterCount(), 1);
  }
}

// A backup that was stopped has heard, in what waits for it, that the master is
// there.
TEST(CarpClusterTest, ABackupThatWasStoppedStaysOne) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    ClusterSim sim(seed);
    sim.Start({.advbase = 1}, {.advbase = 1, .advskew = 100}, absl::Seconds(1));
    sim.RunFor(absl::Seconds(10));
    sim.ForgetTwoMasters();
    const absl::Duration stall = absl::Seconds(15) * sim.Chance();
    sim.Stall(1, stall);
    sim.RunFor(stall + absl::Minutes(1));
    ASSERT_TRUE(sim.serves(0));
    ASSERT_EQ(sim.two_masters_max(), absl::ZeroDuration());
  }
}

}  // namespace
}  // namespace ballast::ha
