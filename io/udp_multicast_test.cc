// In namespaces of the test's own: two hosts, two links between them.
#include "io/udp_multicast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "io/base/status_matchers.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

struct Case {
  std::string name;
  std::string group;
  std::string source;  // What the receiver must see; "": a link-local one.
  std::string other;   // Another address of the sender's.
};

class UdpMulticastTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    auto peer = NetworkNamespace::Create();
    ASSERT_THAT(peer, IsOk());
    peer_ = std::make_unique<NetworkNamespace>(*std::move(peer));
    for (const std::string n : {"1", "2"}) {
      ASSERT_THAT(
          RunCommand("ip link add here" + n + " type veth peer name there" + n +
                     " netns " + peer_->path() +
                     "; sysctl -qw net.ipv6.conf.here" + n +
                     ".accept_dad=0; ip addr add 10." + n + ".0.1/24 dev here" +
                     n + "; ip link set here" + n + " up"),
          IsOk());
      ASSERT_THAT(peer_->Run("sysctl -qw net.ipv6.conf.there" + n +
                             ".accept_dad=0; ip addr add 10." + n +
                             ".0.2/24 dev there" + n + "; ip link set there" +
                             n + " up"),
                  IsOk());
    }
    // Until the carriers are up, frames are dropped without a word.
    constexpr char kAwaitUp[] =
        "timeout 5 sh -c 'while ip -o link show type veth | grep -qv"
        " \"state UP\"; do sleep 0.02; done'";
    ASSERT_THAT(RunCommand(kAwaitUp), IsOk());
    ASSERT_THAT(peer_->Run(kAwaitUp), IsOk());
  }

  std::unique_ptr<UdpMulticast> Open(const UdpMulticast::Options& options) {
    auto socket = UdpMulticast::Open(options);
    EXPECT_THAT(socket, IsOk());
    if (!socket.ok()) return nullptr;
    return std::make_unique<UdpMulticast>(*std::move(socket));
  }
  std::unique_ptr<UdpMulticast> OpenAtPeer(
      const UdpMulticast::Options& options) {
    NetworkNamespace::Scope scope(*peer_);
    return Open(options);
  }
  absl::StatusOr<ReceivedDatagram> Await(UdpMulticast& socket,
                                         int timeout_ms = 2000) {
    pollfd poller{socket.fd(), POLLIN, 0};
    poll(&poller, 1, timeout_ms);
    return socket.Receive(buffer_);
  }

  std::unique_ptr<NetworkNamespace> peer_;
  std::array<uint8_t, 2048> buffer_;
};

TEST_P(UdpMulticastTest, ReachesTheGroupOnItsInterfaceOnly) {
  const Endpoint group = *Endpoint::Parse(GetParam().group);
  auto sender = Open({.group = group, .interface = "here1", .ttl = 7});
  auto receiver = OpenAtPeer({.group = group, .interface = "there1"});
  auto elsewhere = OpenAtPeer({.group = group, .interface = "there2"});
  const std::vector<uint8_t> payload = {1, 2, 3};
  ASSERT_THAT(sender->Send(payload), IsOk());
  const auto received = Await(*receiver);
  ASSERT_THAT(received, IsOk());
  EXPECT_THAT(received->payload, ElementsAreArray(payload));
  EXPECT_EQ(received->destination, group.address);
  EXPECT_EQ(received->ttl, 7);
  if (GetParam().source.empty()) {
    EXPECT_TRUE(received->source.address.is_link_local());
  } else {
    EXPECT_EQ(received->source.address.ToString(), GetParam().source);
  }
  EXPECT_THAT(Await(*elsewhere, 100),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
  // And not back to this host.
  EXPECT_THAT(Await(*sender, 0),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
}

TEST_P(UdpMulticastTest, SendsFromTheAddressItIsTold) {
  const Endpoint group = *Endpoint::Parse(GetParam().group);
  ASSERT_THAT(RunCommand("ip addr add 10.1.0.7/24 dev here1"
                         "; ip addr add 2001:db8::7/64 dev here1"),
              IsOk());
  auto sender = Open({.group = group,
                      .interface = "here1",
                      .receive = false,
                      .source = *Address::Parse(GetParam().other)});
  auto receiver = OpenAtPeer({.group = group, .interface = "there1"});
  ASSERT_THAT(sender->Send(std::vector<uint8_t>{5}), IsOk());
  const auto received = Await(*receiver);
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->source.address.ToString(), GetParam().other);
  EXPECT_FALSE(UdpMulticast::Open({.group = group,
                                   .interface = "here1",
                                   .receive = false,
                                   .source = *Address::Parse("10.9.9.9")})
                   .ok());
}

TEST_P(UdpMulticastTest, LoopsBackWhenAsked) {
  const Endpoint group = *Endpoint::Parse(GetParam().group);
  auto sender = Open({.group = group, .interface = "here1", .loop = true});
  auto beside = Open({.group = group, .interface = "here1"});
  ASSERT_THAT(sender->Send(std::vector<uint8_t>{5}), IsOk());
  EXPECT_THAT(Await(*beside), IsOk());
  EXPECT_THAT(Await(*sender), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    , UdpMulticastTest,
    ::testing::Values(Case{"Ipv4", "224.0.0.81:8848", "10.1.0.1", "10.1.0.7"},
                      Case{"Ipv6LinkLocal", "[ff02::81]:8848", "",
                           "2001:db8::7"}),
    [](const auto& info) { return info.param.name; });

TEST(UdpMulticastOptionsTest, AGroupMustBeMulticast) {
  EXPECT_THAT(
      UdpMulticast::Open(
          {.group = *Endpoint::Parse("10.0.0.1:99"), .interface = "lo"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("10.0.0.1")));
}

}  // namespace
}  // namespace ballast
