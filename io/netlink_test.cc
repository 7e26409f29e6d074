// Against the kernel of this machine, in namespaces of the test's own. What we
// asked for is read back by iproute2, and the other way round.
#include "io/netlink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "io/netlink_events.h"
#include "io/process_namespace.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const MacAddress kMacA = *MacAddress::Parse("02:00:00:00:00:0a");
const MacAddress kMacB = *MacAddress::Parse("02:00:00:00:00:0b");

Address Ip(const char* text) { return *Address::Parse(text); }
Prefix Net(const char* text) { return *Prefix::Parse(text); }

class NetlinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    auto netlink = Netlink::Open();
    ASSERT_THAT(netlink, IsOk());
    netlink_ = std::make_unique<Netlink>(*std::move(netlink));
  }

  // A veth pair va-vb in this namespace, both ends up.
  void AddPair() {
    ASSERT_THAT(netlink_->AddVeth({"va", kMacA}, {"vb", kMacB}), IsOk());
    a_ = netlink_->Link("va")->index;
    b_ = netlink_->Link("vb")->index;
    ASSERT_THAT(netlink_->SetLinkUp(a_, true), IsOk());
    ASSERT_THAT(netlink_->SetLinkUp(b_, true), IsOk());
  }

  std::string Shell(const std::string& command) {
    auto text = RunCommand(command);
    EXPECT_THAT(text, IsOk());
    return text.value_or("");
  }

  std::unique_ptr<Netlink> netlink_;
  int a_ = 0;
  int b_ = 0;
};

TEST_F(NetlinkTest, VethPairIsMadeWithItsMacsAndSetUp) {
  AddPair();
  EXPECT_THAT(Shell("ip -o link show va"),
              AllOf(HasSubstr("va@vb:"), HasSubstr("UP,LOWER_UP"),
                    HasSubstr("02:00:00:00:00:0a")));
  EXPECT_THAT(netlink_->AddVeth({"va", kMacA}, {"c", kMacB}),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("add veth pair va, c")));
}

TEST_F(NetlinkTest, LinkSettingsArriveAndDeletionToo) {
  AddPair();
  ASSERT_THAT(netlink_->SetLinkMtu(a_, 1300), IsOk());
  ASSERT_THAT(netlink_->SetLinkMac(a_, *MacAddress::Parse("02:01:02:03:04:05")),
              IsOk());
  ASSERT_THAT(netlink_->AddMacvlan("m", b_), IsOk());
  EXPECT_THAT(Shell("ip -o link show va"),
              AllOf(HasSubstr("mtu 1300"), HasSubstr("02:01:02:03:04:05")));
  EXPECT_THAT(Shell("ip -d -o link show m"),
              AllOf(HasSubstr("m@vb"), HasSubstr("macvlan mode bridge")));
  ASSERT_THAT(netlink_->DeleteLink(a_), IsOk());
  EXPECT_THAT(Shell("ip -o link"), Not(HasSubstr("veth")));
  EXPECT_THAT(netlink_->Link("va"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("link 'va'")));
}

TEST_F(NetlinkTest, ALinkMovesToAnotherNamespace) {
  AddPair();
  auto other = NetNamespace::Create();
  ASSERT_THAT(other, IsOk());
  ASSERT_THAT(netlink_->MoveLink(b_, other->fd()), IsOk());
  EXPECT_THAT(netlink_->Link("vb"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("vb")));
  EXPECT_THAT(other->Run([] {
    auto inside = Netlink::Open();
    return inside.ok() ? inside->Link("vb").status() : inside.status();
  }),
              IsOk());
}

TEST_F(NetlinkTest, AddressesAreUsableAtOnceAndListed) {
  AddPair();
  ASSERT_THAT(netlink_->AddAddress(a_, Net("10.1.0.1/24")), IsOk());
  ASSERT_THAT(netlink_->AddAddress(a_, Net("2001:db8::1/64")), IsOk());
  EXPECT_THAT(Shell("ip -o addr show va"),
              AllOf(HasSubstr("inet 10.1.0.1/24"),
                    HasSubstr("inet6 2001:db8::1/64 scope global nodad")));
  EXPECT_THAT(
      netlink_->Addresses(),
      IsOkAndHolds(
          AllOf(Contains(InterfaceAddress{a_, Net("10.1.0.1/24"), false}),
                Contains(InterfaceAddress{a_, Net("2001:db8::1/64"), false}))));
  EXPECT_THAT(
      netlink_->AddAddress(a_, Net("10.1.0.1/24")),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("10.1.0.1/24")));
  ASSERT_THAT(netlink_->DeleteAddress(a_, Net("10.1.0.1/24")), IsOk());
  EXPECT_THAT(netlink_->DeleteAddress(a_, Net("10.1.0.1/24")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("delete")));
}

