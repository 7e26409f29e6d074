// In namespaces of the test's own: a client, and a host whose director is a
// small relay in this test.
#include "io/punt.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "io/sysctl.h"
#include "io/testing_namespace.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Address Ip(const char* text) { return *Address::Parse(text); }
MacAddress Mac(const char* text) { return *MacAddress::Parse(text); }

const MacAddress kFloatingMac = Mac("02:00:00:00:0f:0f");
const MacAddress kClientMac = Mac("02:00:00:00:00:0c");

class PuntTest : public ::testing::Test {
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
  std::unique_ptr<PuntLink> Create(const PuntLink::Options& options = {}) {
    auto link = PuntLink::Create(options);
    EXPECT_THAT(link, IsOk());
    return link.ok() ? *std::move(link) : nullptr;
  }
};

TEST_F(PuntTest, LeavesNothingBehind) {
  Shell("ip link add eth0 type veth peer name eth0p");
  const std::string before = Shell(
      "ip link; ip addr; ip rule; ip -6 rule; ip route show table all;"
      "ip -6 route show table all; ip neigh");
  {
    auto link = Create({.ports = {"eth0"}});
    ASSERT_NE(link, nullptr);
    ASSERT_THAT(link->AddAddress(Ip("10.1.0.100")), IsOk());
    ASSERT_THAT(link->AddAddress(Ip("2001:db8::100")), IsOk());
    EXPECT_THAT(
        Shell("ip addr show dev ballast0"),
        AllOf(HasSubstr("inet 10.1.0.100/32"),
              HasSubstr("inet6 2001:db8::100/128"), HasSubstr("deprecated")));
    EXPECT_THAT(ReadSysctl("net/ipv4/conf/eth0/arp_ignore"), IsOkAndHolds("1"));
    EXPECT_THAT(Shell("ip route get 192.0.2.1 from 10.1.0.100"),
                HasSubstr("via 169.254.66.254 dev ballast0"));
  }
  EXPECT_EQ(Shell("ip link; ip addr; ip rule; ip -6 rule;"
                  "ip route show table all; ip -6 route show table all;"
                  "ip neigh"),
            before);
  EXPECT_THAT(ReadSysctl("net/ipv4/conf/eth0/arp_ignore"), IsOkAndHolds("0"));
}

TEST_F(PuntTest, AddressesComeAndGoAndTwiceIsHarmless) {
  auto link = Create();
  ASSERT_NE(link, nullptr);
  for (const char* text : {"10.1.0.100", "2001:db8::100"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(link->AddAddress(Ip(text)), IsOk());
    EXPECT_THAT(link->AddAddress(Ip(text)), IsOk());
    EXPECT_THAT(Shell("ip addr show dev ballast0"), HasSubstr(text));
    EXPECT_THAT(Shell("ip rule; ip -6 rule"), HasSubstr(text));
    EXPECT_THAT(link->RemoveAddress(Ip(text)), IsOk());
    EXPECT_THAT(link->RemoveAddress(Ip(text)), IsOk());
    EXPECT_THAT(Shell("ip addr show dev ballast0"), Not(HasSubstr(text)));
    EXPECT_THAT(Shell("ip rule; ip -6 rule"), Not(HasSubstr(text)));
  }
}

TEST_F(PuntTest, ACrashedPredecessorsLeftoversGo) {
  const pid_t crashing = fork();
  if (crashing == 0) {
    _exit(PuntLink::Create({}).ok() ? 0 : 1);  // With no destructor run.
  }
  int status = 1;
  waitpid(crashing, &status, 0);
  ASSERT_EQ(status, 0);
  Shell(
      "ip addr add 10.1.0.77/32 dev ballast0;"
      "ip rule add from 10.1.0.77 table 66254 priority 16254;"
      "ip rule add from 10.1.0.78 table 66254 priority 99");
  auto link = Create();
  ASSERT_NE(link, nullptr);
  EXPECT_THAT(Shell("ip addr; ip rule"), Not(HasSubstr("10.1.0.77")));
  // Somebody else's rule to the same table is not ours to remove.
  EXPECT_THAT(Shell("ip rule"), HasSubstr("10.1.0.78"));
}

TEST_F(PuntTest, AnotherKindOfLinkIsNotTouched) {
  Shell("ip link add ballast0 type bridge");
  EXPECT_THAT(PuntLink::Create({}),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("'ballast0' exists and is a bridge")));
  EXPECT_THAT(Shell("ip link show ballast0"), HasSubstr("ballast0"));
}

// A director that punts everything: frames for the floating MAC go to the host
// end, what comes back goes to the client.
class Relay {
 public:
  explicit Relay(const PuntLink& punt)
      : punt_(punt), network_(Open("eth0")), pair_(Open(punt.director_name())) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Relay() {
    stop_ = true;
    thread_.join();
  }

