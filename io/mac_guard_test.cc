// D16 against the kernel of this machine, in namespaces of the test's own, with
// ip_forward on: a client, a host between two networks, and a machine behind it
// to which the host would forward what the director must handle alone.
#include "io/mac_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "io/base/status_matchers.h"
#include "io/mac_probe.h"
#include "io/testing_namespace.h"
#include "io/testing_raw_port.h"

namespace ballast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Address Ip(const char* text) { return *Address::Parse(text); }
MacAddress Mac(const char* text) { return *MacAddress::Parse(text); }

const MacAddress kCardMac = Mac("02:00:00:00:00:01");
const MacAddress kOwnMac = Mac("02:00:00:00:0f:0f");
const MacAddress kClientMac = Mac("02:00:00:00:00:0c");
constexpr uint8_t kUdp = 17;
constexpr uint8_t kTcp = 6;

struct Packet {
  Address source;
  uint16_t source_port;
  Address destination;
  uint16_t destination_port;
  uint8_t protocol = kUdp;
};

// A frame whose last bytes are `mark`.
std::vector<uint8_t> ToFrame(const MacAddress& to, const Packet& packet,
                             uint32_t mark) {
  std::array<uint8_t, 128> bytes;
  ByteWriter writer(bytes);
  writer.Bytes(to.bytes);
  writer.Bytes(kClientMac.bytes);
  constexpr uint16_t kPayload =
      24;  // As TCP's header and the mark; UDP's fits.
  if (packet.source.is_v4()) {
    writer.U16(0x0800);
    writer.U16(0x4500);
    writer.U16(20 + kPayload);
    writer.U32(0);
    writer.U8(64);
    writer.U8(packet.protocol);
    writer.U16(0);
    writer.Bytes(packet.source.wire());
    writer.Bytes(packet.destination.wire());
    StoreBig16(bytes.data() + 24, Checksum(std::span(bytes).subspan(14, 20)));
  } else {
    writer.U16(0x86dd);
    writer.U32(0x60000000);
    writer.U16(kPayload);
    writer.U8(packet.protocol);
    writer.U8(64);
    writer.Bytes(packet.source.wire());
    writer.Bytes(packet.destination.wire());
  }
  writer.U16(packet.source_port);
  writer.U16(packet.destination_port);
  writer.U16(kPayload);  // UDP's length; for TCP, of a sequence number.
  writer.Zeros(kPayload - 10);
  writer.U32(mark);
  return {bytes.begin(), bytes.begin() + writer.size()};
}

class MacGuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    for (auto* target : {&client_, &behind_}) {
      auto made = NetworkNamespace::Create();
      ASSERT_THAT(made, IsOk());
      *target = std::make_unique<NetworkNamespace>(*std::move(made));
    }
    Shell(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
        " net.ipv6.conf.default.accept_dad=0");
    Shell("ip link add out0 type veth peer name behind netns " +
          behind_->path() +
          "; ip addr add 10.2.0.1/24 dev out0"
          "; ip addr add 2001:db8:2::1/64 dev out0 nodad; ip link set out0 up");
    ASSERT_THAT(behind_->Run("ip link set behind up"), IsOk());
    // Everything floating, and the clients of NAT replies, are "behind".
    Shell(
        "for i in 10.2.0.2 2001:db8:2::2; do ip neigh add $i dev out0"
        " lladdr 02:00:00:00:00:bb; done");
  }

  // The interface under test: eth0, a veth, or mv0, a macvlan on one.
  void AddVeth() {
    interface_ = "eth0";
    AddInterface("eth0", "");
  }
  void AddMacvlan() {
    interface_ = "mv0";
    AddInterface("low0",
                 "ip link set low0 up; ip link add link low0 name mv0"
                 " type macvlan mode bridge;");
  }
  void AddInterface(const std::string& wire, const std::string& then) {
    Shell("ip link add " + wire + " type veth peer name cli netns " +
          client_->path() + ";" + then);
    Shell("ip link set " + interface_ + " address " + kCardMac.ToString() +
          " up; ip addr add 10.1.0.1/24 dev " + interface_ +
          "; ip addr add 2001:db8:1::1/64 dev " + interface_ + " nodad" +
          "; sysctl -qw net.ipv4.conf." + interface_ + ".rp_filter=0");
    ASSERT_THAT(
        client_->Run("ip link set cli address " + kClientMac.ToString() +
                     " up; ip addr add 10.1.0.9/24 dev cli"),
        IsOk());
    for (const char* route :
         {"10.9.0.0/16 via 10.2.0.2", "2001:db8:9::/48 via 2001:db8:2::2"}) {
      Shell(std::string("ip route add ") + route + " dev out0");
    }
    absl::SleepFor(absl::Milliseconds(300));  // Carriers.
    {
      NetworkNamespace::Scope scope(*client_);
      from_client_ = std::make_unique<RawPort>("cli");
    }
    {
      NetworkNamespace::Scope scope(*behind_);
      at_behind_ = std::make_unique<RawPort>("behind");
    }
    at_director_ = std::make_unique<RawPort>(interface_);
  }

  std::string Shell(const std::string& command) {
    auto text = RunCommand(command);
    EXPECT_THAT(text, IsOk());
    return text.value_or("");
  }

  static bool Arrives(RawPort& port, uint32_t mark) {
    const absl::Time end = absl::Now() + absl::Milliseconds(200);
    while (absl::Now() < end) {
      Offload offload;
      const std::vector<uint8_t> frame = port.Receive(20, offload);
      if (frame.size() >= 4 && LoadBig32(&*(frame.end() - 4)) == mark) {
        return true;
      }
    }
    return false;
  }

  // What became of a packet from the client: did the director's packet socket
  // see it, did the host forward it?
  struct Fate {
    bool seen;
    bool forwarded;
    friend bool operator==(const Fate&, const Fate&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Fate& fate) {
      return out << (fate.seen ? "seen" : "unseen") << ", "
                 << (fate.forwarded ? "forwarded" : "not forwarded");
    }
  };
  static constexpr Fate kSeenOnly{true, false};
  static constexpr Fate kSeenAndForwarded{true, true};

  Fate Send(const MacAddress& to, const Packet& packet) {
    const uint32_t mark = 0xba11a500 + ++sent_;
    from_client_->Send(ToFrame(to, packet, mark), {});
    return {Arrives(*at_director_, mark), Arrives(*at_behind_, mark)};
  }

  std::unique_ptr<NetworkNamespace> client_;
  std::unique_ptr<NetworkNamespace> behind_;
  std::unique_ptr<RawPort> from_client_;
  std::unique_ptr<RawPort> at_behind_;
  std::unique_ptr<RawPort> at_director_;
  std::string interface_;
  uint32_t sent_ = 0;
};

const Packet kToVip4{Ip("10.1.0.9"), 4000, Ip("10.9.0.100"), 80};
const Packet kToVip6{Ip("2001:db8:1::9"), 4000, Ip("2001:db8:9::100"), 80};
const Packet kToOther{Ip("10.1.0.9"), 4000, Ip("10.9.0.200"), 80};
const Packet kFromServer4{Ip("10.1.0.20"), 8080, Ip("10.9.0.7"), 5000, kTcp};
const Packet kFromServer6{Ip("2001:db8:1::20"), 8080, Ip("2001:db8:9::7"), 5000,
                          kTcp};
const Packet kFromServersSsh{Ip("10.1.0.20"), 22, Ip("10.9.0.7"), 5000, kTcp};
const Packet kFromServersUdp{Ip("10.1.0.20"), 8080, Ip("10.9.0.7"), 5000, kUdp};

TEST_F(MacGuardTest, OnAVethAMacOfOurOwnIsSeenByUsAndNotByTheHost) {
  AddVeth();
  const auto probe = ProbeOwnMac({.interface = "eth0",
                                  .own_mac = kOwnMac,
                                  .neighbours = {Ip("10.1.0.9")}});
  ASSERT_THAT(probe, IsOk());
  EXPECT_TRUE(probe->own_mac_arrives);
  EXPECT_TRUE(probe->proven);
  EXPECT_THAT(probe->reason, HasSubstr("10.1.0.9 answered 02:00:00:00:0f:0f"));
  EXPECT_EQ(Send(kOwnMac, kToVip4), kSeenOnly);
  EXPECT_EQ(Send(kOwnMac, kToVip6), kSeenOnly);
  // To the card's MAC the host forwards them: why all this is needed.
  EXPECT_EQ(Send(kCardMac, kToVip4), kSeenAndForwarded);
  EXPECT_EQ(Send(kCardMac, kToVip6), kSeenAndForwarded);
}

