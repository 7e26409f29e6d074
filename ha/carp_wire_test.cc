// Vectors: adverts captured from ucarp 1.5.2 (G1..G5), and some computed with
// Python's hmac for what ucarp cannot do (C, L).
#include "ha/carp_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"

namespace ballast::ha {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Address Ip(absl::string_view text) { return *Address::Parse(text); }

std::vector<uint8_t> Bytes(absl::string_view hex) {
  const std::string text = absl::HexStringToBytes(hex);
  return {text.begin(), text.end()};
}

std::string Hex(std::span<const uint8_t> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

CarpKey Key(absl::string_view password, uint8_t vhid,
            const std::vector<absl::string_view>& addresses) {
  std::vector<Address> parsed;
  for (const absl::string_view address : addresses) {
    parsed.push_back(Ip(address));
  }
  auto key = CarpKey::Create(password, vhid, parsed);
  EXPECT_THAT(key, IsOk());
  return *std::move(key);
}

struct Vector {
  const char* name;
  const char* password;
  uint8_t vhid;
  std::vector<absl::string_view> addresses;
  uint8_t advbase;
  uint8_t advskew;
  uint8_t demotion;
  uint64_t counter;
  const char* payload;
};

class CarpVectorTest : public ::testing::TestWithParam<Vector> {};

TEST_P(CarpVectorTest, DecodesToItsFieldsAndVerifies) {
  const Vector& vector = GetParam();
  const auto payload = Bytes(vector.payload);
  ASSERT_EQ(payload.size(), kCarpAdvertSize);
  EXPECT_TRUE(CarpChecksumGood(payload));
  const auto advert = DecodeCarpAdvert(payload);
  ASSERT_TRUE(advert);
  EXPECT_EQ(advert->type, 1);
  EXPECT_EQ(advert->vhid, vector.vhid);
  EXPECT_EQ(advert->advbase, vector.advbase);
  EXPECT_EQ(advert->advskew, vector.advskew);
  EXPECT_EQ(advert->auth_words, 7);
  EXPECT_EQ(advert->demotion, vector.demotion);
  EXPECT_EQ(advert->counter, vector.counter);
  EXPECT_TRUE(
      Key(vector.password, vector.vhid, vector.addresses).Verify(*advert));
}

TEST_P(CarpVectorTest, IsMadeFromItsFields) {
  const Vector& vector = GetParam();
  CarpAdvert advert{.advskew = vector.advskew,
                    .demotion = vector.demotion,
                    .advbase = vector.advbase,
                    .counter = vector.counter};
  Key(vector.password, vector.vhid, vector.addresses).Sign(advert);
  std::array<uint8_t, kCarpAdvertSize> payload;
  EncodeCarpAdvert(advert, payload);
  EXPECT_EQ(Hex(payload), vector.payload);
}

INSTANTIATE_TEST_SUITE_P(
    , CarpVectorTest,
    ::testing::Values(
        Vector{"G1",
               "kemp-secret",
               7,
               {"10.77.0.100"},
               1,
               0,
               0,
               0x6c5d6a4286f09eb0,
               "21070007000198946c5d6a4286f09eb0bf78372d8d3660ef9c4c5096e253ef1"
               "efb28abd0"},
        Vector{"G2",
               "kemp-secret",
               7,
               {"10.77.0.100"},
               1,
               100,
               0,
               0xbc1e38a2c055fdaf,
               "210764070001286dbc1e38a2c055fdaf58778d8abca1b31b6a4049849b693b0"
               "ce51edaa3"},
        Vector{"G3",
               "kemp-secret",
               7,
               {"10.77.0.100"},
               1,
               100,
               0,
               0xbc1e38a2c055fdb0,
               "2107640700019c58bc1e38a2c055fdb03177d8ecaa5115f8a980d30a7144822"
               "ed1941f8f"},
        // Its digest ends in two zero bytes.
        Vector{"G4",
               "secret",
               1,
               {"10.77.0.50"},
               1,
               0,
               0,
               0x92c3bdee5ff54e76,
               "210100070001fa7692c3bdee5ff54e764f6ce5229ed3769b4cda31bf74da6ba"
               "b3c440000"},
        Vector{"G5",
               "tie-pass",
               9,
               {"10.77.0.200"},
               1,
               20,
               0,
               0xa4fbc5331749b30b,
               "2109140700016105a4fbc5331749b30b89e783d0dbedd24bfc181c275a0ccee"
               "fa43a93fc"},
        // In whatever order and number they are given, the addresses are
        // sorted.
        Vector{"C1TwoAddresses",
               "kemp-secret",
               7,
               {"10.77.0.99", "10.77.0.98", "10.77.0.99"},
               1,
               0,
               0,
               0x0102030405060708,
               "210700070001837701020304050607089fcbddb1da53165b606f629567cd6bd"
               "6288c1e04"},
        Vector{"C2Ipv4BeforeIpv6",
               "kemp-secret",
               7,
               {"fd00::100", "10.77.0.99", "10.77.0.98"},
               2,
               10,
               3,
               0x0102030405060708,
               "21070a0703028eaa0102030405060708d608fa58f4d9f285c71a0cc1db1c731"
               "ae710724b"},
        Vector{"C3Ipv6Alone",
               "kemp-secret",
               7,
               {"fd00::100"},
               1,
               0,
               0,
               0x0102030405060708,
               "210700070001b56d010203040506070816ae0c16598fdf9b955f7a9754ae2ce"
               "93b87f069"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(CarpKeyTest, PasswordsOfOneAndOfNineteenBytes) {
  EXPECT_EQ(Hex(Key("x", 255, {"10.77.0.98"}).Digest(0x0102030405060708)),
            "cf2fcb8cd1438cac12eeb5791b63ab7e65f54a4e");
  EXPECT_EQ(Hex(Key("1234567890123456789", 255, {"10.77.0.98"})
                    .Digest(0x0102030405060708)),
            "7403cc6afaf37a97177ea5a379146ab472d7a825");
}

TEST(CarpKeyTest, LinkLocalAddressesAreSentWithoutScopeAndMayBeLeftOut) {
  CarpAdvert advert{.advbase = 1, .counter = 0x0102030405060708};
  // BSD's form of fe80::1 on interface 5 has the 5 in its second word.
  const CarpKey with =
      Key("kemp-secret", 7, {"10.77.0.98", "fd00::100", "fe80:5::1"});
  with.Sign(advert);
  EXPECT_EQ(Hex(advert.digest), "f6ed355021803b7ccdd0c76e1b7615631416e5e0");
  EXPECT_TRUE(with.Verify(advert));
  const CarpKey without = Key("kemp-secret", 7, {"10.77.0.98", "fd00::100"});
  EXPECT_FALSE(without.Verify(advert));
  without.Sign(advert);
  EXPECT_EQ(Hex(advert.digest), "bfb202545134fa3d8e49f28c58026b25b2d6ebae");
  EXPECT_TRUE(with.Verify(advert));
}

TEST(CarpKeyTest, AnotherPasswordVhidOrAddressDoesNotVerify) {
  const auto g1 = DecodeCarpAdvert(
      Bytes("21070007000198946c5d6a4286f09eb0bf78372d8d3660ef9c4c5096e253ef1efb"
            "28abd0"));
  EXPECT_TRUE(Key("kemp-secret", 7, {"10.77.0.100"}).Verify(*g1));
  EXPECT_FALSE(Key("kemp-secreT", 7, {"10.77.0.100"}).Verify(*g1));
  EXPECT_FALSE(Key("kemp-secre", 7, {"10.77.0.100"}).Verify(*g1));
  EXPECT_FALSE(Key("kemp-secret", 8, {"10.77.0.100"}).Verify(*g1));
  EXPECT_FALSE(Key("kemp-secret", 7, {"10.77.0.101"}).Verify(*g1));
  // What ucarp says "Bad digest" to: its own address and one more.
  EXPECT_FALSE(
      Key("kemp-secret", 7, {"10.77.0.100", "10.77.0.101"}).Verify(*g1));
}

TEST(CarpKeyTest, EveryBitOfCounterVhidAndDigestCounts) {
  const CarpKey key = Key("kemp-secret", 7, {"10.77.0.100"});
  const auto g1 = Bytes(
      "21070007000198946c5d6a4286f09eb0bf78372d8d3660ef9c4c5096e253ef1efb"
      "28abd0");
  for (size_t bit = 0; bit < 8 * g1.size(); ++bit) {
    SCOPED_TRACE(bit);
    auto bytes = g1;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(CarpChecksumGood(bytes));
    const auto advert = DecodeCarpAdvert(bytes);
    EXPECT_EQ(advert.has_value(), bit / 8 != 0 || bit % 8 < 4);  // Version.
    if (!advert) continue;
    const bool covered = bit / 8 == 1 || bit / 8 >= 8;
    EXPECT_EQ(key.Verify(*advert), !covered);
  }
}

TEST(CarpKeyTest, WhatCarpCannotHaveIsNamedButThePasswordIsNot) {
  const std::vector<Address> one = {Ip("10.77.0.100")};
  EXPECT_THAT(CarpKey::Create("", 7, one),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("password: 0 bytes, must be 1..19")));
  EXPECT_THAT(CarpKey::Create("12345678901234567890", 7, one),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("password: 20 bytes, must be 1..19"),
                             Not(HasSubstr("1234567")))));
  EXPECT_THAT(
      CarpKey::Create(absl::string_view("a\0", 2), 7, one),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("zero byte")));
  EXPECT_THAT(CarpKey::Create("a", 0, one),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("VHID: 0, must be 1..255")));
  EXPECT_THAT(CarpKey::Create("a", 7, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("addresses: 0, must be 1..256")));
  EXPECT_THAT(
      CarpKey::Create("a", 7, std::vector<Address>(257, Ip("10.0.0.1"))),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("257")));
  EXPECT_THAT(
      CarpKey::Create("a", 7, std::vector<Address>{Ip("224.0.0.18")}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("224.0.0.18")));
}