TEST_F(NetlinkTest, RoutesAreSetReplacedListedAndDeleted) {
  AddPair();
  ASSERT_THAT(netlink_->AddAddress(a_, Net("10.1.0.1/24")), IsOk());
  ASSERT_THAT(netlink_->AddAddress(a_, Net("2001:db8::1/64")), IsOk());
  Netlink::Route route{.destination = Net("10.2.0.0/16"),
                       .ifindex = a_,
                       .gateway = Ip("10.1.0.2"),
                       .preferred_source = Ip("10.1.0.1"),
                       .mtu = 1400};
  ASSERT_THAT(netlink_->SetRoute(route), IsOk());
  EXPECT_THAT(
      Shell("ip route show 10.2.0.0/16"),
      HasSubstr("via 10.1.0.2 dev va proto static src 10.1.0.1 mtu 1400"));
  route.gateway = Ip("10.1.0.3");
  ASSERT_THAT(netlink_->SetRoute(route), IsOk());
  EXPECT_THAT(Shell("ip route show 10.2.0.0/16"),
              AllOf(HasSubstr("10.1.0.3"), Not(HasSubstr("10.1.0.2 "))));
  ASSERT_THAT(netlink_->SetRoute({.destination = Net("::/0"),
                                  .ifindex = a_,
                                  .gateway = Ip("2001:db8::9")}),
              IsOk());
  ASSERT_THAT(netlink_->SetRoute({.destination = Net("10.3.0.0/16"),
                                  .ifindex = a_,
                                  .gateway = Ip("2001:db8::9"),
                                  .table = 4321}),
              IsOk());
  EXPECT_THAT(Shell("ip route show table 4321"),
              HasSubstr("10.3.0.0/16 via inet6 2001:db8::9 dev va"));
  const auto other_table = netlink_->Routes(4321);
  ASSERT_THAT(other_table, IsOk());
  ASSERT_EQ(other_table->size(), 1u);
  EXPECT_THAT(other_table->front().hops,
              ElementsAre(RouteHop{a_, Ip("2001:db8::9")}));
  EXPECT_THAT(netlink_->Routes(4322), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(
      netlink_->Routes(kMainTable, 3),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("at most 3")));
  ASSERT_THAT(netlink_->DeleteRoute(route), IsOk());
  EXPECT_THAT(netlink_->DeleteRoute(route),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("delete route 10.2.0.0/16 via 10.1.0.3")));
}

TEST_F(NetlinkTest, ARefusalCarriesTheKernelsExplanation) {
  AddPair();
  // iproute2 prints "Error: Nexthop has invalid gateway." for the same.
  EXPECT_THAT(netlink_->SetRoute({.destination = Net("10.2.0.0/16"),
                                  .ifindex = a_,
                                  .gateway = Ip("10.77.0.1")}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("Nexthop has invalid gateway")));
}

TEST_F(NetlinkTest, RulesSendSourcesToTables) {
  const RuleInfo v4{Net("10.7.0.1/32"), 1234, 90};
  const RuleInfo v6{Net("2001:db8:7::1/128"), 1234, 90};
  ASSERT_THAT(netlink_->AddRule(v4), IsOk());
  ASSERT_THAT(netlink_->AddRule(v6), IsOk());
  EXPECT_THAT(netlink_->AddRule(v4),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("10.7")));
  EXPECT_THAT(Shell("ip rule; ip -6 rule"),
              AllOf(HasSubstr("90:\tfrom 10.7.0.1 lookup 1234"),
                    HasSubstr("90:\tfrom 2001:db8:7::1 lookup 1234")));
  EXPECT_THAT(netlink_->Rules(1234), IsOkAndHolds(ElementsAre(v4, v6)));
  ASSERT_THAT(netlink_->DeleteRule(v4), IsOk());
  EXPECT_THAT(netlink_->Rules(1234), IsOkAndHolds(ElementsAre(v6)));
  EXPECT_THAT(netlink_->DeleteRule(v4),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("10.7.0.1")));
}

TEST_F(NetlinkTest, AManagedNeighbourIsResolvedByTheKernelAlone) {
  AddPair();
  auto other = NetworkNamespace::Create();
  ASSERT_THAT(other, IsOk());
  Shell("ip link set vb netns " + other->path());
  ASSERT_THAT(other->Run("ip addr add 10.1.0.2/24 dev vb; ip link set vb up"),
              IsOk());
  ASSERT_THAT(netlink_->AddAddress(a_, Net("10.1.0.1/24")), IsOk());
  EXPECT_THAT(netlink_->AddManagedNeighbour(a_, Ip("10.1.0.2")),
              IsOkAndHolds(Netlink::Keeper::kKernel));
  NeighbourInfo found;
  for (int i = 0; i < 50 && found.state != NeighbourInfo::State::kUsable; ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    const auto neighbours = netlink_->Neighbours();
    ASSERT_THAT(neighbours, IsOk());
    for (const NeighbourInfo& n : *neighbours) {
      if (n.address == Ip("10.1.0.2")) found = n;
    }
  }
  EXPECT_EQ(found.state, NeighbourInfo::State::kUsable);
  EXPECT_EQ(found.mac, kMacB);
  EXPECT_TRUE(found.managed);
  EXPECT_THAT(Shell("ip neigh"), HasSubstr("10.1.0.2 dev va lladdr "
                                           "02:00:00:00:00:0b managed"));
  ASSERT_THAT(netlink_->DeleteNeighbour(a_, Ip("10.1.0.2")), IsOk());
  EXPECT_THAT(netlink_->DeleteNeighbour(a_, Ip("10.1.0.2")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("10.1.0.2")));
}

