// What no part of a node can promise alone: two of them on virtual time.
#include "ha/node.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/envelope.h"
#include "ha/fake_state_table.h"
#include "ha/node_pair.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

uint64_t Refused(NodePair& pair, int unit) {
  uint64_t sum = 0;
  for (const auto& by_type : pair.node(unit).stats().refused) {
    for (const uint64_t count : by_type) sum += count;
  }
  return sum;
}
uint64_t Refused(NodePair& pair, int unit, OpenError error, EnvelopeType type) {
  return pair.node(unit).stats().refused[static_cast<size_t>(error)]
                                        [static_cast<size_t>(type)];
}

// ---- Forming a pair --------------------------------------------------------

TEST(NodeTest, TwoNodesFormAPair) {
  NodePair pair({.together = false});
  EXPECT_FALSE(pair.node(0).peer_proven());
  pair.Run(absl::Milliseconds(20));
  EXPECT_TRUE(pair.node(0).peer_proven());
  EXPECT_TRUE(pair.node(1).peer_proven());
  pair.Run(absl::Milliseconds(480));  // H4: the takeover time is 300 ms.
  EXPECT_EQ(pair.node(0).role(), Role::kActive);
  EXPECT_EQ(pair.node(1).role(), Role::kStandby);
  EXPECT_FALSE(pair.node(1).replicator().complete());
  pair.table(0).Put(FakeStateTable::Connection(1));
  ASSERT_TRUE(pair.Dial());
  pair.Run(absl::Milliseconds(100));
  EXPECT_TRUE(pair.node(1).replicator().complete());
  EXPECT_EQ(pair.table(1).connection_count(), 1u);
  // Only what was said before they had proven themselves was refused.
  EXPECT_EQ(Refused(pair, 0) + Refused(pair, 1),
            Refused(pair, 0, OpenError::kUnproven, EnvelopeType::kAdvert) +
                Refused(pair, 1, OpenError::kUnproven, EnvelopeType::kAdvert));
}

TEST(NodeTest, ANodeWithAnotherKeyIsNobody) {
  NodePair pair({.keys = {PairKey{7}, PairKey{8}}, .together = false});
  pair.Run(absl::Seconds(1));
  EXPECT_FALSE(pair.node(0).peer_proven());
  EXPECT_EQ(pair.node(0).role(), Role::kActive);
  EXPECT_EQ(pair.node(1).role(), Role::kActive);  // Each is alone.
  EXPECT_FALSE(pair.Dial());
  EXPECT_EQ(Refused(pair, 1, OpenError::kUnknownKey, EnvelopeType::kStream),
            1u);
  EXPECT_GE(Refused(pair, 1, OpenError::kUnknownKey, EnvelopeType::kAdvert),
            9u);
}

TEST(NodeTest, AStreamOfOneThatHasNotProvenItselfIsRefused) {
  NodePair pair({.together = false});
  EXPECT_FALSE(pair.node(1).OnStreamHello(pair.node(0).StreamHello()));
  EXPECT_EQ(Refused(pair, 1, OpenError::kUnproven, EnvelopeType::kStream), 1u);
  pair.Run(absl::Milliseconds(20));
  const auto hello = pair.node(0).StreamHello();
  EXPECT_TRUE(pair.node(1).OnStreamHello(hello));
  // A recording of it opens no other.
  EXPECT_FALSE(pair.node(1).OnStreamHello(hello));
  EXPECT_EQ(Refused(pair, 1, OpenError::kReplayed, EnvelopeType::kStream), 1u);
}

TEST(NodeTest, AnAdvertThatComesAfterALaterOneIsCountedAndNotBelieved) {
  NodePair pair({});
  pair.Hold(0, EnvelopeType::kAdvert);
  pair.Run(absl::Milliseconds(150));
  ASSERT_EQ(pair.node(0).role(), Role::kActive);
  pair.node(0).Leave(pair.now(), absl::ZeroDuration());
  pair.LetGo();  // That it left, then that it serves.
  pair.Run(absl::Milliseconds(10));
  EXPECT_GE(pair.node(1).stats().overtaken, 1u);
  EXPECT_EQ(pair.node(1).election().peer(pair.now())->role, Role::kLeaving);
  EXPECT_EQ(pair.node(1).role(), Role::kActive);
}