 private:
  static UniqueFd Open(const std::string& interface) {
    UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll self{};
    self.sll_family = AF_PACKET;
    self.sll_protocol = htons(ETH_P_ALL);
    self.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&self), sizeof(self)),
              0);
    const int on = 1;
    setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    return fd;
  }
  void Run() {
    while (!stop_) {
      std::array<pollfd, 2> pollers = {pollfd{network_.get(), POLLIN, 0},
                                       pollfd{pair_.get(), POLLIN, 0}};
      poll(pollers.data(), pollers.size(), 20);
      Pass(network_, kFloatingMac, pair_, punt_.host_mac(),
           punt_.director_mac());
      Pass(pair_, punt_.director_mac(), network_, kClientMac, kFloatingMac);
    }
  }
  void Pass(const UniqueFd& from, const MacAddress& addressed_to,
            const UniqueFd& to, const MacAddress& destination,
            const MacAddress& source) {
    std::array<uint8_t, 65536> frame;
    const ssize_t n =
        recv(from.get(), frame.data(), frame.size(), MSG_DONTWAIT);
    if (n < ETH_HLEN) return;
    if (!std::equal(addressed_to.bytes.begin(), addressed_to.bytes.end(),
                    frame.begin())) {
      return;
    }
    std::copy_n(destination.bytes.begin(), 6, frame.begin());
    std::copy_n(source.bytes.begin(), 6, frame.begin() + 6);
    EXPECT_EQ(send(to.get(), frame.data(), static_cast<size_t>(n), 0), n);
  }

  const PuntLink& punt_;
  UniqueFd network_;
  UniqueFd pair_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// Goal    a listener of the host's own kernel on a floating address serves a
//         client through the director, and the host does nothing by itself:
//         it answers no ARP for the address and forwards no reply past us.
TEST_F(PuntTest, AListenerOnAFloatingAddressServesThroughTheDirector) {
  auto client = NetworkNamespace::Create();
  ASSERT_THAT(client, IsOk());
  // The relay passes bytes only: checksums must be whole.
  Shell("ip link add eth0 type veth peer name cli netns " + client->path() +
        "; ip addr add 10.1.0.1/24 dev eth0"
        "; ip addr add 2001:db8::1/64 dev eth0 nodad"
        "; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
        "; sysctl -qw net.ipv4.conf.all.rp_filter=1"
        "; ip link set eth0 up");
  ASSERT_THAT(
      client->Run("ip link set cli address 02:00:00:00:00:0c"
                  "; ethtool -K cli tx off tso off gso off >/dev/null"
                  "; ip addr add 10.1.0.9/24 dev cli"
                  "; ip addr add 2001:db8::9/64 dev cli nodad"
                  "; ip link set cli up"
                  "; ip neigh replace 10.1.0.100 lladdr 02:00:00:00:0f:0f"
                  "   dev cli"
                  "; ip neigh replace 2001:db8::100 lladdr 02:00:00:00:0f:0f"
                  "   dev cli"),
      IsOk());
  auto link = Create({.ports = {"eth0"}});
  ASSERT_NE(link, nullptr);
  Shell("ethtool -K ballast0 tx off tso off gso off >/dev/null");
  ASSERT_THAT(link->AddAddress(Ip("10.1.0.100")), IsOk());
  ASSERT_THAT(link->AddAddress(Ip("2001:db8::100")), IsOk());
  absl::SleepFor(absl::Milliseconds(200));  // Carriers.
  const std::string directory = ::testing::TempDir();
  const std::string name = "served by the host\n";
  Shell("echo served by the host > " + directory + "/page");
  auto server =
      BackgroundProcess::Start({"python3", "-m", "http.server", "--bind",
                                "::", "--directory", directory, "8080"});
  ASSERT_THAT(server, IsOk());
  ASSERT_THAT(RunCommand("curl -s --retry 20 --retry-delay 1 "
                         "--retry-connrefused http://127.0.0.1:8080/page"),
              IsOkAndHolds(name));
  {
    Relay relay(*link);
    EXPECT_THAT(client->Run("ping -c 1 -W 3 10.1.0.100"), IsOk());
    EXPECT_THAT(client->Run("ping -c 1 -W 3 2001:db8::100"), IsOk());
    EXPECT_THAT(client->Run("curl -s -m 5 http://10.1.0.100:8080/page"),
                IsOkAndHolds(name));
    EXPECT_THAT(client->Run("curl -s -m 5 http://[2001:db8::100]:8080/page"),
                IsOkAndHolds(name));
  }
  // Without the director nothing comes back by another way.
  EXPECT_THAT(client->Run("ping -c 1 -W 1 10.1.0.100"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("100% packet")));
  EXPECT_THAT(client->Run("ping -c 1 -W 1 2001:db8::100"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("100% packet")));
  // And the host does not claim the address with the card's MAC.
  ASSERT_THAT(client->Run("ip neigh del 10.1.0.100 dev cli"
                          "; ip neigh del 2001:db8::100 dev cli"
                          "; ping -c 1 -W 1 10.1.0.100"
                          "; ping -c 1 -W 1 2001:db8::100; true"),
              IsOk());
  EXPECT_THAT(client->Run("ip neigh show to 10.1.0.100"
                          "; ip -6 neigh show to 2001:db8::100"),
              IsOkAndHolds(Not(HasSubstr("lladdr"))));
}

}  // namespace
}  // namespace ballast
