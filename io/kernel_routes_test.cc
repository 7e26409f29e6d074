// The copy of the kernel's routes against the kernel: `ip route get` is the
// judge. In namespaces of the test's own.
#include "io/kernel_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

Address Ip(const std::string& text) { return *Address::Parse(text); }

class KernelRoutesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    Shell(
        "ip link add va type veth peer name vb;"
        "ip link add vc type veth peer name vd;"
        "for i in va vb vc vd; do ip link set $i up; done;"
        "ip addr add 10.1.0.1/24 dev va; ip addr add 10.5.0.1/24 dev vc;"
        "ip addr add 2001:db8:1::1/64 dev va nodad;"
        "ip addr add 2001:db8:5::1/64 dev vc nodad");
    // Carriers come up from a work queue.
    absl::SleepFor(absl::Milliseconds(100));
    auto routes = KernelRoutes::Open({});
    ASSERT_THAT(routes, IsOk());
    routes_ = std::make_unique<KernelRoutes>(*std::move(routes));
  }

  std::string Shell(const std::string& command) {
    auto text = RunCommand(command);
    EXPECT_THAT(text, IsOk());
    return text.value_or("");
  }

  // "dev va via 10.1.0.2" or "dev va" or "unreachable", of either side.
  std::string Ours(const std::string& destination) {
    const auto answer = routes_->Lookup(Ip(destination));
    if (!answer) return "unreachable";
    std::string text =
        absl::StrCat("dev ", routes_->FindLink(answer->hop.ifindex)->name);
    if (answer->hop.via_gateway) {
      absl::StrAppend(&text, " via ", answer->hop.address.ToString());
    }
    return text;
  }
  std::string Kernels(const std::string& destination) {
    // The word after "dev" and, if there is one, after "via" or "via inet6".
    return Shell(absl::StrCat(
        "ip -o route get ", destination,
        " 2>&1 | awk '/nreachable|No route/ {printf \"unreachable\"; exit}"
        " {d=\"\"; v=\"\"; for (i=1;i<NF;i++) {"
        " if ($i==\"dev\" && d==\"\") d=$(i+1);"
        " if ($i==\"via\") v=($(i+1)==\"inet6\") ? $(i+2) : $(i+1)}"
        " printf \"dev %s\", d; if (v!=\"\") printf \" via %s\", v; exit}'"));
  }

  std::unique_ptr<KernelRoutes> routes_;
};

TEST_F(KernelRoutesTest, FollowsTheKernelThroughEveryChange) {
  const char* const kSteps[] = {
      "true",
      "ip route add default via 10.1.0.2",
      "ip route add 10.8.0.0/16 via 10.5.0.2 metric 50",
      "ip route add 10.8.0.0/16 via 10.1.0.3 metric 20",
      "ip route add 10.8.3.0/24 via 10.5.0.9",
      "ip route replace 10.8.3.0/24 via 10.5.0.8",
      "ip route add unreachable 10.9.0.0/16",
      "ip route add 10.10.0.0/16 via inet6 2001:db8:5::77 dev vc",
      "ip -6 route add default via 2001:db8:1::2",
      "ip -6 route add 2001:db8:8::/48 via 2001:db8:5::2",
      "ip -6 route replace 2001:db8:8::/48 via 2001:db8:5::3",
      "ip -6 route add unreachable 2001:db8:9::/48",
      "ip route del 10.8.0.0/16 metric 20",
      // The kernel takes routes away without a word here:
      "ip addr del 10.5.0.1/24 dev vc",
      "ip addr add 10.5.0.1/24 dev vc",
      "ip link set vc down",
      "ip link set vc up",
      "ip link del va",
  };
  for (const char* step : kSteps) {
    SCOPED_TRACE(step);
    Shell(step);
    // Link state settles from a work queue, with an event of its own.
    absl::SleepFor(absl::Milliseconds(50));
    ASSERT_THAT(routes_->ReadEvents(), IsOk());
    for (const std::string destination :
         {"10.1.0.7", "10.5.0.7", "10.8.1.1", "10.8.3.1", "10.9.1.1",
          "10.10.1.1", "192.0.2.1", "2001:db8:1::7", "2001:db8:5::7",
          "2001:db8:8::1", "2001:db8:9::1", "2001:db8:77::1"}) {
      EXPECT_EQ(Ours(destination), Kernels(destination)) << destination;
    }
  }
}

TEST_F(KernelRoutesTest, TellsWhatChanged) {
  pollfd poller{routes_->fd(), POLLIN, 0};
  auto changes = routes_->ReadEvents();
  ASSERT_THAT(changes, IsOk());
  EXPECT_EQ(poll(&poller, 1, 0), 0);
  const auto before = routes_->routes();

  Shell("ip neigh add 10.1.0.2 dev va lladdr 02:00:00:00:00:99");
  EXPECT_EQ(poll(&poller, 1, 1000), 1);
  changes = routes_->ReadEvents();
  ASSERT_THAT(changes, IsOk());
  EXPECT_TRUE(changes->neighbours);
  EXPECT_FALSE(changes->routes || changes->links || changes->addresses);
  EXPECT_EQ(routes_->routes(), before);
  EXPECT_EQ(routes_->Lookup(Ip("10.1.0.2"))->mac,
            *MacAddress::Parse("02:00:00:00:00:99"));

  Shell("ip route add 10.8.0.0/16 via 10.1.0.2");
  changes = routes_->ReadEvents();
  ASSERT_THAT(changes, IsOk());
  EXPECT_TRUE(changes->routes);
  EXPECT_FALSE(changes->neighbours || changes->links || changes->addresses);
  EXPECT_NE(routes_->routes(), before);
  // Through the gateway's MAC, and whoever held the old table still has it.
  EXPECT_EQ(routes_->Lookup(Ip("10.8.0.1"))->mac,
            *MacAddress::Parse("02:00:00:00:00:99"));
  EXPECT_FALSE(before->Lookup(Ip("10.8.0.1")).has_value());

  Shell("ip link set va mtu 1300");
  changes = routes_->ReadEvents();
  ASSERT_THAT(changes, IsOk());
  EXPECT_TRUE(changes->links && changes->routes);
  EXPECT_EQ(routes_->Lookup(Ip("10.8.0.1"))->hop.mtu, 1300u);

  Shell("ip neigh del 10.1.0.2 dev va");
  changes = routes_->ReadEvents();
  ASSERT_THAT(changes, IsOk());
  EXPECT_TRUE(changes->neighbours);
  EXPECT_FALSE(routes_->Lookup(Ip("10.1.0.2"))->mac.has_value());
}

TEST_F(KernelRoutesTest, TooManyRoutesAreAnErrorAndTheOldTableStays) {
  auto routes = KernelRoutes::Open({.route_count_max = 14});
  ASSERT_THAT(routes, IsOk());
  Shell("for i in $(seq 20); do ip route add 10.8.$i.0/24 via 10.1.0.2; done");
  EXPECT_THAT(
      routes->ReadEvents(),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("at most 14")));
  EXPECT_TRUE(routes->Lookup(Ip("10.1.0.2")).has_value());
  Shell("for i in $(seq 20); do ip route del 10.8.$i.0/24; done");
  EXPECT_THAT(routes->ReadEvents(), IsOk());
}

}  // namespace
}  // namespace ballast
