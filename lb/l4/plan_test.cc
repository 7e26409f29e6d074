#include "lb/l4/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "io/base/status_matchers.h"
#include "lb/config/partner_config.h"
#include "sched/source_hash_table.h"

namespace ballast::l4 {
namespace {

using ::testing::ElementsAre;

const Instant kStart = Instant::FromNanos(1'000'000'000);
const Address kVip = *Address::Parse("192.0.2.10");

Endpoint E(const char* text) { return *Endpoint::Parse(text); }

config::VirtualService Service(uint16_t port,
                               std::vector<const char*> servers) {
  config::VirtualService service;
  service.address = kVip;
  service.port = port;
  for (const char* server : servers) {
    service.servers.push_back({.endpoint = E(server)});
  }
  return service;
}

class PlanTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Plan> Build(
      std::vector<config::VirtualService> services) {
    auto model = std::make_shared<config::Model>();
    model->services = std::move(services);
    model->floating_addresses = {{.address = kVip, .service = true}};
    auto plan = builder_.Build(
        model, now_, [this](Slot slot) { return in_use_.contains(slot); });
    EXPECT_THAT(plan, IsOk());
    return *plan;
  }

  PlanBuilder builder_;
  Instant now_ = kStart;
  std::set<Slot> in_use_;
};

TEST_F(PlanTest, ExactPortThenExtraPortThenWildcard) {
  auto web = Service(80, {"10.0.0.1:80"});
  web.extra_ports = {{8000, 8002}};
  const auto plan = Build({Service(0, {"10.0.0.9:0"}), web});
  const auto port_of = [&](uint16_t port) {
    return plan->FindService(Protocol::kTcp, kVip, port)->config.port;
  };
  EXPECT_EQ(port_of(80), 80);
  EXPECT_EQ(port_of(8002), 80);
  EXPECT_EQ(port_of(8003), 0);
  EXPECT_EQ(plan->FindService(Protocol::kUdp, kVip, 80), nullptr);
  EXPECT_TRUE(plan->IsFloating(kVip));
}

TEST_F(PlanTest, SlotsSurviveReorderingAndRemoval) {
  const auto before = Build({Service(80, {"10.0.0.1:80", "10.0.0.2:80"}),
                             Service(81, {"10.0.0.3:80"})});
  const Slot first = before->service(0)->servers[0];
  const Slot second = before->service(0)->servers[1];
  const Slot third = before->service(1)->servers[0];
  in_use_ = {first};
  const auto after = Build({Service(81, {"10.0.0.3:80"}),
                            Service(80, {"10.0.0.2:80", "10.0.0.4:80"})});
  EXPECT_EQ(after->service(1)->config.port, 81);
  EXPECT_THAT(after->service(1)->servers, ElementsAre(third));
  EXPECT_EQ(after->service(0)->servers[0], second);
  // The removed one has flows: it stays addressable, and nobody gets its slot.
  ASSERT_NE(after->server(first), nullptr);
  EXPECT_TRUE(after->server(first)->removed);
  EXPECT_NE(after->service(0)->servers[1], first);
}

TEST_F(PlanTest, ARemovedServerWithoutFlowsGivesItsSlotBack) {
  const auto before = Build({Service(80, {"10.0.0.1:80", "10.0.0.2:80"})});
  const Slot gone = before->service(0)->servers[0];
  // A thread that has not heard of it yet may still give it a flow.
  const auto next = Build({Service(80, {"10.0.0.2:80"})});
  ASSERT_NE(next->server(gone), nullptr);
  EXPECT_TRUE(next->server(gone)->removed);
  EXPECT_EQ(Build({Service(80, {"10.0.0.2:80"})})->server(gone), nullptr);
  const auto after = Build({Service(80, {"10.0.0.2:80", "10.0.0.5:80"})});
  EXPECT_EQ(after->service(0)->servers[1], gone);
}

TEST_F(PlanTest, ARemovedServicesServerSlotIsReservedUntilItsFlowsAreGone) {
  const auto before = Build({Service(80, {"10.0.0.1:80"})});
  const Slot gone = before->service(0)->servers[0];
  in_use_ = {gone};
  EXPECT_EQ(Build({})->server(gone), nullptr);
  const auto after = Build({Service(81, {"10.0.0.2:80"})});
  EXPECT_NE(after->service(0)->servers[0], gone);
  in_use_ = {};
  Build({Service(81, {"10.0.0.2:80"})});
  const auto last = Build({Service(81, {"10.0.0.2:80", "10.0.0.3:80"})});
  EXPECT_EQ(last->service(0)->servers[1], gone);
}

TEST_F(PlanTest, DrainTimeRunsFromTheFirstPlanThatDrains) {
  auto service = Service(80, {"10.0.0.1:80"});
  service.servers[0].state = config::AdminState::kDraining;
  service.servers[0].drain_time = absl::Seconds(60);
  EXPECT_EQ(Build({service})->server(0)->drain_end, kStart + absl::Seconds(60));
  now_ = kStart + absl::Seconds(30);
  EXPECT_EQ(Build({service})->server(0)->drain_end, kStart + absl::Seconds(60));
  service.servers[0].state = config::AdminState::kEnabled;
  EXPECT_EQ(Build({service})->server(0)->drain_end, Instant::Never());
  service.servers[0].state = config::AdminState::kDraining;
  EXPECT_EQ(Build({service})->server(0)->drain_end, now_ + absl::Seconds(60));
}

TEST_F(PlanTest, AServerOfOneServiceSaysWhichPortItsRepliesComeFrom) {
  auto many = Service(90, {"10.0.0.3:90"});
  many.extra_ports = {{91, 92}};
  const auto plan =
      Build({Service(80, {"10.0.0.1:8080", "10.0.0.2:8080"}),
             Service(81, {"10.0.0.2:8080"}), many, Service(70, {"10.0.0.4:0"}),
             Service(0, {"10.0.0.5:0"})});
  const auto port_of = [&](const char* server) -> int {
    const auto found = plan->FindStatelessServer(Protocol::kTcp, E(server));
    return found ? found->service_port : -1;
  };
  EXPECT_EQ(port_of("10.0.0.1:8080"), 80);
  EXPECT_EQ(port_of("10.0.0.1:8081"), -1);
  EXPECT_EQ(port_of("10.0.0.2:8080"), -1);  // Two services.
  EXPECT_EQ(port_of("10.0.0.3:90"), -1);    // Three ports of one service.
  EXPECT_EQ(port_of("10.0.0.4:70"), 70);
  EXPECT_EQ(port_of("10.0.0.5:1234"), 1234);
}

TEST_F(PlanTest, ASorryServerIsNotAmongTheScheduled) {
  auto service = Service(80, {"10.0.0.1:80"});
  service.sorry_server = {.endpoint = E("10.0.0.1:80")};
  const auto plan = Build({service});
  EXPECT_EQ(plan->service(0)->servers.size(), 1u);
  const Slot sorry = plan->service(0)->sorry_server;
  ASSERT_NE(sorry, kNoSlot);
  EXPECT_NE(sorry, plan->service(0)->servers[0]);
  EXPECT_TRUE(plan->server(sorry)->sorry);
}

TEST(ServiceIdTest, DiffersByEachPart) {
  const std::set<uint64_t> ids = {
      ServiceId(Protocol::kTcp, kVip, 80), ServiceId(Protocol::kUdp, kVip, 80),
      ServiceId(Protocol::kTcp, kVip, 81),
      ServiceId(Protocol::kTcp, Address::V4(1), 80)};
  EXPECT_EQ(ids.size(), 4u);
}

// ---- The pair --------------------------------------------------------------

// One unit's plans.
struct Planner {
  std::shared_ptr<const Plan> Build(
      const std::vector<config::VirtualService>& services) {
    auto model = std::make_shared<config::Model>();
    model->services = services;
    plan = *builder.Build(model, kStart, [](Slot) { return false; });
    return plan;
  }
  const sched::SourceHashTable& table() const {
    return *plan->FindService(Protocol::kTcp, kVip, 80)->source_hash;
  }
  PlanBuilder builder;
  std::shared_ptr<const Plan> plan;
};

std::vector<config::VirtualService> Hashed(std::vector<const char*> servers,
                                           config::Fill fill) {
  auto service = Service(80, std::move(servers));
  service.schedule = config::Schedule::kSourceHash;
  service.fill = fill;
  return {service};
}

TEST(PlanPairTest, AUnitThatMissedChangesHasTheOthersTableByItsWord) {
  // Which slots a server has depends on the order in which they came and went.
  constexpr auto kEven = config::Fill::kEven;
  const auto one = Hashed({"10.0.0.1:80", "10.0.0.2:80"}, kEven);
  const auto two = Hashed({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}, kEven);
  const auto three = Hashed({"10.0.0.3:80", "10.0.0.2:80"}, kEven);
  Planner active, standby;
  active.Build(one);
  standby.Build(one);
  EXPECT_EQ(active.table(), standby.table());
  active.Build(two);
  active.Build(three);
  standby.Build(three);
  EXPECT_FALSE(active.table() == standby.table());
  // As it travels.
  const auto given = config::ParsePartnerConfig(
      config::Serialize({.tables = ScheduleTablesOf(*active.plan)}));
  ASSERT_THAT(given, IsOk());
  standby.builder.Adopt(given->tables);
  standby.Build(three);
  EXPECT_EQ(active.table(), standby.table());
  // Both go on from there alike.
  active.Build(two);
  standby.Build(two);
  EXPECT_EQ(active.table(), standby.table());
}

TEST(PlanPairTest, SlotsThatDoNotFitTheServersAreNotTaken) {
  const auto services =
      Hashed({"10.0.0.1:80", "10.0.0.2:80"}, config::Fill::kEven);
  Planner fresh, other;
  fresh.Build(services);
  other.Build(services);
  auto tables = ScheduleTablesOf(*other.plan);
  ASSERT_EQ(tables.size(), 1u);
  for (const auto& spoil : std::vector<std::function<void()>>{
           [&] { tables[0].slots[7] = 2; },
           [&] { tables[0].slots.pop_back(); },
           [&] { ++tables[0].service; },
       }) {
    spoil();
    other.builder.Adopt(tables);
    other.Build(services);
    EXPECT_EQ(other.table(), fresh.table());
  }
}

TEST(PlanPairTest, OtherFillsNeedNoWord) {
  for (const auto fill : {config::Fill::kLoadMaster, config::Fill::kMaglev}) {
    Planner active;
    active.Build(Hashed({"10.0.0.1:80"}, fill));
    EXPECT_TRUE(ScheduleTablesOf(*active.plan).empty());
  }
}

}  // namespace
}  // namespace ballast::l4