TEST_F(NetlinkTest, PermanentAndUsedNeighbours) {
  AddPair();
  ASSERT_THAT(netlink_->SetPermanentNeighbour(a_, Ip("2001:db8::5"), kMacB),
              IsOk());
  EXPECT_THAT(
      Shell("ip -6 neigh"),
      HasSubstr("2001:db8::5 dev va lladdr 02:00:00:00:00:0b PERMANENT"));
  ASSERT_THAT(netlink_->UseNeighbour(a_, Ip("10.1.0.9")), IsOk());
  EXPECT_THAT(Shell("ip neigh"), HasSubstr("10.1.0.9 dev va"));
}

class NetlinkEventsTest : public NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    auto events = NetlinkEvents::Open({});
    ASSERT_THAT(events, IsOk());
    events_ = std::make_unique<NetlinkEvents>(*std::move(events));
  }

  // What has happened so far; events are queued when the change returns.
  std::vector<NetlinkEvent> Happened() {
    std::vector<NetlinkEvent> happened;
    EXPECT_THAT(events_->Read([&](const NetlinkEvent& event) {
      happened.push_back(event);
    }),
                IsOkAndHolds(NetlinkEvents::Outcome::kDrained));
    return happened;
  }

  std::unique_ptr<NetlinkEvents> events_;
};

TEST_F(NetlinkEventsTest, DescriptorIsReadableOnlyWhenSomethingHappened) {
  pollfd poller{events_->fd(), POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 0), 0);
  EXPECT_THAT(Happened(), IsEmpty());
  AddPair();
  EXPECT_EQ(poll(&poller, 1, 1000), 1);
}

TEST_F(NetlinkEventsTest, LinksGoingUpAndDownAreTold) {
  AddPair();
  // Carrier changes come a moment later, from a work queue.
  absl::SleepFor(absl::Milliseconds(100));
  Happened();
  // The other end going down takes this one's carrier, not its up flag.
  ASSERT_THAT(netlink_->SetLinkUp(b_, false), IsOk());
  absl::SleepFor(absl::Milliseconds(100));
  std::vector<LinkInfo> of_a;
  for (const NetlinkEvent& event : Happened()) {
    const auto* link = std::get_if<LinkInfo>(&event.what);
    if (link != nullptr && link->index == a_) of_a.push_back(*link);
  }
  ASSERT_THAT(of_a, Not(IsEmpty()));
  EXPECT_TRUE(of_a.back().up);
  EXPECT_FALSE(of_a.back().running);
  Shell("ip link del va");
  bool gone = false;
  for (const NetlinkEvent& event : Happened()) {
    const auto* link = std::get_if<LinkInfo>(&event.what);
    if (link != nullptr && link->index == a_) gone = event.removed;
  }
  EXPECT_TRUE(gone);
}

TEST_F(NetlinkEventsTest, AddressesRoutesAndNeighboursAreTold) {
  AddPair();
  Shell("ip addr add 10.1.0.1/24 dev va");
  Shell("ip route add 10.2.0.0/16 via 10.1.0.2");
  Shell("ip neigh add 10.1.0.2 dev va lladdr 02:00:00:00:00:0b");
  Shell("ip route del 10.2.0.0/16");
  std::vector<std::string> told;
  for (const NetlinkEvent& event : Happened()) {
    const std::string sign = event.removed ? "-" : "+";
    if (const auto* a = std::get_if<InterfaceAddress>(&event.what)) {
      told.push_back(sign + a->prefix.ToString());
    } else if (const auto* r = std::get_if<RouteInfo>(&event.what)) {
      told.push_back(sign + r->destination.ToString());
    } else if (const auto* n = std::get_if<NeighbourInfo>(&event.what)) {
      told.push_back(sign + n->address.ToString());
    }
  }
  EXPECT_THAT(told, AllOf(Contains("+10.1.0.1/24"), Contains("+10.2.0.0/16"),
                          Contains("+10.1.0.2"), Contains("-10.2.0.0/16")));
}

TEST_F(NetlinkEventsTest, AnOverrunIsReportedAsLost) {
  AddPair();
  // Some 4,000 events of a few hundred bytes: more than the socket may hold.
  Shell(
      "for i in $(seq 2000); do echo link set va mtu $((1000 + i % 2));"
      " done > /tmp/ballast_netlink_test_batch; "
      "ip -batch /tmp/ballast_netlink_test_batch; "
      "rm /tmp/ballast_netlink_test_batch");
  auto outcome = NetlinkEvents::Outcome::kMore;
  bool lost = false;
  for (int i = 0; i < 100 && outcome != NetlinkEvents::Outcome::kDrained; ++i) {
    const auto read = events_->Read([](const NetlinkEvent&) {});
    ASSERT_THAT(read, IsOk());
    outcome = *read;
    if (outcome == NetlinkEvents::Outcome::kLost) lost = true;
  }
  EXPECT_TRUE(lost);
}

}  // namespace
}  // namespace ballast
