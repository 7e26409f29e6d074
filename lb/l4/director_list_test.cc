// Flows of a director listed by who has them, a piece of the table at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/l4/director.h"
#include "lb/l4/director_world.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kOtherVip[] = "192.0.2.11:80";

Endpoint At(const char* text) { return *Endpoint::Parse(text); }

class DirectorListTest : public ::testing::Test {
 protected:
  DirectorListTest() {
    world_.Connect("192.0.2.7:4000", kVip);
    world_.Connect("192.0.2.7:4001", kVip);
    world_.Connect("192.0.2.8:4000", kOtherVip);
    world_.Connect(kClient6, kVip6);
  }
  // Clients, three lines at a time.
  std::vector<std::string> List(const FlowFilter& filter,
                                size_t count_max = 100) {
    std::vector<FlowView> flows;
    Director::ListCursor cursor;
    while (!cursor.done) {
      world_.director->List(cursor, 3, filter, count_max, flows);
    }
    std::vector<std::string> clients;
    for (const FlowView& flow : flows) {
      clients.push_back(flow.client_side.source.ToString());
    }
    return clients;
  }
  Slot ServiceSlot(const char* vip) const {
    return world_.plan
        ->FindService(Protocol::kTcp, At(vip).address, At(vip).port)
        ->slot;
  }

  World world_{{.services = {
                    Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"}),
                    Service(kOtherVip, {"10.0.0.3:80"}),
                    Service(kVip6, {"[2001:db8:5::1]:80"}),
                }}};
};

TEST_F(DirectorListTest, AllOfBothFamilies) {
  EXPECT_THAT(List({}), ElementsAre("192.0.2.7:4000", "192.0.2.7:4001",
                                    "192.0.2.8:4000", kClient6));
}

TEST_F(DirectorListTest, ThoseOfAService) {
  EXPECT_THAT(List({.service = ServiceSlot(kOtherVip)}),
              ElementsAre("192.0.2.8:4000"));
}

TEST_F(DirectorListTest, ThoseOfAClientWithAnyPortOrOne) {
  EXPECT_THAT(List({.client = At("192.0.2.7:0")}),
              ElementsAre("192.0.2.7:4000", "192.0.2.7:4001"));
  EXPECT_THAT(List({.client = At("192.0.2.7:4001")}),
              ElementsAre("192.0.2.7:4001"));
  EXPECT_THAT(List({.client = At("[2001:db8:c::7]:0")}), ElementsAre(kClient6));
  EXPECT_THAT(List({.client = At("192.0.2.9:0")}), IsEmpty());
}

TEST_F(DirectorListTest, ThoseOfAServer) {
  EXPECT_THAT(List({.server = At("10.0.0.2:0")}),
              ElementsAre("192.0.2.7:4001"));
  EXPECT_THAT(List({.server = At("10.0.0.2:81")}), IsEmpty());
  EXPECT_THAT(List({.client = At("192.0.2.7:0"), .server = At("10.0.0.3:80")}),
              IsEmpty());
}

TEST_F(DirectorListTest, NoMoreThanAskedFor) {
  EXPECT_THAT(List({}, 2), ElementsAre("192.0.2.7:4000", "192.0.2.7:4001"));
}

