// In a namespace of the test's own; what the peer sees is asked of the kernel.
#include "io/tcp_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "io/base/status_matchers.h"
#include "io/socket_address.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

Endpoint At(const char* text) { return *Endpoint::Parse(text); }

bool Ready(int fd, short events) {
  pollfd waited = {fd, events, 0};
  return poll(&waited, 1, 5000) == 1;
}

class TcpSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    ASSERT_THAT(RunCommand("ip addr add 10.1.0.1/32 dev lo;"
                           "ip addr add 10.1.0.2/32 dev lo;"
                           "ip addr add 2001:db8::1/128 dev lo nodad;"
                           "ip addr add 2001:db8::2/128 dev lo nodad"),
                IsOk());
  }

  // Connects, accepts; accepted() is the listener's side of it.
  void Connect(int listener, UniqueFd dialed) {
    dialed_ = std::move(dialed);
    const SocketAddress to = SocketAddress::Local(listener);
    const int result = connect(dialed_.get(), to.get(), to.length());
    ASSERT_TRUE(result == 0 || errno == EINPROGRESS) << errno;
    ASSERT_TRUE(Ready(listener, POLLIN));
    accepted_ = UniqueFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(accepted_.valid());
    ASSERT_TRUE(Ready(dialed_.get(), POLLOUT));
  }
  std::string PeerSeen() const {
    return SocketAddress::Peer(accepted_.get()).endpoint().address.ToString();
  }

  UniqueFd dialed_;
  UniqueFd accepted_;
};

TEST_F(TcpSocketTest, ConnectsFromAnAddressOfChoice) {
  for (const auto& [to, source] :
       {std::pair("10.1.0.1:80", "10.1.0.2:0"),
        std::pair("[2001:db8::1]:80", "[2001:db8::2]:0")}) {
    auto listener = ListenTcp(At(to));
    ASSERT_THAT(listener, IsOk());
    auto dialed = MakeTcpSocket(At(to), {.source = At(source)});
    ASSERT_THAT(dialed, IsOk());
    Connect(listener->get(), *std::move(dialed));
    EXPECT_EQ(PeerSeen(), At(source).address.ToString());
  }
}

TEST_F(TcpSocketTest, ASourcePortOfChoiceIsKept) {
  auto listener = ListenTcp(At("10.1.0.1:80"));
  ASSERT_THAT(listener, IsOk());
  auto dialed =
      MakeTcpSocket(At("10.1.0.1:80"), {.source = At("10.1.0.2:4000")});
  ASSERT_THAT(dialed, IsOk());
  Connect(listener->get(), *std::move(dialed));
  EXPECT_EQ(SocketAddress::Peer(accepted_.get()).endpoint(),
            At("10.1.0.2:4000"));
}

// One port range for each destination: with 2 ports in all, 2 to each of two.
TEST_F(TcpSocketTest, PortsOfASourceAreCountedByDestination) {
  ASSERT_THAT(RunCommand("sysctl -qw net.ipv4.ip_local_port_range='40000 "
                         "40001'"),
              IsOk());
  for (const char* to : {"10.1.0.1:80", "10.1.0.1:81"}) {
    auto listener = ListenTcp(At(to));
    ASSERT_THAT(listener, IsOk());
    UniqueFd held[2];
    UniqueFd accepted[2];
    for (int i = 0; i < 2; ++i) {
      auto dialed = MakeTcpSocket(At(to), {.source = At("10.1.0.2:0")});
      ASSERT_THAT(dialed, IsOk());
      Connect(listener->get(), *std::move(dialed));
      held[i] = std::move(dialed_);
      accepted[i] = std::move(accepted_);
    }
    auto third = MakeTcpSocket(At(to), {.source = At("10.1.0.2:0")});
    ASSERT_THAT(third, IsOk());
    const SocketAddress address(At(to));
    EXPECT_NE(connect(third->get(), address.get(), address.length()), 0);
    EXPECT_EQ(errno, EADDRNOTAVAIL);
  }
}

TEST_F(TcpSocketTest, AListenerCanBeThereBeforeItsAddress) {
  EXPECT_FALSE(ListenTcp(At("10.9.0.1:80")).ok());
  for (const char* at : {"10.9.0.1:80", "[2001:db8:9::1]:80"}) {
    auto listener = ListenTcp(At(at), {.foreign = true});
    ASSERT_THAT(listener, IsOk());
    ASSERT_THAT(RunCommand("ip addr add 10.9.0.1/32 dev lo 2>/dev/null;"
                           "ip addr replace 2001:db8:9::1/128 dev lo nodad"),
                IsOk());
    auto dialed = MakeTcpSocket(At(at));
    ASSERT_THAT(dialed, IsOk());
    Connect(listener->get(), *std::move(dialed));
  }
}

TEST_F(TcpSocketTest, SharedListenersAreSeveralAndOthersAreNot) {
  auto first = ListenTcp(At("10.1.0.1:80"), {.shared = true});
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(ListenTcp(At("10.1.0.1:80"), {.shared = true}), IsOk());
  const auto refused = ListenTcp(At("10.1.0.1:80"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("10.1.0.1:80"));
}

// Others' addresses, routed back to this host as a proxy's would be.
TEST_F(TcpSocketTest, ConnectsFromAForeignAddressIfTransparent) {
  ASSERT_THAT(RunCommand("ip rule add from 10.1.0.1 lookup 7;"
                         "ip route add local 192.0.2.0/24 dev lo table 7"),
              IsOk());
  auto listener = ListenTcp(At("10.1.0.1:80"));
  ASSERT_THAT(listener, IsOk());
  EXPECT_FALSE(
      MakeTcpSocket(At("10.1.0.1:80"), {.source = At("192.0.2.7:0")}).ok());
  auto dialed = MakeTcpSocket(
      At("10.1.0.1:80"), {.source = At("192.0.2.7:0"), .transparent = true});
  ASSERT_THAT(dialed, IsOk());
  Connect(listener->get(), *std::move(dialed));
  EXPECT_EQ(PeerSeen(), "192.0.2.7");
}

TEST_F(TcpSocketTest, ThePeerSeesTheTosWithoutEcnBits) {
  for (const char* to : {"10.1.0.1:80", "[2001:db8::1]:80"}) {
    auto listener = ListenTcp(At(to));
    ASSERT_THAT(listener, IsOk());
    ASSERT_THAT(RememberTos(listener->get()), IsOk());
    auto dialed = MakeTcpSocket(At(to), {.tos = 0x13});
    ASSERT_THAT(dialed, IsOk());
    Connect(listener->get(), *std::move(dialed));
    ASSERT_EQ(send(dialed_.get(), "x", 1, 0), 1);
    ASSERT_TRUE(Ready(accepted_.get(), POLLIN));
    EXPECT_EQ(ReceivedTos(accepted_.get()), 0x10) << to;
    if (At(to).address.is_v4()) continue;
    // The way back, changed under way.
    ASSERT_THAT(RememberTos(dialed_.get()), IsOk());
    ASSERT_THAT(SetTos(accepted_.get(), 0x08), IsOk());
    ASSERT_EQ(send(accepted_.get(), "y", 1, 0), 1);
    ASSERT_TRUE(Ready(dialed_.get(), POLLIN));
    EXPECT_EQ(ReceivedTos(dialed_.get()), 0x08) << to;
  }
}

}  // namespace
}  // namespace ballast
