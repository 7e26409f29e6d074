// LoadMaster behaviour §4.7, §4.9, §4.12: sub services, and who of them takes
// what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/l7/pool_chooser.h"
#include "lb/l7/server_counters.h"
#include "lb/l7/service_chooser_rig.h"

namespace ballast::l7 {
namespace {

using testing::Contains;

class SubServicesTest : public ServiceChooserTest {
 protected:
  SubServicesTest() {
    plan_.config.servers.clear();
    auto& subs = plan_.config.l7->sub_services;
    subs.resize(3);
    subs[0].name = "shop";
    subs[0].matches = {{.path_prefix = "/shop"}};
    subs[1].name = "rest 1";
    subs[2].name = "rest 2";
    for (uint32_t i = 0; i < 3; ++i) AddServers(subs[i], 1, 10 * (i + 1));
    plan_.ids = {{1}, {2}, {3}};
    plan_.tables = {1, 2, 3};
  }
};

TEST_F(SubServicesTest, TheFirstMatchTakesIt) {
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/shop/a"), 1);
  EXPECT_EQ(Get("198.51.100.1", "/a"), 2);
  EXPECT_EQ(Get("198.51.100.1", "/a"), 3);
  EXPECT_EQ(Get("198.51.100.1", "/shop"), 1);
}

TEST_F(SubServicesTest, OneThatIsDownIsPassedOver) {
  Apply();
  service_.SetHealthy(now_, 1, false);
  service_.SetHealthy(now_, 2, false);
  EXPECT_EQ(Get("198.51.100.1", "/shop"), 3);
  EXPECT_EQ(Get("198.51.100.1", "/"), 3);
  service_.SetHealthy(now_, 3, false);
  EXPECT_EQ(Get("198.51.100.1", "/"), -503);
  EXPECT_FALSE(service_.up());
}

TEST_F(SubServicesTest, ACriticalOneTakesTheServiceDown) {
  plan_.config.l7->sub_services[0].critical = true;
  Apply();
  EXPECT_TRUE(service_.up());
  service_.SetHealthy(now_, 1, false);
  EXPECT_FALSE(service_.up());
}

// §4.9: N is the number of sub services.
TEST_F(SubServicesTest, AUrlHasItsHomeAmongThem) {
  plan_.config.schedule = config::Schedule::kUrlHash;
  plan_.config.l7->sub_services[0].matches.clear();
  Apply();
  std::vector<int> homes;
  for (int i = 0; i < 40; ++i) {
    const std::string url = absl::StrCat("/o", i);
    homes.push_back(Get("198.51.100.1", url));
    EXPECT_EQ(Get("198.51.100.2", url), homes.back());
  }
  for (const int id : {1, 2, 3}) EXPECT_THAT(homes, Contains(id));
  // Home is down: the next in the list, wrapping round; and back.
  service_.SetHealthy(now_, 3, false);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(Get("198.51.100.1", absl::StrCat("/o", i)),
              homes[i] == 3 ? 1 : homes[i]);
  }
  service_.SetHealthy(now_, 3, true);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(Get("198.51.100.1", absl::StrCat("/o", i)), homes[i]);
  }
}

// Their servers' share does not hang on theirs.
TEST_F(SubServicesTest, UrlsReachEveryServerOfEverySubService) {
  plan_.config.schedule = config::Schedule::kUrlHash;
  auto& subs = plan_.config.l7->sub_services;
  subs.resize(2);
  for (uint32_t i = 0; i < 2; ++i) {
    subs[i].matches.clear();
    subs[i].servers.clear();
    AddServers(subs[i], 2, 10 * i);
    subs[i].schedule = config::Schedule::kUrlHash;
  }
  plan_.ids = {{1, 2}, {3, 4}};
  plan_.tables = {1, 2};
  Apply();
  std::vector<int> homes;
  for (int i = 0; i < 60; ++i) {
    homes.push_back(Get("198.51.100.1", absl::StrCat("/o", i)));
  }
  for (const int id : {1, 2, 3, 4}) EXPECT_THAT(homes, Contains(id));
}

// One with requests under way; its server's number.
class SubServicesOpenTest : public SubServicesTest {
 protected:
  struct Held {
    Held(SubServicesOpenTest& test, ServiceChooser& service)
        : visit(test, "198.51.100.9", service), reader(http::Limits()) {}
    Visit visit;
    http::RequestReader reader;
    ServerChoice choice;
  };
  // 0: nobody took it.
  int Hold(const std::string& target) { return Hold(target, service_); }
  int Hold(const std::string& target, ServiceChooser& service) {
    auto held = std::make_unique<Held>(*this, service);
    const std::string text =
        absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n");
    absl::string_view input = text;
    held->reader.Begin();
    EXPECT_EQ(held->reader.Next(&input), http::Read::kHead);
    auto answer = held->visit.chooser.Choose(now_, held->visit.client, 0,
                                             &held->reader.head());
    if (std::holds_alternative<Denial>(answer)) return 0;
    held->choice = std::get<ServerChoice>(answer);
    held_.push_back(std::move(held));
    return static_cast<int>(static_cast<uint32_t>(held_.back()->choice.tag));
  }
  void End(size_t index) {
    held_[index]->visit.chooser.OnEnd(now_, held_[index]->choice,
                                      Outcome::kAnswered);
  }
  uint64_t Open(uint32_t server) const {
    return service_.counters(server)->Sum(&ServerCounters::OfThread::open);
  }
  std::vector<std::unique_ptr<Held>> held_;
};

