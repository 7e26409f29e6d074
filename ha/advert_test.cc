#include "ha/advert.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

using Bytes = std::array<uint8_t, kAdvertSize>;

// Written by hand from the layout in advert.h.
constexpr Bytes kExample = {
    0x02,                                            // Second
    0x03,                                            // active
    0x00, 0x21,                                      // preferred, syncs
    0x00, 0x00, 0x4e, 0x20,                          // 20,000 us
    0,    0,    0,    0,    0,    0,    0x01, 0x02,  // generation 258
    0,    0,    0,    1,    0,    0,    0,    0x07,  // position 2^32 + 7
    0,    0,    0,    0,    0,    0,    0,    0,     // 192.0.2.9, mapped
    0,    0,    0xff, 0xff, 192,  0,    2,    9,     //
    2,    3,    5,    9,                             // 2 of 3 up, reason 5
    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,  // answer
    0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,  //
    0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,  // challenge
    0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf};

Advert Example() {
  Advert advert;
  advert.mode = Mode::kSecond;
  advert.role = Role::kActive;
  advert.flags = kPreferred | kSyncs;
  advert.interval = absl::Milliseconds(20);
  advert.config_generation = 258;
  advert.sync_position = (uint64_t{1} << 32) + 7;
  advert.shared = Address::V4(0xc0000209);
  advert.interfaces_up = 2;
  advert.interfaces = 3;
  advert.passive_reason = 5;
  advert.takeovers = 9;
  for (uint8_t i = 0; i < 16; ++i) {
    advert.answer[i] = 0xa0 + i;
    advert.challenge[i] = 0xc0 + i;
  }
  return advert;
}

Bytes With(size_t at, std::vector<uint8_t> values) {
  Bytes bytes = kExample;
  for (const uint8_t value : values) bytes[at++] = value;
  return bytes;
}

TEST(AdvertTest, EncodesAsTheHeaderSays) {
  Bytes bytes;
  EncodeAdvert(Example(), bytes);
  EXPECT_EQ(bytes, kExample);
}

TEST(AdvertTest, DecodesAsTheHeaderSays) {
  EXPECT_EQ(DecodeAdvert(kExample), Example());
}

TEST(AdvertTest, NoSharedAddressIsSixteenZeros) {
  Advert advert = Example();
  advert.shared = Address();
  Bytes bytes;
  EncodeAdvert(advert, bytes);
  EXPECT_EQ(bytes, With(24, std::vector<uint8_t>(16, 0)));
  EXPECT_EQ(DecodeAdvert(bytes), advert);
}

TEST(AdvertTest, AnotherSizeIsRefused) {
  for (size_t size = 0; size < kAdvertSize; ++size) {
    EXPECT_EQ(DecodeAdvert(std::span(kExample).first(size)), std::nullopt);
  }
  std::vector<uint8_t> longer(kExample.begin(), kExample.end());
  longer.push_back(0);
  EXPECT_EQ(DecodeAdvert(longer), std::nullopt);
}

TEST(AdvertTest, EdgesAreAccepted) {
  EXPECT_TRUE(DecodeAdvert(With(0, {1})));
  EXPECT_TRUE(DecodeAdvert(With(1, {1})));                       // Booting.
  EXPECT_TRUE(DecodeAdvert(With(1, {5})));                       // Leaving.
  EXPECT_TRUE(DecodeAdvert(With(2, {0x00, 0x7f})));              // All flags.
  EXPECT_TRUE(DecodeAdvert(With(4, {0x00, 0x00, 0x03, 0xe8})));  // 1 ms.
  EXPECT_TRUE(DecodeAdvert(With(4, {0x03, 0x93, 0x87, 0x00})));  // 1 min.
  EXPECT_TRUE(DecodeAdvert(With(40, {3, 3})));
}

TEST(AdvertTest, WhatNoUnitWouldSendIsRefused) {
  EXPECT_FALSE(DecodeAdvert(With(0, {0}))) << "mode none sends no adverts";
  EXPECT_FALSE(DecodeAdvert(With(0, {3})));
  EXPECT_FALSE(DecodeAdvert(With(1, {0}))) << "nor does a single unit";
  EXPECT_FALSE(DecodeAdvert(With(1, {6})));
  EXPECT_FALSE(DecodeAdvert(With(2, {0x00, 0x80}))) << "unknown flag";
  EXPECT_FALSE(DecodeAdvert(With(2, {0x80, 0x00}))) << "unknown flag";
  EXPECT_FALSE(DecodeAdvert(With(4, {0, 0, 0, 0})));
  EXPECT_FALSE(DecodeAdvert(With(4, {0x00, 0x00, 0x03, 0xe7}))) << "999 us";
  EXPECT_FALSE(DecodeAdvert(With(4, {0x03, 0x93, 0x87, 0x01}))) << "1 min 1 us";
  EXPECT_FALSE(DecodeAdvert(With(40, {4, 3}))) << "4 of 3 interfaces";
}

TEST(AdvertTest, EveryRoleHasAName) {
  EXPECT_STREQ(RoleName(Role::kSingle), "single");
  EXPECT_STREQ(RoleName(Role::kBooting), "booting");
  EXPECT_STREQ(RoleName(Role::kStandby), "standby");
  EXPECT_STREQ(RoleName(Role::kActive), "active");
  EXPECT_STREQ(RoleName(Role::kPassive), "passive");
  EXPECT_STREQ(RoleName(Role::kLeaving), "leaving");
}

}  // namespace
}  // namespace ballast::ha
