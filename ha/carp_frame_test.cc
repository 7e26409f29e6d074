// Frames captured from ucarp 1.5.2 (tcpdump, whole).
#include "ha/carp_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ballast::ha {
namespace {

Address Ip(absl::string_view text) { return *Address::Parse(text); }
MacAddress Mac(absl::string_view text) { return *MacAddress::Parse(text); }

std::vector<uint8_t> Bytes(absl::string_view hex) {
  const std::string text = absl::HexStringToBytes(hex);
  return {text.begin(), text.end()};
}

std::string Hex(std::span<const uint8_t> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

constexpr char kG1Frame[] =
    "01005e00001200005e0000070800"
    "451000382b2f4000ff7065b60a4d0001e0000012"
    "21070007000198946c5d6a4286f09eb0bf78372d8d3660ef9c4c5096e253ef1efb28abd0";
// Started with --nomcast.
constexpr char kBroadcastFrame[] =
    "ffffffffffff00005e0000010800"
    "45100038818a4000ff700f5b0a4d0001e0000012"
    "210100070001fa7692c3bdee5ff54e764f6ce5229ed3769b4cda31bf74da6bab3c440000";

std::string Rebuild(const std::vector<uint8_t>& frame, CarpFraming framing) {
  const auto packet = ParseCarpFrame(frame);
  EXPECT_TRUE(packet);
  std::array<uint8_t, kCarpFrameSizeMax> buffer;
  return Hex(
      BuildCarpFrame(framing, *DecodeCarpAdvert(packet->payload), buffer));
}

TEST(CarpFrameTest, AFrameOfUcarpIsParsed) {
  const auto frame = Bytes(kG1Frame);
  const auto packet = ParseCarpFrame(frame);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->source, Ip("10.77.0.1"));
  EXPECT_EQ(packet->destination, Ip("224.0.0.18"));
  EXPECT_EQ(packet->ttl, 255);
  EXPECT_TRUE(packet->ip_checksum_good);
  EXPECT_EQ(packet->payload.size(), kCarpAdvertSize);
  EXPECT_EQ(packet->payload.data(), frame.data() + 34);
}

TEST(CarpFrameTest, AFrameOfUcarpIsBuiltByteForByte) {
  EXPECT_EQ(Rebuild(Bytes(kG1Frame), {.source_mac = Mac("00:00:5e:00:00:07"),
                                      .source = Ip("10.77.0.1"),
                                      .identification = 0x2b2f}),
            kG1Frame);
  EXPECT_EQ(Rebuild(Bytes(kBroadcastFrame),
                    {.source_mac = Mac("00:00:5e:00:00:01"),
                     .source = Ip("10.77.0.1"),
                     .delivery = CarpDelivery::kEthernetBroadcast,
                     .identification = 0x818a}),
            kBroadcastFrame);
}

TEST(CarpFrameTest, TheVirtualMacIsTheVrrpForm) {
  EXPECT_EQ(CarpVirtualMac(7), Mac("00:00:5e:00:01:07"));
  EXPECT_EQ(CarpVirtualMac(255), Mac("00:00:5e:00:01:ff"));
}

TEST(CarpFrameTest, OurOwnBroadcastIsToEverybodyInIpToo) {
  std::array<uint8_t, kCarpFrameSizeMax> buffer;
  const auto frame = BuildCarpFrame({.source_mac = CarpVirtualMac(7),
                                     .source = Ip("10.77.0.1"),
                                     .delivery = CarpDelivery::kBroadcast},
                                    {.vhid = 7}, buffer);
  EXPECT_EQ(Hex(frame.first(14)), "ffffffffffff00005e0001070800");
  const auto packet = ParseCarpFrame(frame);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->destination, Ip("255.255.255.255"));
  EXPECT_TRUE(packet->ip_checksum_good);
}

TEST(CarpFrameTest, AnotherGroupHasItsOwnMac) {
  std::array<uint8_t, kCarpFrameSizeMax> buffer;
  // RFC 1112: of the group's 28 bits, the low 23.
  const auto frame = BuildCarpFrame(
      {.source = Ip("10.77.0.1"), .group_v4 = Ip("239.129.2.3")}, {}, buffer);
  EXPECT_EQ(Hex(frame.first(6)), "01005e010203");
}

// The header by RFC 8200; the group and its MAC by RFC 2464.
TEST(CarpFrameTest, Ipv6HasTheSamePayload) {
  std::array<uint8_t, kCarpFrameSizeMax> buffer;
  const auto frame =
      BuildCarpFrame({.source_mac = CarpVirtualMac(7), .source = Ip("fe80::1")},
                     {.vhid = 7, .advbase = 1, .counter = 5}, buffer);
  ASSERT_EQ(frame.size(), kCarpFrameSizeMax);
  EXPECT_EQ(Hex(frame.first(54)),
            "33330000001200005e00010786dd"
            "60000000002470ff"
            "fe800000000000000000000000000001"
            "ff020000000000000000000000000012");
  const auto packet = ParseCarpFrame(frame);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->source, Ip("fe80::1"));
  EXPECT_EQ(packet->destination, Ip("ff02::12"));
  EXPECT_EQ(packet->ttl, 255);
  EXPECT_EQ(DecodeCarpAdvert(packet->payload)->counter, 5u);
}

TEST(CarpFrameTest, ABadIpChecksumIsSaidAndOptionsArePassed) {
  auto frame = Bytes(kG1Frame);
  frame[14 + 8] = 254;  // TTL.
  EXPECT_FALSE(ParseCarpFrame(frame)->ip_checksum_good);
  frame = Bytes(kG1Frame);
  frame[14] = 0x46;
  frame[14 + 3] = 60;
  frame.insert(frame.begin() + 34, 4, 1);  // Four "no operation".
  const auto packet = ParseCarpFrame(frame);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->payload.size(), kCarpAdvertSize);
  EXPECT_EQ(packet->payload[1], 7);
}

TEST(CarpFrameTest, OtherFramesAndShortOnesAreNone) {
  const auto good = Bytes(kG1Frame);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseCarpFrame(std::span(good).first(size))) << size;
  }
  const struct {
    size_t at;
    uint8_t value;
    const char* what;
  } kCases[] = {
      {13, 0x06, "ARP"},
      {14, 0x44, "a header of 16 bytes"},
      {14, 0x65, "version 6"},
      {20, 0x60, "more fragments"},
      {21, 0x01, "a fragment"},
      {23, 17, "UDP"},
      {17, 19, "a length below the header's"},
  };
  for (const auto& test : kCases) {
    auto frame = good;
    frame[test.at] = test.value;
    EXPECT_FALSE(ParseCarpFrame(frame)) << test.what;
  }
}

}  // namespace
}  // namespace ballast::ha