TEST_F(MacGuardTest, OnAMacvlanTheProbeFindsThatOurMacIsFiltered) {
  AddMacvlan();
  const auto probe = ProbeOwnMac({.interface = "mv0",
                                  .own_mac = kOwnMac,
                                  .neighbours = {Ip("10.1.0.9")},
                                  .timeout = absl::Milliseconds(400)});
  ASSERT_THAT(probe, IsOk());
  EXPECT_FALSE(probe->own_mac_arrives);
  EXPECT_TRUE(probe->proven);
  EXPECT_THAT(probe->reason,
              HasSubstr("10.1.0.9 answers 02:00:00:00:00:01 but not "
                        "02:00:00:00:0f:0f on mv0"));
  EXPECT_EQ(Send(kOwnMac, kToVip4), (Fate{false, false}));
}

TEST_F(MacGuardTest, WithNobodyToAskTheKindOfLinkDecides) {
  AddMacvlan();
  MacProbeOptions options{.interface = "mv0",
                          .own_mac = kOwnMac,
                          .neighbours = {Ip("10.1.0.99"), Ip("2001:db8::1")},
                          .timeout = absl::Milliseconds(100)};
  auto probe = ProbeOwnMac(options);
  ASSERT_THAT(probe, IsOk());
  EXPECT_FALSE(probe->own_mac_arrives);
  EXPECT_FALSE(probe->proven);
  EXPECT_THAT(probe->reason, HasSubstr("mv0 is macvlan"));
  options.interface = "low0";
  options.neighbours.clear();
  probe = ProbeOwnMac(options);
  ASSERT_THAT(probe, IsOk());
  EXPECT_TRUE(probe->own_mac_arrives);
  EXPECT_FALSE(probe->proven);
  Shell("ip link set low0 down");
  EXPECT_THAT(ProbeOwnMac(options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("'low0': is down")));
}

// The guard on both kinds of link.
class MacGuardLinkTest : public MacGuardTest,
                         public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    MacGuardTest::SetUp();
    if (IsSkipped()) return;
    if (std::string(GetParam()) == "Macvlan") {
      AddMacvlan();
    } else {
      AddVeth();
    }
  }
};

TEST_P(MacGuardLinkTest, TheDirectorSeesTheHostDoesNot) {
  // Without a guard the host forwards all of it.
  for (const Packet& packet : {kToVip4, kToVip6, kToOther, kFromServer4,
                               kFromServer6, kFromServersSsh}) {
    ASSERT_EQ(Send(kCardMac, packet), kSeenAndForwarded);
  }
  const GuardRules rules{.floating = {kToVip4.destination, kToVip6.destination},
                         .servers = {{kTcp, {Ip("10.1.0.20"), 8080}},
                                     {kTcp, {Ip("2001:db8:1::20"), 8080}}}};
  auto guard = MacGuard::Install(interface_, rules);
  ASSERT_THAT(guard, IsOk());
  EXPECT_EQ(Send(kCardMac, kToVip4), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kToVip6), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kFromServer4), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kFromServer6), kSeenOnly);
  // The host goes on routing what is none of ours.
  EXPECT_EQ(Send(kCardMac, kToOther), kSeenAndForwarded);
  EXPECT_EQ(Send(kCardMac, kFromServersSsh), kSeenAndForwarded);
  EXPECT_EQ(Send(kCardMac, kFromServersUdp), kSeenAndForwarded);

  // Unless it is for the host itself.
  GuardRules with_host = rules;
  with_host.host = {kFromServer4.destination, kToVip4.destination};
  ASSERT_THAT((*guard)->Update(with_host), IsOk());
  EXPECT_EQ(Send(kCardMac, kFromServer4), kSeenAndForwarded);
  EXPECT_EQ(Send(kCardMac, kFromServer6), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kToVip4), kSeenOnly);
  with_host.host = {kFromServer6.destination};
  ASSERT_THAT((*guard)->Update(with_host), IsOk());
  EXPECT_EQ(Send(kCardMac, kFromServer4), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kFromServer6), kSeenAndForwarded);

  ASSERT_THAT((*guard)->Update({.floating = {kToOther.destination}}), IsOk());
  EXPECT_EQ(Send(kCardMac, kToOther), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kToVip4), kSeenAndForwarded);
  EXPECT_EQ(Send(kCardMac, kFromServer4), kSeenAndForwarded);

  guard->reset();
  EXPECT_EQ(Send(kCardMac, kToOther), kSeenAndForwarded);
  EXPECT_EQ(Shell("nft list ruleset"), "");
}