// §4.12: Limit and the schedules count what is open at a sub service.
TEST_F(SubServicesOpenTest, ALimitOfConnectionsHolds) {
  plan_.config.l7->sub_services[1].connection_limit = 1;
  Apply();
  EXPECT_EQ(Hold("/"), 2);
  EXPECT_EQ(Hold("/"), 3);
  EXPECT_EQ(Hold("/"), 3);
  End(0);
  EXPECT_EQ(Hold("/"), 2);
  plan_.config.l7->sub_services[2].connection_limit = 2;
  Apply();
  EXPECT_EQ(Hold("/"), 0);
}

// Of the unit, whose threads are these two.
TEST_F(SubServicesOpenTest, ALimitOfConnectionsHoldsOverAllThreads) {
  for (int i = 0; i < 3; ++i) {
    plan_.counters.push_back({std::make_shared<ServerCounters>(2)});
    plan_.sub_counters.push_back(std::make_shared<ServerCounters>(2));
  }
  auto& subs = plan_.config.l7->sub_services;
  subs[1].connection_limit = 2;
  ServiceChooser other(nullptr, 1);
  const auto apply = [&] {
    Apply();
    other.Apply(now_, std::make_shared<const ServicePlan>(plan_));
  };
  apply();
  EXPECT_EQ(Hold("/", other), 2);
  EXPECT_EQ(Hold("/"), 2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Hold("/"), 3);
  End(0);
  now_ += PoolChooser::kForeignPause;
  EXPECT_EQ(Hold("/"), 2);
  EXPECT_EQ(Hold("/"), 3);
  // A server inside, by its own limit.
  subs[2].servers[0].connection_limit = 6;
  apply();
  EXPECT_EQ(Hold("/", other), 3);
  EXPECT_EQ(Hold("/", other), 0);
}

// It takes its open ones with it when it goes.
TEST_F(SubServicesOpenTest, WhatIsOpenAtOneThatWentIsNotCounted) {
  auto& subs = plan_.config.l7->sub_services;
  for (int i = 0; i < 3; ++i) {
    plan_.counters.push_back({std::make_shared<ServerCounters>(2)});
    plan_.sub_counters.push_back(std::make_shared<ServerCounters>(2));
  }
  subs[1].connection_limit = 1;
  Apply();
  EXPECT_EQ(Hold("/"), 2);
  EXPECT_EQ(Open(2), 1u);
  subs[1].matches = {{.path_prefix = "/none"}};
  Apply();
  EXPECT_EQ(Open(2), 1u);
  EXPECT_EQ(plan_.sub_counters[1]->Sum(&ServerCounters::OfThread::open), 0u);
  const auto gone = service_.counters(2);
  subs.resize(1);
  plan_.ids.resize(1);
  plan_.tables.resize(1);
  plan_.counters.resize(1);
  plan_.sub_counters.resize(1);
  Apply();
  EXPECT_EQ(gone->Sum(&ServerCounters::OfThread::open), 0u);
  End(0);
  EXPECT_EQ(gone->Sum(&ServerCounters::OfThread::open), 0u);
}

TEST_F(SubServicesOpenTest, LeastConnectionCountsThem) {
  plan_.config.schedule = config::Schedule::kLeastConnection;
  Apply();
  EXPECT_EQ(Hold("/"), 2);
  EXPECT_EQ(Hold("/"), 3);
  EXPECT_EQ(Hold("/"), 2);
  End(1);
  EXPECT_EQ(Hold("/"), 3);
  EXPECT_EQ(Hold("/"), 3);
}

// Sub services that share their entries share their servers' numbers: what ends
// at one must not count as ended at another.
TEST_F(SubServicesOpenTest, WhatEndsAtOneStaysOpenAtAnother) {
  auto& subs = plan_.config.l7->sub_services;
  subs.resize(2);
  subs[1].matches = {{.path_prefix = "/rest"}};
  for (auto& sub : subs) {
    sub.servers.clear();
    AddServers(sub, 2, 0);
    sub.schedule = config::Schedule::kLeastConnection;
  }
  plan_.ids = {{1, 2}, {1, 2}};
  plan_.tables = {1, 1};
  const PoolChooser::Counters shared = {std::make_shared<ServerCounters>(1),
                                        std::make_shared<ServerCounters>(1)};
  plan_.counters = {shared, shared};
  Apply();
  EXPECT_EQ(Hold("/rest"), 1);
  EXPECT_EQ(Hold("/shop"), 1);
  End(1);
  EXPECT_EQ(Open(1), 1u);
  EXPECT_EQ(Hold("/rest"), 2);
}

// Numbers do not go by places: what is open outlives another order.
TEST_F(SubServicesOpenTest, AnotherOrderKeepsWhatIsOpen) {
  plan_.config.schedule = config::Schedule::kLeastConnection;
  Apply();
  EXPECT_EQ(Hold("/"), 2);
  auto& subs = plan_.config.l7->sub_services;
  std::swap(subs[1], subs[2]);
  std::swap(plan_.ids[1], plan_.ids[2]);
  std::swap(plan_.tables[1], plan_.tables[2]);
  Apply();
  EXPECT_EQ(Hold("/"), 3);
  EXPECT_EQ(Hold("/"), 3);
  End(0);
  EXPECT_EQ(Hold("/"), 2);
  EXPECT_EQ(Open(2), 1u);
}

}  // namespace
}  // namespace ballast::l7
