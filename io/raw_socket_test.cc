// In namespaces of the test's own: two hosts on one veth.
#include "io/raw_socket.h"

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

constexpr uint8_t kCarp = 112;

Address Ip(const char* text) { return *Address::Parse(text); }

class RawSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    auto peer = NetworkNamespace::Create();
    ASSERT_THAT(peer, IsOk());
    peer_ = std::make_unique<NetworkNamespace>(*std::move(peer));
    ASSERT_THAT(RunCommand("ip link add here type veth peer name there netns " +
                           peer_->path() +
                           "; ip addr add 10.1.0.1/24 dev here"
                           "; ip addr add 2001:db8::1/64 dev here nodad"
                           "; sysctl -qw net.ipv6.conf.here.accept_dad=0"
                           "; ip link set here up"),
                IsOk());
    ASSERT_THAT(peer_->Run("ip addr add 10.1.0.2/24 dev there"
                           "; ip addr add 2001:db8::2/64 dev there nodad"
                           "; sysctl -qw net.ipv6.conf.there.accept_dad=0"
                           "; ip link set there up"),
                IsOk());
    // Until the carriers are up, frames are dropped without a word.
    constexpr char kAwaitUp[] =
        "timeout 5 sh -c 'until ip -o link show type veth | grep -q \"state "
        "UP\";"
        " do sleep 0.02; done'";
    ASSERT_THAT(RunCommand(kAwaitUp), IsOk());
    ASSERT_THAT(peer_->Run(kAwaitUp), IsOk());
  }

  std::unique_ptr<RawSocket> Open(const RawSocket::Options& options) {
    auto socket = RawSocket::Open(options);
    EXPECT_THAT(socket, IsOk());
    if (!socket.ok()) return nullptr;
    return std::make_unique<RawSocket>(*std::move(socket));
  }
  std::unique_ptr<RawSocket> OpenAtPeer(const RawSocket::Options& options) {
    NetworkNamespace::Scope scope(*peer_);
    return Open(options);
  }

  absl::StatusOr<ReceivedDatagram> Await(RawSocket& socket) {
    pollfd poller{socket.fd(), POLLIN, 0};
    poll(&poller, 1, 2000);
    return socket.Receive(buffer_);
  }

  std::unique_ptr<NetworkNamespace> peer_;
  std::array<uint8_t, 2048> buffer_;
};

TEST_F(RawSocketTest, ACarpMulticastArrivesWithItsTtlAndWithoutTheHeader) {
  auto sender = Open({.protocol = kCarp, .interface = "here", .ttl = 255});
  auto receiver = OpenAtPeer({.protocol = kCarp, .interface = "there"});
  const Address group = Ip("224.0.0.18");
  int there = 0;
  {
    NetworkNamespace::Scope scope(*peer_);
    there = *InterfaceIndex("there");
    ASSERT_THAT(receiver->Join(group, there), IsOk());
  }
  const std::vector<uint8_t> advert = {0x21, 1, 2, 3, 4, 5};
  ASSERT_THAT(sender->Send(advert, group), IsOk());
  const auto received = Await(*receiver);
  ASSERT_THAT(received, IsOk());
  EXPECT_THAT(received->payload, ElementsAreArray(advert));
  EXPECT_EQ(received->source.address, Ip("10.1.0.1"));
  EXPECT_EQ(received->destination, group);
  EXPECT_EQ(received->ttl, 255);
  EXPECT_EQ(received->ifindex, there);
  // Nothing more, and this host does not hear itself.
  EXPECT_THAT(receiver->Receive(buffer_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("receive")));
  EXPECT_THAT(sender->Receive(buffer_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("receive")));
}

TEST_F(RawSocketTest, CarpOverIpv6) {
  auto sender = Open({.family = RawSocket::Family::kIpv6,
                      .protocol = kCarp,
                      .interface = "here",
                      .source = Ip("2001:db8::1"),
                      .ttl = 255});
  auto receiver = OpenAtPeer({.family = RawSocket::Family::kIpv6,
                              .protocol = kCarp,
                              .interface = "there"});
  const Address group = Ip("ff02::12");
  {
    NetworkNamespace::Scope scope(*peer_);
    ASSERT_THAT(receiver->Join(group, *InterfaceIndex("there")), IsOk());
  }
  const std::vector<uint8_t> advert = {0x21, 9, 8, 7};
  ASSERT_THAT(sender->Send(advert, group), IsOk());
  const auto received = Await(*receiver);
  ASSERT_THAT(received, IsOk());
  EXPECT_THAT(received->payload, ElementsAreArray(advert));
  EXPECT_EQ(received->source.address, Ip("2001:db8::1"));
  EXPECT_EQ(received->destination, group);
  EXPECT_EQ(received->ttl, 255);
}