TEST_P(MacGuardLinkTest, PortZeroCoversEveryPortOfTheProtocol) {
  auto guard = MacGuard::Install(
      interface_, {.servers = {{kTcp, {Ip("10.1.0.20"), 0}},
                               {kTcp, {Ip("2001:db8:1::20"), 0}}}});
  ASSERT_THAT(guard, IsOk());
  EXPECT_EQ(Send(kCardMac, kFromServer4), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kFromServersSsh), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kFromServer6), kSeenOnly);
  EXPECT_EQ(Send(kCardMac, kFromServersUdp), kSeenAndForwarded);
}

INSTANTIATE_TEST_SUITE_P(, MacGuardLinkTest,
                         ::testing::Values("Veth", "Macvlan"),
                         [](const auto& info) { return info.param; });

TEST_F(MacGuardTest, NftReadsWhatWasMeant) {
  AddVeth();
  auto guard = MacGuard::Install(
      "eth0", {.floating = {Ip("10.9.0.100"), Ip("10.9.0.101"),
                            Ip("10.9.0.100"), Ip("2001:db8:9::100")},
               .servers = {{kTcp, {Ip("10.1.0.20"), 8080}},
                           {kUdp, {Ip("10.1.0.21"), 53}},
                           {kTcp, {Ip("2001:db8:1::20"), 8080}},
                           {kTcp, {Ip("10.1.0.22"), 0}}}});
  ASSERT_THAT(guard, IsOk());
  const std::string text = Shell("nft list ruleset");
  EXPECT_THAT(text, AllOf(HasSubstr("table netdev ballast_guard_eth0"),
                          HasSubstr("type filter hook ingress device \"eth0\""),
                          HasSubstr("elements = { 10.9.0.100, 10.9.0.101 }"),
                          HasSubstr("2001:db8:9::100"),
                          HasSubstr("10.1.0.20 . tcp . 8080"),
                          HasSubstr("10.1.0.21 . udp . 53"),
                          HasSubstr("2001:db8:1::20 . tcp . 8080"),
                          HasSubstr("10.1.0.22 . tcp")));
  EXPECT_THAT(text, AllOf(HasSubstr("ip daddr @floating4 counter"),
                          HasSubstr("ip6 daddr @floating6 counter")));
}

TEST_F(MacGuardTest, ThousandsOfServersFit) {
  AddVeth();
  GuardRules rules;
  for (uint32_t i = 0; i < 4096; ++i) {
    rules.servers.push_back(
        {kTcp, {Address::V4(0x0a010000 + i), static_cast<uint16_t>(i + 1)}});
  }
  auto guard = MacGuard::Install("eth0", rules);
  ASSERT_THAT(guard, IsOk());
  EXPECT_THAT(Shell("nft list ruleset"), HasSubstr("10.1.15.255 . tcp . 4096"));
}

TEST_F(MacGuardTest, ACrashLeavesTheGuardAndTheNextStartReplacesIt) {
  AddVeth();
  const auto crash_with = [](const Address& floating) {
    const pid_t child = fork();
    if (child == 0) {
      // With no destructor run.
      _exit(MacGuard::Install("eth0", {.floating = {floating}}).ok() ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    return status == 0;
  };
  ASSERT_TRUE(crash_with(kToVip4.destination));
  EXPECT_EQ(Send(kCardMac, kToVip4), kSeenOnly);
  ASSERT_TRUE(crash_with(kToOther.destination));
  EXPECT_EQ(Send(kCardMac, kToVip4), kSeenAndForwarded);
  EXPECT_EQ(Send(kCardMac, kToOther), kSeenOnly);
  ASSERT_THAT(MacGuard::RemoveStale("eth0"), IsOk());
  EXPECT_EQ(Send(kCardMac, kToOther), kSeenAndForwarded);
  EXPECT_THAT(MacGuard::RemoveStale("eth0"), IsOk());
}

TEST_F(MacGuardTest, AMissingInterfaceIsAnErrorThatNamesIt) {
  EXPECT_THAT(MacGuard::Install("gone", {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
  EXPECT_THAT(ProbeOwnMac({.interface = "gone", .own_mac = kOwnMac}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
}

}  // namespace
}  // namespace ballast
