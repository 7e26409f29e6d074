#include "lb/l4/fragment_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "lb/l4/frame_builder.h"

namespace ballast::l4 {
namespace {

using ::testing::Eq;
using ::testing::Optional;

const Instant kStart = Instant::FromNanos(1'000'000'000);
constexpr SipKey kKey{1, 2};

FragmentKey V4(uint32_t id, uint8_t protocol = 17) {
  FragmentKey key;
  key.source = {10, 0, 0, 1};
  key.destination = {10, 0, 0, 2};
  key.id = id;
  key.protocol = protocol;
  return key;
}

TEST(FragmentTableTest, LaterFragmentsFindTheirFirst) {
  FragmentTable table = *FragmentTable::Create(64, kKey);
  EXPECT_EQ(table.Find(kStart, V4(1)), std::nullopt);
  EXPECT_TRUE(table.Insert(kStart, V4(1), 11));
  EXPECT_TRUE(table.Insert(kStart, V4(2), 22));
  EXPECT_THAT(table.Find(kStart, V4(1)), Optional(Eq(11u)));
  EXPECT_THAT(table.Find(kStart, V4(2)), Optional(Eq(22u)));
  // An id used again, the datagram sent again: the newer decision counts.
  EXPECT_TRUE(table.Insert(kStart, V4(1), 33));
  EXPECT_THAT(table.Find(kStart, V4(1)), Optional(Eq(33u)));
}

TEST(FragmentTableTest, EveryFieldOfTheKeyTellsDatagramsApart) {
  FragmentTable table = *FragmentTable::Create(1024, kKey);
  table.Insert(kStart, V4(1), 1);
  FragmentKey other = V4(1, 6);
  EXPECT_EQ(table.Find(kStart, other), std::nullopt);
  other = V4(1);
  other.v6 = true;
  EXPECT_EQ(table.Find(kStart, other), std::nullopt);
  other = V4(1);
  other.source[0] = 11;
  EXPECT_EQ(table.Find(kStart, other), std::nullopt);
  other = V4(1);
  other.destination[15] = 1;
  EXPECT_EQ(table.Find(kStart, other), std::nullopt);
  EXPECT_EQ(table.stats().unknown, 4u);
}

TEST(FragmentTableTest, ForgetsAfter30SecondsOr60ForIpv6) {
  FragmentTable table = *FragmentTable::Create(64, kKey);
  FragmentKey v6 = V4(1);
  v6.v6 = true;
  table.Insert(kStart, V4(1), 4);
  table.Insert(kStart, v6, 6);
  const absl::Duration moment = absl::Nanoseconds(1);
  EXPECT_TRUE(table.Find(kStart + absl::Seconds(30) - moment, V4(1)));
  EXPECT_FALSE(table.Find(kStart + absl::Seconds(30), V4(1)));
  EXPECT_TRUE(table.Find(kStart + absl::Seconds(60) - moment, v6));
  EXPECT_FALSE(table.Find(kStart + absl::Seconds(60), v6));
  // A place that has expired is no eviction.
  FragmentTable four = *FragmentTable::Create(4, kKey);
  for (uint32_t id = 0; id < 4; ++id) {
    EXPECT_TRUE(four.Insert(kStart, V4(id), id));
  }
  EXPECT_TRUE(four.Insert(kStart + absl::Seconds(30), V4(9), 9));
  EXPECT_EQ(four.stats().evicted, 0u);
}

TEST(FragmentTableTest, AFullSetGivesUpItsOldest) {
  FragmentTable table = *FragmentTable::Create(4, kKey);
  ASSERT_EQ(table.capacity(), 4u);
  for (uint32_t id = 0; id < 4; ++id) {
    EXPECT_TRUE(table.Insert(kStart + absl::Seconds(id), V4(id), id));
  }
  const Instant now = kStart + absl::Seconds(4);
  EXPECT_FALSE(table.Insert(now, V4(4), 4));
  EXPECT_EQ(table.stats().evicted, 1u);
  EXPECT_FALSE(table.Find(now, V4(0)));
  for (uint32_t id = 1; id < 5; ++id) {
    EXPECT_THAT(table.Find(now, V4(id)), Optional(Eq(id)));
  }
}

// Goal    the table never invents: what it finds was inserted last under that
//         key, and is not older than its lifetime; and what a naive list of
//         the newest 4 entries of everything would find, a table with one set
//         finds.
TEST(FragmentTableTest, AgreesWithANaiveList) {
  struct Known {
    FragmentKey key;
    uint64_t value;
    Instant inserted;
  };
  std::mt19937 prng(1);
  FragmentTable table = *FragmentTable::Create(1, kKey);
  std::vector<Known> newest;  // Oldest first, at most 4.
  Instant now = kStart;
  for (int n = 0; n < 20000; ++n) {
    now += absl::Milliseconds(1 + prng() % 9000);
    const FragmentKey key = V4(prng() % 7);
    std::erase_if(newest, [&](const Known& known) {
      return now - known.inserted >= absl::Seconds(30);
    });
    if (prng() % 2 == 0) {
      table.Insert(now, key, n);
      std::erase_if(newest, [&](const Known& k) { return k.key == key; });
      newest.push_back({key, static_cast<uint64_t>(n), now});
      if (newest.size() > 4) newest.erase(newest.begin());
    } else {
      const auto it =
          std::find_if(newest.begin(), newest.end(),
                       [&](const Known& k) { return k.key == key; });
      const auto found = table.Find(now, key);
      ASSERT_EQ(found.has_value(), it != newest.end()) << n;
      if (found) {
        ASSERT_EQ(*found, it->value);
      }
    }
  }
}

TEST(FragmentTableTest, CreateNamesTheLimit) {
  EXPECT_FALSE(FragmentTable::Create(0, kKey).ok());
  EXPECT_FALSE(
      FragmentTable::Create(FragmentTable::kCapacityMax + 1, kKey).ok());
  EXPECT_EQ(FragmentTable::Create(1000, kKey)->capacity(), 1024u);
}

TEST(FragmentTableTest, FirstAndLaterFragmentsHaveOneKey) {
  const Endpoint client4 = *Endpoint::Parse("198.51.100.7:40000");
  const Endpoint vip4 = *Endpoint::Parse("192.0.2.10:53");
  const Endpoint client6 = *Endpoint::Parse("[2001:db8:1::7]:40000");
  const Endpoint vip6 = *Endpoint::Parse("[2001:db8:2::10]:53");
  const auto key = [](const Bytes& ip) {
    TestFrame test(Framed(ip));
    Packet packet;
    EXPECT_EQ(Parse(test.frame, &packet), DropReason::kNone);
    return FragmentKeyOf(test.frame, packet);
  };
  const Bytes udp4 = Udp(client4, vip4, Bytes(8));
  EXPECT_EQ(key(Ipv4(client4.address, vip4.address, 17, udp4,
                     {.id = 7, .fragment = 0x2000})),
            key(Ipv4(client4.address, vip4.address, 17, Bytes(5),
                     {.id = 7, .fragment = 0x0002})));
  // Destination options in the first fragment only: its protocol field differs
  // from the later one's (RFC 8200 §4.5).
  EXPECT_EQ(
      key(Ipv6(client6.address, vip6.address, 44, Udp(client6, vip6, Bytes(8)),
               64, FromHex("3c00 0001 0a0b0c0d 1100010400000000"))),
      key(Ipv6(client6.address, vip6.address, 44, Bytes(5), 64,
               FromHex("3c00 0018 0a0b0c0d"))));
}

}  // namespace
}  // namespace ballast::l4