// ---- Roles -----------------------------------------------------------------

TEST(NodeTest, ASwitchoverGivesTheRoleAndTheTable) {
  NodePair pair({});
  pair.table(0).Put(FakeStateTable::Connection(1));
  pair.Run(absl::Milliseconds(50));
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  pair.table(0).Put(FakeStateTable::Connection(2));
  pair.Run(absl::Milliseconds(50));
  EXPECT_EQ(pair.node(0).role(), Role::kStandby);
  EXPECT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.node(1).election().reason(), RoleReason::kHandedOver);
  EXPECT_EQ(pair.node(1).election().stats().took_over_incomplete, 0u);
  EXPECT_EQ(pair.table(1).connection_count(), 2u);
  // The one that gave it follows, and could take it back.
  pair.Run(absl::Milliseconds(200));
  EXPECT_TRUE(pair.node(0).replicator().complete());
  EXPECT_TRUE(pair.node(1).RequestSwitchover(pair.now()).ok());
  EXPECT_EQ(pair.node(0).RequestSwitchover(pair.now()).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(NodeTest, AUnitThatLeavesHandsTheRoleOverFirst) {
  NodePair pair({});
  pair.table(0).Put(FakeStateTable::Connection(1));
  pair.node(0).Leave(pair.now(), absl::Seconds(2));
  EXPECT_EQ(pair.node(0).role(), Role::kActive);
  pair.Run(absl::Milliseconds(50));
  EXPECT_EQ(pair.node(0).role(), Role::kLeaving);
  EXPECT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.node(1).election().reason(), RoleReason::kHandedOver);
  EXPECT_EQ(pair.table(1).connection_count(), 1u);
}

TEST(NodeTest, AUnitThatNobodyCanSucceedLeavesWithoutWaiting) {
  NodePair pair({.together = false});
  pair.set_cut(true);
  pair.Run(absl::Milliseconds(500));
  pair.node(0).Leave(pair.now(), absl::Seconds(2));
  EXPECT_EQ(pair.node(0).role(), Role::kLeaving);
}

// What the former process did was not all heard: it may have served, and the
// neighbours have its MAC.
TEST(NodeTest, AnotherStartOfThePartnerIsAnnouncedOver) {
  NodePair pair({});
  pair.Run(absl::Seconds(1));
  const int before = pair.asked(0).reannounced;
  pair.Run(absl::Seconds(1));
  EXPECT_EQ(pair.asked(0).reannounced, before);
  pair.HangUp();
  pair.Start(1);
  pair.Run(absl::Milliseconds(100));
  EXPECT_EQ(pair.asked(0).reannounced, before + 1);
  EXPECT_EQ(pair.node(1).role(), Role::kStandby);
}

// A split that heals, breaks at once and heals, with no stream to give the
// table by: the merge that was begun the first time does not end the second
// one, and the unit follows once it has yielded.
TEST(NodeTest, AMergeThatWasGivenUpDoesNotEndTheNextOne) {
  NodePair pair({});
  pair.HangUp();
  pair.set_cut(true);
  pair.Run(absl::Milliseconds(500));
  ASSERT_EQ(pair.node(1).role(), Role::kActive);
  const auto hear_once = [&] {
    pair.set_cut(false);
    for (int i = 0; i < 200; ++i) {
      if (pair.node(1).election().peer(pair.now()) != nullptr) break;
      pair.Run(absl::Milliseconds(1));
    }
  };
  hear_once();
  pair.set_cut(true);
  pair.Run(absl::Milliseconds(500));
  hear_once();
  pair.Run(absl::Milliseconds(150));
  ASSERT_EQ(pair.node(1).role(), Role::kActive);  // E5: for 300 ms.
  pair.table(1).Put(FakeStateTable::Connection(1));
  ASSERT_TRUE(pair.Dial());
  pair.Run(absl::Milliseconds(100));
  EXPECT_EQ(pair.node(1).role(), Role::kStandby);
  EXPECT_EQ(pair.node(1).election().changes(), 3u);
  EXPECT_EQ(pair.table(0).connection_count(), 1u);
  pair.Run(absl::Milliseconds(100));
  EXPECT_TRUE(pair.node(1).replicator().complete());
}

// ---- Keys ------------------------------------------------------------------

