#include "io/packet_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "io/packet_filter_interpreter.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

const MacAddress kOwn = {{0x02, 0xba, 0x11, 0xa5, 0x00, 0x01}};
const MacAddress kOwnToo = {{0x02, 0xba, 0x11, 0xa5, 0x00, 0x02}};
// Destinations, as hexadecimal.
constexpr char kToOwn[] = "02ba11a50001";
constexpr char kToOwnToo[] = "02ba11a50002";
constexpr char kToOther[] = "02ba11a50003";
constexpr char kToOtherPrefix[] = "03ba11a50001";
constexpr char kToAll[] = "ffffffffffff";
constexpr char kToSolicited[] = "3333ff000001";

// Ethernet types and the start of their payloads.
constexpr char kArp[] =
    "0806"
    "0001080006040001";
constexpr char kLldp[] =
    "88cc"
    "0207";

std::string V4(const char* protocol, const char* destination) {
  return absl::StrCat(
      "0800"
      "4500002800010000"
      "40",
      protocol,
      "0000"
      "c0000207",
      destination, "0000000000000000");
}
std::string V6(const char* next_header, const char* destination,
               const char* payload) {
  return absl::StrCat(
      "86dd"
      "600000000020",
      next_header, "40", "20010db8000000000000000000000007", destination,
      payload);
}
constexpr char kHost4[] = "0a000001";
constexpr char kOther4[] = "0a000002";
constexpr char kHost6[] = "20010db8000000000000000000000001";
constexpr char kOther6[] = "20010db8000000000000000000000002";

struct Case {
  const char* name;
  std::string frame;
  bool passes;
  FilterContext context;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.frame; }

class PacketFilterTest : public ::testing::TestWithParam<Case> {};

TEST_P(PacketFilterTest, PassesWhatIsOurs) {
  PacketFilter filter;
  filter.own_macs = {kOwn, kOwnToo};
  filter.host_addresses = {*Address::Parse("10.0.0.1"),
                           *Address::Parse("2001:db8::1")};
  filter.ip_protocols = {112};
  const auto program = CompilePacketFilter(filter);
  ASSERT_THAT(program, IsOk());
  const std::string frame = absl::HexStringToBytes(GetParam().frame);
  const uint32_t kept = RunFilter(
      *program, {reinterpret_cast<const uint8_t*>(frame.data()), frame.size()},
      GetParam().context);
  if (GetParam().passes) {
    EXPECT_GE(kept, 70000u);
  } else {
    EXPECT_EQ(kept, 0u);
  }
}

std::string From(const char* destination, const std::string& rest) {
  return absl::StrCat(destination, "020000000001", rest);
}

INSTANTIATE_TEST_SUITE_P(
    , PacketFilterTest,
    ::testing::Values(
        Case{"TcpToUs", From(kToOwn, V4("06", kOther4)), true, {}},
        Case{"TcpToOurSecondMac", From(kToOwnToo, V4("06", kOther4)), true, {}},
        Case{"TcpToAnotherMac", From(kToOther, V4("06", kOther4)), false, {}},
        Case{"AnotherMacInItsFirstByte",
             From(kToOtherPrefix, V4("06", kOther4)),
             false,
             {}},
        Case{"TcpToUsForTheHost", From(kToOwn, V4("06", kHost4)), false, {}},
        Case{"V6ToUs", From(kToOwn, V6("06", kOther6, "00")), true, {}},
        Case{"V6ToAnotherMac",
             From(kToOther, V6("06", kOther6, "00")),
             false,
             {}},
        Case{"V6ToUsForTheHost",
             From(kToOwn, V6("06", kHost6, "00")),
             false,
             {}},
        Case{"ArpBroadcast", From(kToAll, kArp), true, {}},
        Case{"ArpReplyToTheHost", From(kToOther, kArp), true, {}},
        Case{"BroadcastUdp", From(kToAll, V4("11", "ffffffff")), false, {}},
        Case{"CarpMulticast",
             From("01005e000012", V4("70", "e0000012")),
             true,
             {}},
        Case{"CarpV6", From("333300000012", V6("70", kOther6, "00")), true, {}},
        Case{"OtherMulticast",
             From("01005e000001", V4("02", "e0000001")),
             false,
             {}},
        Case{"RouterSolicitation",
             From(kToSolicited, V6("3a", kOther6, "85")),
             true,
             {}},
        Case{"NeighbourSolicitation",
             From(kToSolicited, V6("3a", kOther6, "87")),
             true,
             {}},
        Case{"NeighbourAdvertisement",
             From("333300000001", V6("3a", kOther6, "88")),
             true,
             {}},
        Case{"NeighbourAdvertisementForTheHost",
             From(kToOther, V6("3a", kHost6, "88")),
             true,
             {}},
        Case{"Redirect", From(kToOther, V6("3a", kHost6, "89")), true, {}},
        Case{"MulticastListenerReport",
             From("333300000016", V6("3a", kOther6, "8f")),
             false,
             {}},
        Case{"EchoToAnother",
             From(kToOther, V6("3a", kOther6, "80")),
             false,
             {}},
        Case{"EchoToUs", From(kToOwn, V6("3a", kOther6, "80")), true, {}},
        Case{"OtherTypeToUs", From(kToOwn, kLldp), true, {}},
        Case{"OtherTypeToAnother", From(kToOther, kLldp), false, {}},
        Case{"SentByTheHostItself",
             From(kToOwn, V4("06", kOther4)),
             false,
             {.packet_type = PACKET_OUTGOING}},
        Case{"OfAVlan",
             From(kToOwn, V4("06", kOther4)),
             false,
             {.tagged = true, .tag = 0x2005}},
        Case{"PriorityTagged",
             From(kToOwn, V4("06", kOther4)),
             true,
             {.tagged = true, .tag = 0xe000}},
        Case{"ArpOfAVlan",
             From(kToAll, kArp),
             false,
             {.tagged = true, .tag = 5}},
        Case{"NotAWholeHeader", "02ba11a50001", false, {}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PacketFilterEverythingTest, PassesAllThatArrivesUntagged) {
  PacketFilter filter;
  filter.everything = true;
  const auto program = CompilePacketFilter(filter);
  ASSERT_THAT(program, IsOk());
  const std::vector<uint8_t> frame(60, 0x55);
  EXPECT_GT(RunFilter(*program, frame, {}), 70000u);
  EXPECT_EQ(RunFilter(*program, frame, {.packet_type = PACKET_OUTGOING}), 0u);
  EXPECT_EQ(RunFilter(*program, frame, {.tagged = true, .tag = 9}), 0u);
}

TEST(PacketFilterLimitTest, TooManyAddressesAreRefusedWithNumbers) {
  PacketFilter filter;
  filter.own_macs = {kOwn};
  for (uint32_t i = 0; i < 1500; ++i) {
    filter.host_addresses.push_back(Address::V4(0x0a000000 + i));
  }
  EXPECT_THAT(CompilePacketFilter(filter), IsOk());
  filter.host_addresses.resize(2100, Address::V4(1));
  EXPECT_THAT(CompilePacketFilter(filter),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2100")));
}

}  // namespace
}  // namespace ballast