// RFC 792 echo request: type 8, code 0, checksum, identifier, sequence. Zero
// data, so the checksum is the complement of 0x0800 + identifier + sequence.
TEST_F(RawSocketTest, AnEchoIsAnsweredByTheOtherKernel) {
  auto socket = Open({.protocol = 1});
  const std::vector<uint8_t> echo = {8,    0,    0xf7 - 0x12, 0xff - 0x35,
                                     0x12, 0x34, 0,           1};
  ASSERT_THAT(socket->Send(echo, Ip("10.1.0.2")), IsOk());
  const auto reply = Await(*socket);
  ASSERT_THAT(reply, IsOk());
  ASSERT_EQ(reply->payload.size(), echo.size());
  EXPECT_EQ(reply->payload[0], 0);  // Echo reply.
  EXPECT_THAT(reply->payload.subspan(4), ElementsAreArray({0x12, 0x34, 0, 1}));
  EXPECT_EQ(reply->source.address, Ip("10.1.0.2"));
  EXPECT_EQ(reply->destination, Ip("10.1.0.1"));
}

TEST_F(RawSocketTest, APingSocketNeedsTheGroupRangeAndNoChecksum) {
  EXPECT_THAT(RawSocket::OpenPing({}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("ping")));
  ASSERT_THAT(RunCommand("sysctl -qw net.ipv4.ping_group_range='0 0'"), IsOk());
  for (const bool ipv6 : {false, true}) {
    auto socket = RawSocket::OpenPing(
        {.family = ipv6 ? RawSocket::Family::kIpv6 : RawSocket::Family::kIpv4});
    ASSERT_THAT(socket, IsOk());
    const uint8_t request = ipv6 ? 128 : 8;
    const std::vector<uint8_t> echo = {request, 0, 0, 0, 0, 0, 0, 7, 'x'};
    ASSERT_THAT(socket->Send(echo, Ip(ipv6 ? "2001:db8::2" : "10.1.0.2")),
                IsOk());
    const auto reply = Await(*socket);
    ASSERT_THAT(reply, IsOk());
    EXPECT_EQ(reply->payload[0], ipv6 ? 129 : 0);
    EXPECT_THAT(reply->payload.subspan(6), ElementsAreArray({0, 7, int{'x'}}));
  }
}

TEST_F(RawSocketTest, ABroadcastGoesOutOfTheBoundInterfaceIfAllowed) {
  auto forbidden = Open({.protocol = kCarp, .interface = "here"});
  const Address everyone = Ip("255.255.255.255");
  EXPECT_FALSE(forbidden->Send(std::vector<uint8_t>{1}, everyone).ok());
  auto sender =
      Open({.protocol = kCarp, .interface = "here", .broadcast = true});
  auto receiver = OpenAtPeer({.protocol = kCarp, .interface = "there"});
  ASSERT_THAT(sender->Send(std::vector<uint8_t>{1, 2}, everyone), IsOk());
  const auto received = Await(*receiver);
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->destination, everyone);
}

TEST_F(RawSocketTest, AFloatingSourceMayBeBoundBeforeItIsHere) {
  auto sender =
      Open({.protocol = kCarp, .interface = "here", .source = Ip("10.1.0.77")});
  auto receiver = OpenAtPeer({.protocol = kCarp});
  ASSERT_THAT(sender->Send(std::vector<uint8_t>{1}, Ip("10.1.0.2")), IsOk());
  const auto received = Await(*receiver);
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->source.address, Ip("10.1.0.77"));
}

TEST_F(RawSocketTest, AMissingInterfaceIsNamed) {
  EXPECT_THAT(RawSocket::Open({.protocol = kCarp, .interface = "gone"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'gone'")));
}

}  // namespace
}  // namespace ballast