TEST(NodeTest, KeysAreRotatedWithoutAGap) {
  NodePair pair({});
  const PairKey old_key = {7}, new_key = {9};
  const uint64_t refused = Refused(pair, 0) + Refused(pair, 1);
  const std::vector<std::vector<PairKey>> steps = {
      {old_key, new_key}, {new_key, old_key}, {new_key}};
  uint32_t connection = 0;
  for (const std::vector<PairKey>& keys : steps) {
    for (int unit = 0; unit < 2; ++unit) {
      pair.node(unit).SetKeys(keys);
      for (int i = 0; i < 20; ++i) {
        pair.table(0).Put(FakeStateTable::Connection(++connection));
        pair.Run(absl::Milliseconds(25));
      }
      EXPECT_TRUE(pair.node(1).replicator().complete());
      EXPECT_EQ(pair.table(1).connection_count(), connection);
    }
  }
  EXPECT_EQ(Refused(pair, 0) + Refused(pair, 1), refused);
  EXPECT_EQ(pair.node(1).election().changes(), 1u);
  // The old one opens nothing any more.
  Sealer old_sealer(std::vector{old_key}, 1, 0, 77);
  NodePair::Bytes message;
  old_sealer.Seal(EnvelopeType::kSync, std::vector<uint8_t>(8), message);
  pair.node(1).OnSync(pair.now(), message);
  EXPECT_EQ(Refused(pair, 1, OpenError::kUnknownKey, EnvelopeType::kSync), 1u);
}

// ---- The configuration -----------------------------------------------------

TEST(NodeTest, TheConfigurationIsGivenOnceWhenItChanges) {
  NodePair pair({});
  EXPECT_THAT(pair.asked(1).configs, IsEmpty());
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 4, {1, 2}, false).ok());
  pair.Run(absl::Seconds(10));
  EXPECT_THAT(pair.asked(1).configs,
              ElementsAre(Pair(4, NodePair::Bytes{1, 2})));
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 5, {3}, false).ok());
  pair.Run(absl::Seconds(10));
  EXPECT_THAT(pair.asked(1).configs, ElementsAre(Pair(4, NodePair::Bytes{1, 2}),
                                                 Pair(5, NodePair::Bytes{3})));
  EXPECT_EQ(pair.node(0).stats().configs_sent, 2u);
  EXPECT_EQ(pair.node(1).stats().configs_received, 2u);
}

TEST(NodeTest, TheConfigurationIsGivenWhenThePartnerComes) {
  NodePair pair({.together = false});
  pair.Run(absl::Milliseconds(500));
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 4, {1}, false).ok());
  pair.Run(absl::Seconds(1));
  EXPECT_THAT(pair.asked(1).configs, IsEmpty());
  ASSERT_TRUE(pair.Dial());
  pair.Run(absl::Milliseconds(10));
  EXPECT_THAT(pair.asked(1).configs, SizeIs(1));
}

TEST(NodeTest, TheConfigurationIsGivenEveryTwoMinutes) {  // §2.5.
  NodePair pair({});
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 4, {1}, false).ok());
  pair.Run(absl::Milliseconds(10));
  pair.Run(absl::Minutes(2) - absl::Milliseconds(20));
  EXPECT_THAT(pair.asked(1).configs, SizeIs(1));
  pair.Run(absl::Milliseconds(20));
  EXPECT_THAT(pair.asked(1).configs, SizeIs(2));
}

TEST(NodeTest, AConfigurationIsTakenFromTheActiveUnitOnly) {
  NodePair pair({});
  EXPECT_EQ(pair.node(1).OfferConfig(pair.now(), 9, {9}, true).code(),
            absl::StatusCode::kFailedPrecondition);
  pair.Run(absl::Seconds(1));
  EXPECT_THAT(pair.asked(0).configs, IsEmpty());
  // One that was under way when the roles changed is refused, and counted.
  pair.Hold(0, EnvelopeType::kStream);
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 4, {1}, false).ok());
  pair.set_cut(true);
  pair.Run(absl::Milliseconds(500));
  ASSERT_EQ(pair.node(1).role(), Role::kActive);
  pair.LetGo();
  pair.Run(absl::Milliseconds(10));
  EXPECT_EQ(pair.node(1).stats().configs_refused, 1u);
  EXPECT_THAT(pair.asked(1).configs, IsEmpty());
}