TEST_F(DirectorListTest, NotThoseOfAServiceThatIsGone) {
  world_.Configure({Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"})});
  EXPECT_THAT(List({}), SizeIs(2));
}

TEST(DirectorListPersistenceTest, EntriesAreListedAndTakenOut) {
  auto service = Service(kVip, {"10.0.0.1:80", "10.0.0.2:80"});
  service.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
  auto other = Service(kOtherVip, {"10.0.0.3:80"});
  other.persistence = service.persistence;
  World world({.services = {service, other}});
  const auto list = [&](const ServerChoice::EntryFilter& filter,
                        size_t count_max = 10) {
    std::vector<ServerChoice::EntryView> entries;
    uint32_t cursor = 0;
    do {
      cursor = world.director->ListPersistence(world.now, cursor, 2, filter,
                                               count_max, entries);
    } while (cursor != 0);
    std::vector<std::string> texts;
    for (const auto& entry : entries) {
      EXPECT_EQ(entry.expires_in, absl::Minutes(6));
      texts.push_back(absl::StrCat(
          entry.client.ToString(), " ",
          world.plan->service(entry.service)->config.address.ToString(), " ",
          world.plan->server(entry.server)->endpoint.ToString()));
    }
    return texts;
  };
  world.Connect("192.0.2.7:4000", kVip);
  world.Connect("192.0.2.8:4000", kVip);
  world.Connect("192.0.2.7:4001", kOtherVip);
  const std::string first = "192.0.2.7 192.0.2.10 10.0.0.1:80";
  const std::string second = "192.0.2.8 192.0.2.10 10.0.0.2:80";
  const std::string third = "192.0.2.7 192.0.2.11 10.0.0.3:80";
  EXPECT_THAT(list({}), ElementsAre(first, second, third));
  EXPECT_THAT(list({}, 1), ElementsAre(first));
  const Address client = At("192.0.2.7:0").address;
  EXPECT_THAT(list({.client = client}), ElementsAre(first, third));
  const Slot slot =
      world.plan->FindService(Protocol::kTcp, At(kVip).address, 80)->slot;
  EXPECT_THAT(list({.service = slot}), ElementsAre(first, second));
  EXPECT_THAT(list({.service = slot, .client = client, .erase = true}),
              ElementsAre(first));
  EXPECT_THAT(list({}), ElementsAre(second, third));
  // Its client is scheduled anew: it is the first one's turn.
  EXPECT_EQ(world.Connect("192.0.2.7:4002", kVip), At("10.0.0.1:80"));
  EXPECT_EQ(world.Connect("192.0.2.8:4002", kVip), At("10.0.0.2:80"));
}

// What a packet waits for at most: one piece, of a million entries that all
// have to be looked at.
TEST(DirectorListCostTest, APieceOfAFullTableIsSoonLookedAt) {
  constexpr uint32_t kFlows = 1 << 20;
  constexpr uint32_t kLines = 4096;
  World world({.services = {Service(kVip, {"10.0.0.1:80"})},
               .director = {.connections_max = kFlows,
                            .persistence_entries_max = 10,
                            .fragments_max = 64,
                            .pending_frames_max = 8}});
  FlowRecord record = {.client_side = {{}, At(kVip), Protocol::kTcp},
                       .server = At("10.0.0.1:80"),
                       .state = TcpState::kEstablished,
                       .service_port = 80};
  for (uint32_t i = 0; i < kFlows; ++i) {
    record.client_side.source = {Address::V4(0x0b000000 + i), 4000};
    ASSERT_TRUE(world.director->Import(world.now, record));
  }
  const auto thread_time = [] {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return absl::DurationFromTimespec(now);
  };
  std::vector<FlowView> flows;
  Director::ListCursor cursor;
  int pieces = 0;
  absl::Duration longest = absl::ZeroDuration();
  const absl::Duration begin = thread_time();
  while (!cursor.done) {
    const absl::Duration before = thread_time();
    world.director->List(cursor, kLines, {.server = At("10.0.0.1:81")}, 100,
                         flows);
    longest = std::max(longest, thread_time() - before);
    ++pieces;
  }
  std::printf("%d pieces, %s each, the longest %s\n", pieces,
              absl::FormatDuration((thread_time() - begin) / pieces).c_str(),
              absl::FormatDuration(longest).c_str());
  EXPECT_THAT(flows, IsEmpty());
  EXPECT_EQ(pieces, kFlows / kLines + 1);  // And one of IPv6.
  EXPECT_LT(longest, absl::Milliseconds(20));
}

}  // namespace
}  // namespace ballast::l4
