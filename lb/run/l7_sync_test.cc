#include "lb/run/l7_sync.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ha/l7_record.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "lb/config/model.h"
#include "lb/l7/service_chooser.h"
#include "persist/key.h"
#include "persist/key_entry.h"
#include "persist/key_store.h"
#include "persist/mode.h"

namespace ballast::run {
namespace {

using persist::KeyEntry;
using persist::KeyStore;
using persist::Mode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The units' clocks have nothing to do with each other.
const Instant kHere = Instant::FromNanos(1'000'000'000'000);
const Instant kThere = Instant::FromNanos(77'000'000'000);
constexpr absl::Duration kTimeout = absl::Minutes(6);

const Endpoint kFirst = {Address::V4(0x0a020001), 80};
const Endpoint kSecond = {Address::V4(0x0a020002), 80};

persist::Digest Key(uint64_t n) { return {{n, n * 0x9e3779b97f4a7c15}}; }

// A unit: its store, its own numbers.
struct Unit {
  explicit Unit(uint32_t limit = 1000, uint32_t changes_max = 1000)
      : store(*KeyStore::Create({.limit = limit,
                                 .shards = 1,
                                 .changes_max = changes_max,
                                 .huge_pages = false})),
        sync(store) {}

  void Configure(Instant now, const std::vector<L7Sync::Table>& tables) {
    sync.SetTables(now, tables);
  }
  void Put(Instant now, uint32_t table, uint64_t key, uint32_t server) {
    store->Put(now, {table, Key(key)}, Mode::kActiveCookie, server, kTimeout);
  }
  // -1: no entry.
  int ServerOf(Instant now, uint32_t table, uint64_t key) {
    const auto entry = store->Find(now, {table, Key(key)});
    return entry.has_value() ? static_cast<int>(entry->server) : -1;
  }
  std::vector<ha::L7Record> Changes(Instant now) {
    std::vector<ha::L7Record> all;
    std::array<ha::L7Record, 3> some;
    while (const size_t count = sync.TakeChanges(now, some)) {
      all.insert(all.end(), some.begin(), some.begin() + count);
    }
    return all;
  }
  std::vector<ha::L7Record> Everything(Instant now) {
    std::vector<ha::L7Record> all;
    std::array<ha::L7Record, 3> some;
    for (ha::L7Table::Cursor cursor; !cursor.done;) {
      const size_t count = sync.Export(now, cursor, some);
      all.insert(all.end(), some.begin(), some.begin() + count);
    }
    return all;
  }
  void Apply(Instant now, const std::vector<ha::L7Record>& records) {
    for (const ha::L7Record& record : records) sync.Apply(now, record);
  }

  std::shared_ptr<KeyStore> store;
  L7Sync sync;
};

// The same configuration, in other numbers.
std::vector<L7Sync::Table> HereTables() {
  return {{.number = 1, .service = 100, .servers = {{kFirst, 1}, {kSecond, 2}}},
          {.number = 2,
           .service = 200,
           .sub_service = "shop",
           .servers = {{kFirst, 3}}},
          {.number = 3,
           .service = 200,
           .sub_service = "rest",
           .servers = {{kFirst, 4}}}};
}
std::vector<L7Sync::Table> ThereTables() {
  return {
      {.number = 7,
       .service = 200,
       .sub_service = "rest",
       .servers = {{kFirst, 21}}},
      {.number = 8,
       .service = 200,
       .sub_service = "shop",
       .servers = {{kFirst, 22}}},
      {.number = 9, .service = 100, .servers = {{kSecond, 23}, {kFirst, 24}}}};
}

class L7SyncTest : public ::testing::Test {
 protected:
  L7SyncTest() {
    here_.Configure(kHere, HereTables());
    there_.Configure(kThere, ThereTables());
    here_.sync.StartTelling();
  }
  Unit here_;
  Unit there_;
};

TEST_F(L7SyncTest, EntriesGoByTheNamesBothUnitsHave) {
  here_.Put(kHere, 1, 1, 1);
  here_.Put(kHere, 1, 2, 2);
  here_.Put(kHere, 2, 1, 3);  // The same key in two tables of one service.
  here_.Put(kHere, 3, 1, 4);
  there_.Apply(kThere, here_.Changes(kHere));
  EXPECT_EQ(there_.ServerOf(kThere, 9, 1), 24);
  EXPECT_EQ(there_.ServerOf(kThere, 9, 2), 23);
  EXPECT_EQ(there_.ServerOf(kThere, 8, 1), 22);
  EXPECT_EQ(there_.ServerOf(kThere, 7, 1), 21);
  EXPECT_EQ(here_.sync.stats().told, 4u);
  EXPECT_EQ(there_.sync.stats().taken, 4u);
  EXPECT_EQ(there_.store->size(), 4u);
}

TEST_F(L7SyncTest, ARecordSaysWhatItsHeaderSays) {
  here_.Put(kHere - absl::Seconds(90), 2, 5, 3);
  const auto records = here_.Changes(kHere);
  ASSERT_THAT(records, SizeIs(1));
  const ha::L7Record& record = records[0];
  EXPECT_EQ(record.service, 200u);
  EXPECT_EQ(record.sub_service, L7Sync::SubServiceId("shop"));
  EXPECT_EQ(record.mode, 6);  // persist/mode.h.
  EXPECT_EQ(record.key, Key(5).bytes());
  EXPECT_EQ(record.server, kFirst);
  EXPECT_EQ(record.age_ms, 90'000u);
  EXPECT_EQ(record.timeout_ms, 360'000u);
  EXPECT_FALSE(record.gone);
}

TEST_F(L7SyncTest, SubServicesHaveAnIdOfTheirName) {
  EXPECT_EQ(L7Sync::SubServiceId(""), 0u);
  EXPECT_NE(L7Sync::SubServiceId("shop"), L7Sync::SubServiceId("rest"));
  EXPECT_NE(L7Sync::SubServiceId("shop"), 0u);
}

TEST_F(L7SyncTest, AgeTimeoutAndModeTravel) {
  const Instant started = kHere - absl::Minutes(5);
  here_.store->Put(started, {1, Key(1)}, Mode::kSourceIp, 1, kTimeout);
  there_.Apply(kThere, here_.Changes(kHere));
  const auto entry = there_.store->Find(kThere, {9, Key(1)});
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->kind, Mode::kSourceIp);
  EXPECT_EQ(entry->timeout, kTimeout);
  EXPECT_EQ(entry->started, kThere - absl::Minutes(5));
  EXPECT_EQ(there_.ServerOf(kThere + absl::Minutes(1), 9, 1), -1);
}

TEST_F(L7SyncTest, WhatGoesHereGoesThere) {
  here_.Put(kHere, 1, 1, 1);
  here_.Put(kHere, 1, 2, 1);
  there_.Apply(kThere, here_.Changes(kHere));
  here_.store->Erase({1, Key(1)}, 1);
  there_.Apply(kThere, here_.Changes(kHere));
  EXPECT_EQ(there_.ServerOf(kThere, 9, 1), -1);
  EXPECT_EQ(there_.ServerOf(kThere, 9, 2), 24);
}

// Both were started within a second; the second overtook on its way.
TEST_F(L7SyncTest, OfTwoThatComeInOrderTheLastIsTheNewer) {
  here_.Put(kHere, 1, 1, 1);
  const auto first = here_.Changes(kHere);
  here_.Put(kHere + absl::Milliseconds(1), 1, 1, 2);
  const auto second = here_.Changes(kHere + absl::Milliseconds(20));
  there_.Apply(kThere + absl::Milliseconds(20), first);  // Was repaired.
  there_.Apply(kThere + absl::Milliseconds(20), second);
  EXPECT_EQ(there_.ServerOf(kThere + absl::Seconds(1), 9, 1), 23);
}

TEST_F(L7SyncTest, WhatIsNewerHereStays) {
  here_.Put(kHere - absl::Seconds(5), 1, 1, 1);
  there_.Put(kThere, 9, 1, 23);
  there_.Apply(kThere, here_.Changes(kHere));
  EXPECT_EQ(there_.ServerOf(kThere, 9, 1), 23);
  EXPECT_EQ(there_.sync.stats().stale, 1u);
}

TEST_F(L7SyncTest, EverythingIsToldOnce) {
  for (uint32_t n = 0; n < 100; ++n) here_.Put(kHere, 1, n, 1 + n % 2);
  here_.Put(kHere - absl::Minutes(7), 1, 1000, 1);  // Has expired.
  const auto records = here_.Everything(kHere);
  EXPECT_THAT(records, SizeIs(100));
  there_.Apply(kThere, records);
  for (uint32_t n = 0; n < 100; ++n) {
    EXPECT_EQ(there_.ServerOf(kThere, 9, n), n % 2 == 0 ? 24 : 23);
  }
}

TEST_F(L7SyncTest, OnlyWhatChangesWhileTellingIsTold) {
  here_.sync.StopTelling();
  here_.Put(kHere, 1, 1, 1);
  EXPECT_THAT(here_.Changes(kHere), IsEmpty());
  here_.sync.StartTelling();
  here_.Put(kHere, 1, 2, 1);
  EXPECT_THAT(here_.Changes(kHere), SizeIs(1));
}

TEST_F(L7SyncTest, ChangesForWhichThereIsNoRoomAreCounted) {
  Unit small(100, 10);
  small.Configure(kHere, HereTables());
  small.sync.StartTelling();
  for (uint32_t n = 0; n < 50; ++n) small.Put(kHere, 1, n, 1);
  const size_t told = small.Changes(kHere).size();
  EXPECT_EQ(small.sync.changes_lost(), 50 - told);
  EXPECT_GT(small.sync.changes_lost(), 0u);
}

// What nobody knows the name of any more says nothing to the partner.
TEST_F(L7SyncTest, AServerThatIsNotConfiguredAnyMoreIsNotTold) {
  here_.Put(kHere, 1, 1, 1);
  here_.Put(kHere, 1, 2, 2);
  here_.Put(kHere, 3, 3, 4);
  here_.Configure(kHere,
                  {{.number = 1, .service = 100, .servers = {{kSecond, 2}}}});
  const auto records = here_.Changes(kHere);
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].server, kSecond);
  EXPECT_EQ(here_.sync.stats().dropped, 2u);
}

// -- What is not configured here ----------------------------------------------

TEST_F(L7SyncTest, WhatIsNotConfiguredYetWaits) {
  Unit late;
  here_.Put(kHere, 1, 1, 1);
  here_.Put(kHere, 1, 2, 2);
  here_.Put(kHere, 2, 3, 3);
  late.Apply(kThere, here_.Changes(kHere));
  EXPECT_EQ(late.sync.waiting(), 3u);
  const Instant then = kThere + absl::Minutes(2);
  late.Configure(then,
                 {{.number = 9, .service = 100, .servers = {{kFirst, 24}}}});
  EXPECT_EQ(late.ServerOf(then, 9, 1), 24);
  EXPECT_EQ(late.sync.waiting(), 2u);  // Of a server, of a service.
  late.Configure(then, ThereTables());
  EXPECT_EQ(late.sync.waiting(), 0u);
  EXPECT_EQ(late.ServerOf(then, 9, 2), 23);
  EXPECT_EQ(late.ServerOf(then, 8, 3), 22);
  EXPECT_EQ(late.sync.stats().taken, 3u);
  // Waiting made it no younger.
  EXPECT_EQ(late.ServerOf(kThere + kTimeout, 9, 2), -1);
}

TEST_F(L7SyncTest, OfWhatWaitsTheOldestIsDropped) {
  ha::L7Record record = {.service = 5, .server = kFirst, .timeout_ms = 60'000};
  for (size_t n = 0; n < L7Sync::kWaitingMax + 3; ++n) {
    there_.sync.Apply(kThere, record);
  }
  EXPECT_EQ(there_.sync.waiting(), L7Sync::kWaitingMax);
  EXPECT_EQ(there_.sync.stats().dropped, 3u);
}

TEST_F(L7SyncTest, NonsenseIsDropped) {
  here_.Put(kHere, 1, 1, 1);
  const ha::L7Record good = here_.Changes(kHere)[0];
  std::vector<ha::L7Record> bad(6, good);
  bad[0].mode = 0;
  bad[1].mode = 255;
  bad[2].timeout_ms = 59'000;
  bad[3].timeout_ms = 361'000;
  bad[4].timeout_ms = UINT64_MAX;
  bad[5].timeout_ms = 29ull * 24 * 3600 * 1000;
  there_.Apply(kThere, bad);
  EXPECT_EQ(there_.sync.stats().dropped, bad.size());
  EXPECT_EQ(there_.store->size(), 0u);
  ha::L7Record old = good;
  old.age_ms = UINT32_MAX;
  there_.sync.Apply(kThere, old);
  EXPECT_EQ(there_.sync.stats().stale, 1u);
}

TEST_F(L7SyncTest, AFullStoreIsCounted) {
  Unit full(1);
  full.Configure(kThere, ThereTables());
  here_.Put(kHere, 1, 1, 1);
  here_.Put(kHere, 1, 2, 1);
  full.Apply(kThere, here_.Changes(kHere));
  EXPECT_EQ(full.sync.stats().taken, 1u);
  EXPECT_EQ(full.sync.stats().dropped, 1u);
}

TEST_F(L7SyncTest, WhatAWholeTableLeavesOutGoes) {
  here_.Put(kHere, 1, 1, 1);
  here_.Put(kHere, 1, 2, 1);
  there_.Apply(kThere, here_.Changes(kHere));
  there_.Apply(
      kThere,
      {{.service = 555, .mode = 6, .server = kFirst, .timeout_ms = 360'000}});
  ASSERT_EQ(there_.sync.waiting(), 1u);
  here_.store->Erase({1, Key(1)}, 1);
  there_.sync.BeginReplace(kThere);
  there_.Apply(kThere, here_.Everything(kHere));
  there_.Apply(
      kThere,
      {{.service = 556, .mode = 6, .server = kFirst, .timeout_ms = 360'000}});
  there_.store->Advance(kThere, 1000);
  EXPECT_EQ(there_.ServerOf(kThere, 9, 1), 24);
  EXPECT_EQ(there_.sync.waiting(), 2u);
  there_.sync.EndReplace(kThere, true);
  there_.store->Advance(kThere, 1000);
  EXPECT_EQ(there_.ServerOf(kThere, 9, 1), -1);
  EXPECT_EQ(there_.ServerOf(kThere, 9, 2), 24);
  EXPECT_EQ(there_.sync.waiting(), 1u);
}

// -- Of a configuration -------------------------------------------------------

config::RealServer Server(const Endpoint& endpoint) {
  config::RealServer server;
  server.endpoint = endpoint;
  return server;
}

TEST(TablesOfTest, AServiceHasOneTable) {
  l7::ServicePlan plan;
  plan.config.l7.emplace();
  plan.config.servers = {Server(kFirst), Server(kSecond)};
  plan.ids = {{5, 6}};
  plan.tables = {3};
  plan.service_id = 9;
  const auto tables = L7Sync::TablesOf(plan);
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_EQ(tables[0].number, 3u);
  EXPECT_EQ(tables[0].service, 9u);
  EXPECT_EQ(tables[0].sub_service, "");
  EXPECT_THAT(tables[0].servers,
              ElementsAre(std::pair(kFirst, 5u), std::pair(kSecond, 6u)));
}

TEST(TablesOfTest, SubServicesHaveTheirOwnUnlessTheyShare) {
  l7::ServicePlan plan;
  plan.config.l7.emplace();
  auto& subs = plan.config.l7->sub_services;
  subs.resize(2);
  subs[0].name = "shop";
  subs[0].servers = {Server(kFirst)};
  subs[1].name = "rest";
  subs[1].servers = {Server(kSecond)};
  plan.ids = {{5}, {6}};
  plan.tables = {3, 4};
  auto tables = L7Sync::TablesOf(plan);
  ASSERT_THAT(tables, SizeIs(2));
  EXPECT_EQ(tables[0].sub_service, "shop");
  EXPECT_EQ(tables[1].sub_service, "rest");
  EXPECT_THAT(tables[1].servers, ElementsAre(std::pair(kSecond, 6u)));

  plan.persistence.share_subvs = true;
  plan.tables = {3, 3};
  tables = L7Sync::TablesOf(plan);
  ASSERT_THAT(tables, SizeIs(2));
  EXPECT_EQ(tables[0].sub_service, "");
  EXPECT_EQ(tables[1].sub_service, "");
  // Entries of either lead to servers of both.
  Unit unit;
  unit.Configure(kThere, tables);
  unit.sync.StartTelling();
  unit.Put(kThere, 3, 1, 5);
  unit.Put(kThere, 3, 2, 6);
  const auto records = unit.Changes(kThere);
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].server, kFirst);
  EXPECT_EQ(records[1].server, kSecond);
}

}  // namespace
}  // namespace ballast::run
