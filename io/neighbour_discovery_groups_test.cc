#include "io/neighbour_discovery_groups.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Address Ip(const char* text) { return *Address::Parse(text); }

TEST(SolicitedNodeGroupTest, IsTheOneOfRfc4291) {
  // Section 2.7.1's own example.
  EXPECT_EQ(SolicitedNodeGroup(Ip("4037::01:800:200e:8c6c")),
            Ip("ff02::1:ff0e:8c6c"));
}

class NeighbourDiscoveryGroupsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
  }
  std::string Shell(const std::string& command) {
    auto text = RunCommand(command);
    EXPECT_THAT(text, IsOk());
    return text.value_or("");
  }
};

TEST_F(NeighbourDiscoveryGroupsTest, AddressesShareAGroupUntilTheLastGoes) {
  Shell("ip link add va type veth peer name vb; ip link set va up");
  const int va = static_cast<int>(if_nametoindex("va"));
  NeighbourDiscoveryGroups groups;
  ASSERT_THAT(groups.Add(Ip("2001:db8::12:3456"), va), IsOk());
  ASSERT_THAT(groups.Add(Ip("2001:db8:1::12:3456"), va), IsOk());
  EXPECT_THAT(groups.Add(Ip("2001:db8::12:3456"), va),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("3456")));
  EXPECT_THAT(groups.Add(Ip("10.0.0.1"), va), IsOk());
  EXPECT_EQ(groups.group_count(), 1u);
  EXPECT_THAT(Shell("ip maddr show dev va"), HasSubstr("ff02::1:ff12:3456"));
  ASSERT_THAT(groups.Remove(Ip("2001:db8::12:3456"), va), IsOk());
  EXPECT_THAT(Shell("ip maddr show dev va"), HasSubstr("ff02::1:ff12:3456"));
  ASSERT_THAT(groups.Remove(Ip("2001:db8:1::12:3456"), va), IsOk());
  EXPECT_THAT(Shell("ip maddr show dev va"), Not(HasSubstr("ff12:3456")));
  EXPECT_THAT(groups.Remove(Ip("2001:db8::12:3456"), va),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("3456")));
  EXPECT_THAT(groups.Add(Ip("2001:db8::1"), 9999),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("9999")));
}

TEST_F(NeighbourDiscoveryGroupsTest, AThousandAddressesAreJoinedAndLeft) {
  Shell("ip link add va type veth peer name vb; ip link set va up");
  const int va = static_cast<int>(if_nametoindex("va"));
  {
    NeighbourDiscoveryGroups groups;
    for (uint8_t i = 0; i < 250; ++i) {
      for (uint8_t j = 0; j < 4; ++j) {
        std::array<uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
        bytes[14] = j;
        bytes[15] = i;
        ASSERT_THAT(groups.Add(Address::V6(bytes), va), IsOk())
            << int{j} << " " << int{i};
      }
    }
    EXPECT_EQ(groups.group_count(), 1000u);
    EXPECT_THAT(Shell("ip maddr show dev va"), HasSubstr("ff02::1:ff00:3f9"));
  }
  EXPECT_THAT(Shell("ip maddr show dev va"), Not(HasSubstr("ff00:3f9")));
}

// Goal    behind a snooping switch with a querier, a solicitation for a
//         floating address arrives after Add() and did not before.
// Method  client - bridge - director, all in own namespaces; the client pings
//         an address nobody has, and a packet socket at the director counts the
//         solicitations for it.
TEST_F(NeighbourDiscoveryGroupsTest, SolicitationsPassASnoopingBridge) {
  auto client = NetworkNamespace::Create();
  auto bridge = NetworkNamespace::Create();
  ASSERT_THAT(client, IsOk());
  ASSERT_THAT(bridge, IsOk());
  // Times in hundredths of a second: the defaults would take 10 s to settle.
  ASSERT_THAT(bridge->Run("ip link add br0 type bridge mcast_snooping 1"
                          " mcast_query_response_interval 50"
                          " mcast_startup_query_interval 50"
                          " && sysctl -qw net.ipv6.conf.br0.accept_dad=0"
                          " && ip link set br0 up"),
              IsOk());
  Shell("ip link add dir type veth peer name pd netns " + bridge->path() +
        "; sysctl -qw net.ipv6.conf.dir.accept_dad=0; ip link set dir up");
  ASSERT_THAT(client->Run("ip link add cli type veth peer name pc netns " +
                          bridge->path() +
                          "; sysctl -qw net.ipv6.conf.cli.accept_dad=0"
                          "; ip addr add 2001:db8::c/64 dev cli nodad"
                          "; ip link set cli up"),
              IsOk());
  ASSERT_THAT(bridge->Run("for i in pd pc; do ip link set $i master br0 up;"
                          " done"),
              IsOk());

  const UniqueFd packets(
      socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IPV6)));
  ASSERT_TRUE(packets.valid());
  // Whether a solicitation for the address arrives while the client tries.
  const auto arrives = [&](const char* target) {
    auto pinger = [&] {
      NetworkNamespace::Scope scope(*client);
      return BackgroundProcess::Start(
          {"ping", "-6", "-c", "3", "-i", "0.2", "-W", "1", target});
    }();
    EXPECT_THAT(pinger, IsOk());
    const absl::Time end = absl::Now() + absl::Milliseconds(1200);
    while (absl::Now() < end) {
      pollfd poller{packets.get(), POLLIN, 0};
      if (poll(&poller, 1, 50) <= 0) continue;
      std::array<uint8_t, 2048> packet;
      const ssize_t n = recv(packets.get(), packet.data(), packet.size(), 0);
      // IPv6 header of 40 bytes, ICMPv6 type 135, target at 8 (RFC 4861 4.3).
      if (n >= 64 && packet[6] == 58 && packet[40] == 135 &&
          Address::FromBytes(std::span(packet).subspan(48, 16)) == Ip(target)) {
        return true;
      }
    }
    return false;
  };
  // A querier is one once it has an address and its ports are up; then it holds
  // back what nobody joined, after waiting a while for reports.
  ASSERT_THAT(
      bridge->Run("timeout 5 sh -c 'until ip -6 addr show br0 | grep -q fe80;"
                  " do sleep 0.05; done'; sleep 0.2;"
                  " ip link set br0 type bridge mcast_querier 1"),
      IsOk());
  absl::SleepFor(absl::Milliseconds(1500));
  EXPECT_FALSE(arrives("2001:db8::aa:1"));

  NeighbourDiscoveryGroups groups;
  ASSERT_THAT(
      groups.Add(Ip("2001:db8::bb:2"), static_cast<int>(if_nametoindex("dir"))),
      IsOk());
  EXPECT_TRUE(arrives("2001:db8::bb:2"));
  // So the path is sound, and the bridge does hold back what nobody joined.
  EXPECT_FALSE(arrives("2001:db8::aa:1"));
}

}  // namespace
}  // namespace ballast
