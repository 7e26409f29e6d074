// What a director tells before its role is handed over: all that was not worth
// telling until then (ha/state_table.h, only_untold).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "lb/l4/director_pair.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ha::SyncRecord;
using Kind = ha::SyncRecord::Kind;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kDirectServer[] = "10.0.0.2:80";

std::vector<SyncRecord> Untold(World& world) {
  return ExportAll(world, /*piece=*/5, /*only_untold=*/true);
}
// a's role goes to b as a leader hands it over.
void HandOver(DirectorPair& pair) {
  pair.a->director->SetActive(pair.a->now, false);
  pair.Replicate();
  pair.Apply(Untold(*pair.a));
  EXPECT_TRUE(pair.SumsAgree());
  pair.TakeOver();
}

class DirectorHandOverTest : public ::testing::Test {
 protected:
  // Threshold 3: what has fewer packets is not told.
  DirectorHandOverTest() : pair_(Several()) { pair_.Transfer(); }
  DirectorPair pair_;
};

TEST_F(DirectorHandOverTest, AConnectionOfOnePacketGoesOn) {
  // Direct return: the client's SYN is all that the director ever sees.
  pair_.a->FromClient(World::Tcp(kClient, kDirectVip, "S"));
  pair_.a->FromClient(World::Udp(kClient, kUdpVip));
  EXPECT_THAT(TakeChanges(*pair_.a), IsEmpty());
  HandOver(pair_);
  EXPECT_EQ(Flow(*pair_.a, kClient, kDirectVip)->server, E(kDirectServer));
  EXPECT_TRUE(pair_.a->FromClient(World::Tcp(kClient, kDirectVip, "A")).sent());
  EXPECT_EQ(pair_.a->FromServer(World::Udp("10.0.0.1:53", kClient)).ToString(),
            absl::StrCat(kUdpVip, " -> ", kClient));
}

TEST_F(DirectorHandOverTest, AHandshakeGoesOnWhereverItWas) {
  for (int packets = 1; packets <= 2; ++packets) {
    const std::string client = absl::StrCat("192.0.2.7:", 5000 + packets);
    const Endpoint server =
        pair_.a->FromClient(World::Tcp(client.c_str(), kVip, "S"))
            .destination();
    const std::string from = server.ToString();
    const auto answer = [&] {
      return pair_.a->FromServer(World::Tcp(from.c_str(), client.c_str(), "SA"))
          .ToString();
    };
    const std::string right = absl::StrCat(kVip, " -> ", client);
    if (packets == 2) {
      EXPECT_EQ(answer(), right);
    }
    HandOver(pair_);
    if (packets == 1) {
      EXPECT_EQ(answer(), right);
    }
    EXPECT_EQ(pair_.a->FromClient(World::Tcp(client.c_str(), kVip, "A"))
                  .destination(),
              server);
    pair_.Transfer();
  }
}

TEST_F(DirectorHandOverTest, WhatIsToldIsNotToldTwice) {
  pair_.a->Connect(kClient, kVip);
  pair_.a->FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(TakeChanges(*pair_.a), SizeIs(1));
  pair_.a->FromClient(World::Tcp(kClient6, kVip6, "S"));
  const auto untold = Untold(*pair_.a);
  ASSERT_THAT(untold, SizeIs(1));
  EXPECT_EQ(untold[0].client, E(kClient6));
  EXPECT_TRUE(untold[0].has_detail);
  EXPECT_THAT(Untold(*pair_.a), IsEmpty());
}

TEST_F(DirectorHandOverTest, TheEndOfItsPredecessorDoesNotEndIt) {
  pair_.a->Connect(kClient, kVip);
  pair_.a->FromClient(World::Tcp(kClient, kVip, "A"));
  pair_.Replicate();
  // Ended and begun anew, from the same port; nobody has taken its end yet.
  pair_.a->FromClient(World::Tcp(kClient, kVip, "R"));
  pair_.Replicate();
  pair_.a->Advance(absl::Seconds(11));
  pair_.a->Emit();
  ASSERT_FALSE(Flow(*pair_.a).has_value());
  pair_.a->FromClient(World::Tcp(kClient, kVip, "S"));
  ASSERT_TRUE(pair_.b->director->flow_count() == 1);
  const auto untold = Untold(*pair_.a);
  ASSERT_THAT(untold, SizeIs(1));
  pair_.Apply(untold);
  pair_.Replicate();
  EXPECT_EQ(pair_.b->director->flow_count(), 1u);
  EXPECT_TRUE(pair_.SumsAgree());
}

TEST_F(DirectorHandOverTest, ChangesOfWhatIsToldStay) {
  pair_.a->Connect(kClient, kVip);
  pair_.a->FromClient(World::Tcp(kClient, kVip, "A"));
  EXPECT_THAT(Untold(*pair_.a), IsEmpty());
  EXPECT_THAT(TakeChanges(*pair_.a), SizeIs(1));
}

TEST(DirectorHandOverPersistenceTest, AnEntryNobodyHasToldIsTold) {
  auto service = Service(kVip, {kServer, "10.0.0.2:8080"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  DirectorPair pair({.services = {service}});
  pair.Transfer();
  const auto first = pair.a->FromClient(World::Tcp(kClient, kVip, "S"));
  EXPECT_THAT(TakeChanges(*pair.a), IsEmpty());
  const auto untold = Untold(*pair.a);
  ASSERT_THAT(untold, SizeIs(2));
  EXPECT_EQ(untold[1].kind, Kind::kTemplate);
  EXPECT_THAT(Untold(*pair.a), IsEmpty());
  pair.Apply(untold);
  pair.TakeOver();
  // Another connection of the same client.
  EXPECT_EQ(
      pair.a->FromClient(World::Tcp("192.0.2.7:4999", kVip, "S")).destination(),
      first.destination());
  // The next partner gets it once, with the whole table.
  pair.Transfer();
  for (const SyncRecord& record : Untold(*pair.a)) {
    EXPECT_EQ(record.kind, Kind::kConnection);
  }
}

}  // namespace
}  // namespace ballast::l4
