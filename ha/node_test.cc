// Two nodes on virtual time: what no part of a node can promise alone.
#include "ha/node.h"

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"

namespace ballast::ha {
namespace {

class NodePair {
 public:
  explicit NodePair(const Replicator::Options& replication) {
    for (int i = 0; i < 2; ++i) {
      units_[i] = std::make_unique<Unit>(*this, i, replication);
    }
    Run(absl::Milliseconds(500));
    for (auto& unit : units_) unit->node.OnStreamUp(now_);
    Run(absl::Milliseconds(500));
  }

  Node& node(int i) { return units_[i]->node; }
  FakeStateTable& table(int i) { return units_[i]->table; }
  Instant now() const { return now_; }
  // The configuration it was last given.
  const std::vector<uint8_t>& taken(int i) { return units_[i]->taken; }

  void Run(absl::Duration duration) {
    for (const Instant end = now_ + duration; now_ < end;) {
      now_ = now_ + absl::Milliseconds(1);
      // What is sent now arrives in the next millisecond.
      for (size_t count = wire_.size(); count > 0; --count) {
        const auto deliver = std::move(wire_.front());
        wire_.pop_front();
        deliver();
      }
      for (auto& unit : units_) {
        if (unit->node.deadline() <= now_) unit->node.Tick(now_);
      }
    }
  }

 private:
  struct Unit : Node::Host {
    Unit(NodePair& world, int which, const Replicator::Options& replication)
        : pair(world),
          number(which),
          random(which),
          node(MakeOptions(which, replication), table, *this, world.now_) {}

    static Node::Options MakeOptions(int which,
                                     const Replicator::Options& replication) {
      Node::Options options;
      options.election.mode = which == 0 ? Mode::kFirst : Mode::kSecond;
      options.election.interval = absl::Milliseconds(100);
      options.election.syncs = true;
      options.replication = replication;
      options.keys = {PairKey{7}};
      options.unit = static_cast<uint16_t>(which);
      options.boot = static_cast<BootId>(1 + which);
      return options;
    }
    using Bytes = std::vector<uint8_t>;
    Node& Other() { return pair.node(1 - number); }
    void SendAdvert(Instant, int, std::span<const uint8_t> bytes) override {
      pair.wire_.push_back([this, copy = Bytes(bytes.begin(), bytes.end())] {
        Other().OnAdvert(pair.now_, 0, copy);
      });
    }
    void SendSync(Instant, std::span<const uint8_t> bytes) override {
      pair.wire_.push_back([this, copy = Bytes(bytes.begin(), bytes.end())] {
        Other().OnSync(pair.now_, copy);
      });
    }
    bool SendStream(Instant, std::span<const uint8_t> bytes) override {
      pair.wire_.push_back([this, copy = Bytes(bytes.begin(), bytes.end())] {
        Other().OnStream(pair.now_, copy);
      });
      return true;
    }
    void TakeRole(Instant) override { table.set_active(true); }
    void DropRole(Instant) override { table.set_active(false); }
    void Reannounce(Instant) override {}
    void Reboot(Instant) override {}
    void OnRoleChange(const RoleChange&) override {}
    void OnConfig(Instant, uint64_t generation,
                  std::span<const uint8_t> config) override {
      taken = Bytes(config.begin(), config.end());
      node.KeepConfig(generation, taken);
    }
    void OnL7(Instant, const L7Record&) override {}
    void FillRandom(std::span<uint8_t> bytes) override {
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    }

    Bytes taken;
    NodePair& pair;
    const int number;
    std::mt19937_64 random;
    FakeStateTable table;
    Node node;
  };

  Instant now_ = Instant::FromNanos(1'000'000'000'000);
  std::deque<std::function<void()>> wire_;
  std::unique_ptr<Unit> units_[2];
};

// Untold connections that fill so many datagrams of the leader's, or more.
void PutUntold(NodePair& pair, uint32_t datagrams) {
  for (uint32_t n = 0; n < datagrams * 38; ++n) {
    pair.table(0).PutUntold(FakeStateTable::Connection(n));
  }
}

TEST(NodeTest, APlannedSwitchoverWaitsUntilAllIsTold) {
  // At its end a leader tells 20 datagrams at the most, so nearly all of it
  // must have been told while it served.
  NodePair pair({.queue_max = 20, .burst_max = 2});
  ASSERT_EQ(pair.node(0).role(), Role::kActive);
  PutUntold(pair, 200);
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  pair.Run(absl::Milliseconds(40));
  EXPECT_EQ(pair.node(0).role(), Role::kActive);  // Takes 100 ms or more.
  pair.Run(absl::Milliseconds(400));
  EXPECT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.node(1).election().reason(), RoleReason::kHandedOver);
  EXPECT_EQ(pair.node(1).election().stats().took_over_incomplete, 0u);
  EXPECT_EQ(pair.table(1).connection_count(), 200u * 38);
  EXPECT_EQ(pair.node(0).replicator().stats().left_untold, 0u);
}

TEST(NodeTest, AClaimIsAnsweredAfterHalfASecondAtTheLatest) {
  NodePair pair({.queue_max = 20, .burst_max = 1});
  PutUntold(pair, 2000);
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  pair.Run(absl::Milliseconds(480));
  EXPECT_EQ(pair.node(0).role(), Role::kActive);
  pair.Run(absl::Milliseconds(300));
  EXPECT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.node(0).replicator().stats().left_untold, 1u);
  EXPECT_EQ(pair.node(1).election().stats().took_over_incomplete, 0u);
}

TEST(NodeTest, ANewActiveUnitGivesOnWhatItWasGiven) {
  NodePair pair({});
  // As at its own start, long ago.
  ASSERT_TRUE(pair.node(1).OfferConfig(pair.now(), 1, {1}, false).ok());
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 7, {7, 7}, false).ok());
  pair.Run(absl::Milliseconds(10));
  EXPECT_EQ(pair.taken(1), (std::vector<uint8_t>{7, 7}));
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  pair.Run(absl::Milliseconds(300));
  ASSERT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.taken(0), (std::vector<uint8_t>{7, 7}));
}

}  // namespace
}  // namespace ballast::ha