TEST(NodeTest, AForcedUpdateSaysWhyNobodyTakesIt) {
  NodePair pair({.together = false});
  pair.Run(absl::Milliseconds(500));
  EXPECT_EQ(pair.node(0).OfferConfig(pair.now(), 4, {1}, true).message(),
            "force partner update: no partner to take it: no stream to it");
  pair.set_cut(true);
  pair.Run(absl::Milliseconds(500));
  EXPECT_EQ(pair.node(0).OfferConfig(pair.now(), 4, {1}, true).message(),
            "force partner update: no partner to take it: not heard");
}

TEST(NodeTest, ANewActiveUnitGivesOnWhatItWasGiven) {
  NodePair pair({});
  // As at its own start, long ago.
  ASSERT_TRUE(pair.node(1).OfferConfig(pair.now(), 1, {1}, false).ok());
  ASSERT_TRUE(pair.node(0).OfferConfig(pair.now(), 7, {7, 7}, false).ok());
  pair.Run(absl::Milliseconds(10));
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  pair.Run(absl::Milliseconds(300));
  ASSERT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_THAT(pair.asked(0).configs,
              ElementsAre(Pair(7, NodePair::Bytes{7, 7})));
}

// ---- Layer 7 ---------------------------------------------------------------

TEST(NodeTest, PersistenceEntriesOfLayer7AreDelivered) {
  NodePair pair({.l7 = true});
  pair.l7(0).Put(FakeL7Table::Entry(1));
  pair.l7(1).Put(FakeL7Table::Entry(2));  // A standby tells nothing.
  pair.Run(absl::Milliseconds(50));
  EXPECT_THAT(pair.l7(1).entries(), SizeIs(2));
  EXPECT_THAT(pair.l7(0).entries(), SizeIs(1));
}

TEST(NodeTest, PersistenceEntriesOfBeforeThePartnerCameAreGiven) {
  NodePair pair({.l7 = true, .together = false});
  pair.Run(absl::Milliseconds(500));
  pair.l7(0).Put(FakeL7Table::Entry(1));
  ASSERT_TRUE(pair.Dial());
  pair.Run(absl::Milliseconds(200));
  ASSERT_TRUE(pair.node(1).replicator().complete());
  EXPECT_EQ(pair.l7(1).entries(), pair.l7(0).entries());
}

// What an entry became in the very moment of the hand-over.
TEST(NodeTest, PersistenceEntriesAreToldBeforeTheRoleGoes) {
  NodePair pair({.l7 = true});
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  uint64_t made = 0;
  while (pair.node(0).role() == Role::kActive) {
    ASSERT_LT(made, 1000u);
    pair.l7(0).Put(FakeL7Table::Entry(++made));
    pair.Run(absl::Milliseconds(1));
  }
  pair.Run(absl::Milliseconds(300));
  ASSERT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.l7(1).entries(), pair.l7(0).entries());
}

// ---- A hand-over tells all -------------------------------------------------

// Untold connections that fill so many datagrams of the leader's, or more.
void PutUntold(NodePair& pair, uint32_t datagrams) {
  for (uint32_t n = 0; n < datagrams * 38; ++n) {
    pair.table(0).PutUntold(FakeStateTable::Connection(n));
  }
}

TEST(NodeTest, APlannedSwitchoverWaitsUntilAllIsTold) {
  // At its end a leader tells 20 datagrams at the most, so nearly all of it
  // must have been told while it served.
  NodePair pair({.replication = {.queue_max = 20, .burst_max = 2}});
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
  NodePair pair({.replication = {.queue_max = 20, .burst_max = 1}});
  PutUntold(pair, 2000);
  ASSERT_TRUE(pair.node(0).RequestSwitchover(pair.now()).ok());
  pair.Run(absl::Milliseconds(480));
  EXPECT_EQ(pair.node(0).role(), Role::kActive);
  pair.Run(absl::Milliseconds(300));
  EXPECT_EQ(pair.node(1).role(), Role::kActive);
  EXPECT_EQ(pair.node(0).replicator().stats().left_untold, 1u);
  EXPECT_EQ(pair.node(1).election().stats().took_over_incomplete, 0u);
}

}  // namespace
}  // namespace ballast::ha
