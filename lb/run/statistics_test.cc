#include "lb/run/statistics.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "io/base/status_matchers.h"

namespace ballast::run {
namespace {

const Address kVip = *Address::Parse("192.0.2.10");

// One thread's counters, whose owner counts as a director does.
class StatisticsTest : public ::testing::Test {
 protected:
  void Build(const std::vector<const char*>& servers) {
    auto model = std::make_shared<config::Model>();
    config::VirtualService service;
    service.address = kVip;
    service.port = 80;
    for (const char* server : servers) {
      service.servers.push_back({.endpoint = *Endpoint::Parse(server)});
    }
    model->services = {service};
    model->floating_addresses = {{.address = kVip, .service = true}};
    auto plan = builder_.Build(model, now_, [](l4::Slot) { return false; });
    ASSERT_THAT(plan, IsOk());
    const auto before = std::exchange(plan_, *plan);
    for (l4::Slot slot = 0; slot < plan_->server_slots(); ++slot) {
      l4::ServerCounters& counters = all_.servers.Reserve(slot);
      if (before == nullptr || before->server(slot) == nullptr) {
        counters.Reset();
      }
    }
  }
  void Count(size_t server, uint64_t connections) {
    const l4::Slot slot = plan_->service(0)->servers[server];
    all_.servers.Reserve(slot).connections.Add(connections);
    all_.servers.Reserve(slot).packets_in.Add(10 * connections);
  }
  Traffic Sample() {
    now_ = now_ + absl::Seconds(1);
    collector_.Sample(now_, *plan_, threads_);
    return collector_
        .Collect(*plan_, threads_, {}, [](l4::Slot) { return ServerHealth(); })
        .services[0]
        .traffic;
  }

  l4::PlanBuilder builder_;
  std::shared_ptr<const l4::Plan> plan_;
  l4::AllCounters all_;
  const std::array<const l4::AllCounters*, 1> threads_ = {&all_};
  StatisticsCollector collector_;
  Instant now_ = Instant::FromNanos(0);
};

TEST_F(StatisticsTest, AServicesCountsKeepThoseOfServersThatAreGone) {
  Build({"10.0.0.1:80", "10.0.0.2:80"});
  Count(0, 5);
  Count(1, 7);
  EXPECT_EQ(Sample().connections, 12u);
  Build({"10.0.0.2:80"});
  EXPECT_EQ(Sample().connections, 12u);
  EXPECT_EQ(Sample().packets_in, 120u);
  // It comes back, and so counts from zero; or another has its slot.
  Build({"10.0.0.2:80", "10.0.0.1:80"});
  Count(1, 1);
  EXPECT_EQ(Sample().connections, 13u);
  Build({"10.0.0.2:80"});
  Build({"10.0.0.2:80", "10.0.0.3:80"});
  Count(1, 2);
  EXPECT_EQ(Sample().connections, 15u);
}

TEST_F(StatisticsTest, RatesAreOfTheLastSecondAndOfThisServer) {
  Build({"10.0.0.1:80"});
  Sample();
  Count(0, 6);
  EXPECT_EQ(Sample().connections_per_second, 6);
  EXPECT_EQ(Sample().connections_per_second, 0);
  Build({});
  Sample();
  Build({"10.0.0.2:80"});
  Count(0, 4);
  const Traffic traffic = Sample();
  EXPECT_EQ(traffic.connections_per_second, 4);
  EXPECT_EQ(traffic.packets_per_second, 40);
  EXPECT_EQ(traffic.connections, 10u);
}

}  // namespace
}  // namespace ballast::run
