// The test network with the kernel as its router, before a director stands in
// it.
#include "examples/testbed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "io/base/status_matchers.h"
#include "io/netlink.h"

namespace ballast::testbed {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

const Address kDirectV4 = ClientAddress(Family::kV4, 100);
const Address kDirectV6 = ClientAddress(Family::kV6, 100);

class TestbedTest : public ::testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    auto testbed = Testbed::Create(
        {.servers = 2, .clients = 3, .direct = {kDirectV4, kDirectV6}});
    if (IsForbidden(testbed.status())) {
      GTEST_SKIP() << "SKIPPED: " << testbed.status();
    }
    ASSERT_THAT(testbed, IsOk());
    testbed_ = *std::move(testbed);
  }

  static absl::StatusOr<std::string> Ask(const Address& source,
                                         const Endpoint& server) {
    auto connection = HttpConnection::Open(source, server, absl::Seconds(2));
    if (!connection.ok()) return connection.status();
    return connection->Get();
  }
  // The host's own addresses.
  static Address ClientsSide() { return Pick("192.0.2.250", "2001:db8:c::fa"); }
  static Address ServersSide() { return Pick("10.0.0.250", "2001:db8:5::fa"); }
  static Address Pick(const char* v4, const char* v6) {
    return *Address::Parse(GetParam() == Family::kV4 ? v4 : v6);
  }

  std::unique_ptr<Testbed> testbed_;
};

TEST_P(TestbedTest, TheHostReachesEveryServerOnBothPorts) {
  for (const uint16_t port : {Testbed::kHttpPort, Testbed::kOtherHttpPort}) {
    EXPECT_THAT(Ask(ServersSide(), {ServerAddress(GetParam(), 1), port}),
                IsOkAndHolds("web1"));
    EXPECT_THAT(Ask(ServersSide(), {ServerAddress(GetParam(), 2), port}),
                IsOkAndHolds("web2"));
  }
  EXPECT_EQ(testbed_->server(0).connections(), 2u);
  EXPECT_EQ(testbed_->server(1).requests(), 2u);
}

// Goal    a direct answer never meets the host.
// Method  the host sends the client's packets on to web2 and has no way back.
TEST_P(TestbedTest, DirectAnswersGoByTheRouter) {
  const Address direct = GetParam() == Family::kV4 ? kDirectV4 : kDirectV6;
  const uint8_t whole = GetParam() == Family::kV4 ? 32 : 128;
  const auto route_to = [&](const char* link_name, const Address& gateway) {
    auto netlink = Netlink::Open();
    auto link = netlink->Link(link_name);
    return netlink->SetRoute({.destination = {direct, whole},
                              .ifindex = link->index,
                              .gateway = gateway});
  };
  ASSERT_THAT(route_to(kServersLink, ServerAddress(GetParam(), 2)), IsOk());
  auto netlink = Netlink::Open();
  auto link = netlink->Link(kClientsLink);
  // An address without a network leaves no route to the clients.
  const uint8_t length = GetParam() == Family::kV4 ? 24 : 64;
  ASSERT_THAT(netlink->DeleteAddress(link->index, {ClientsSide(), length}),
              IsOk());
  ASSERT_THAT(netlink->AddFloatingAddress(link->index, ClientsSide()), IsOk());
  ASSERT_THAT(Ask(ClientsSide(), {ClientAddress(GetParam(), 3), 9}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("Network is unreachable")));

  absl::StatusOr<std::string> answer;
  ASSERT_THAT(testbed_->client().Run([&]() -> absl::Status {
    if (auto status = route_to("eth0", ClientsSide()); !status.ok())
      return status;
    answer = Ask(ClientAddress(GetParam(), 3), {direct, Testbed::kHttpPort});
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_THAT(answer, IsOkAndHolds("web2"));
}

TEST_P(TestbedTest, AServerThatDoesNotServeRefuses) {
  const Endpoint web1 = {ServerAddress(GetParam(), 1), Testbed::kHttpPort};
  const auto ask_until = [&](bool answered) {
    for (int i = 0; i < 500 && Ask(ServersSide(), web1).ok() != answered; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    return Ask(ServersSide(), web1);
  };
  testbed_->server(0).SetServing(false);
  EXPECT_THAT(ask_until(false), StatusIs(absl::StatusCode::kUnavailable, _));
  testbed_->server(0).SetServing(true);
  EXPECT_THAT(ask_until(true), IsOkAndHolds("web1"));
}

TEST_P(TestbedTest, ACheckIsNotCountedAsARequest) {
  ASSERT_THAT(HttpConnection::Open(ServersSide(), {ServerAddress(GetParam(), 1),
                                                   Testbed::kHttpPort}),
              IsOk());
  for (int i = 0; i < 500 && testbed_->server(0).checks() == 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(testbed_->server(0).checks(), 1u);
  EXPECT_EQ(testbed_->server(0).connections(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Families, TestbedTest,
                         ::testing::Values(Family::kV4, Family::kV6),
                         [](const auto& info) {
                           return info.param == Family::kV4 ? "V4" : "V6";
                         });

}  // namespace
}  // namespace ballast::testbed