TEST(CarpWireTest, ShortPayloadsAndOtherVersionsAreNoAdverts) {
  const auto g1 = Bytes(
      "21070007000198946c5d6a4286f09eb0bf78372d8d3660ef9c4c5096e253ef1efb"
      "28abd0");
  for (size_t size = 0; size < g1.size(); ++size) {
    EXPECT_FALSE(DecodeCarpAdvert(std::span(g1).first(size)));
    EXPECT_FALSE(CarpChecksumGood(std::span(g1).first(size)));
  }
  auto longer = g1;
  longer.push_back(0xff);
  EXPECT_TRUE(DecodeCarpAdvert(longer));
  EXPECT_TRUE(CarpChecksumGood(longer));
  auto version3 = g1;
  version3[0] = 0x31;
  EXPECT_FALSE(DecodeCarpAdvert(version3));
}

// As ucarp: two adverts in testdata/carp-takeover.pcap, ...fdae from one unit
// and ...fdaf from the one that took over.
TEST(CarpCounterTest, IsRandomUntilAnAdvertIsAcceptedAndGoesOnFromThere) {
  CarpCounter counter;
  EXPECT_EQ(counter.Next(5), 5u);
  EXPECT_EQ(counter.Next(3), 3u);
  counter.OnAccepted(0xbc1e38a2c055fdae);
  EXPECT_EQ(counter.Next(9), 0xbc1e38a2c055fdafu);
  EXPECT_EQ(counter.Next(9), 0xbc1e38a2c055fdb0u);
  counter.OnAccepted(~uint64_t{0});
  EXPECT_EQ(counter.Next(9), 0u);
}

}  // namespace
}  // namespace ballast::ha
