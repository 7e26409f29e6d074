#include "io/packet_steering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "io/base/bytes.h"
#include "io/base/status_matchers.h"
#include "io/packet_filter_interpreter.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kThreads = 64;  // Two different clients rarely meet.
constexpr uint32_t kV4 = 0x0800;
constexpr uint32_t kV6 = 0x86dd;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kIcmpV6 = 58;

using Bytes = std::vector<uint8_t>;

Address Parse(const char* text) { return *Address::Parse(text); }

// `options` bytes of IPv4 options; `fragment` is the field with the offset.
Bytes V4Packet(uint8_t protocol, const Address& source,
               const Address& destination, const Bytes& payload,
               size_t options = 0, uint16_t fragment = 0) {
  Bytes packet(20 + options);
  packet[0] = static_cast<uint8_t>(0x45 + options / 4);
  StoreBig16(&packet[6], fragment);
  packet[9] = protocol;
  std::copy_n(source.wire().begin(), 4, &packet[12]);
  std::copy_n(destination.wire().begin(), 4, &packet[16]);
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}
Bytes V6Packet(uint8_t next_header, const Address& source,
               const Address& destination, const Bytes& payload) {
  Bytes packet(40);
  packet[0] = 0x60;
  packet[6] = next_header;
  std::copy_n(source.wire().begin(), 16, &packet[8]);
  std::copy_n(destination.wire().begin(), 16, &packet[24]);
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}
// An ICMP or ICMPv6 message with a quoted packet.
Bytes Icmp(uint8_t type, const Bytes& quoted) {
  Bytes message = {type, 0, 0, 0, 0, 0, 0, 0};
  message.insert(message.end(), quoted.begin(), quoted.end());
  return message;
}

class PacketSteeringTest : public ::testing::Test {
 protected:
  PacketSteeringTest() {
    steering_.thread_count = kThreads;
    steering_.seed = 0x5eed;
    steering_.floating = {vip_, gateway_, vip6_};
    program_ = *CompilePacketSteering(steering_);
  }
  uint32_t Run4(const Bytes& packet) const {
    return RunFilter(program_, packet, {.protocol = kV4});
  }
  uint32_t Run6(const Bytes& packet) const {
    return RunFilter(program_, packet, {.protocol = kV6});
  }

  const Address vip_ = Parse("192.0.2.80");
  const Address gateway_ = Parse("10.0.0.254");
  const Address client_ = Parse("198.51.100.7");
  const Address server_ = Parse("10.0.0.11");
  const Address router_ = Parse("203.0.113.1");
  const Address vip6_ = Parse("2001:db8::80");
  const Address client6_ = Parse("2001:db8:c::7");
  const Address server6_ = Parse("fd00::11");
  const Address router6_ = Parse("2001:db8:f::1");
  PacketSteering steering_;
  std::vector<sock_filter> program_;
};

#define EXPECT_CLIENT(thread) EXPECT_EQ(thread, steering_.ThreadOf(client_))
#define EXPECT_CLIENT6(thread) EXPECT_EQ(thread, steering_.ThreadOf(client6_))

TEST_F(PacketSteeringTest, TheAddressesOfTheseTestsAreOnDifferentThreads) {
  // Else the tests below could not fail.
  std::vector<uint32_t> threads = {0};
  for (const Address& a : {vip_, gateway_, client_, server_, router_, vip6_,
                           client6_, server6_, router6_}) {
    threads.push_back(steering_.ThreadOf(a));
  }
  std::sort(threads.begin(), threads.end());
  EXPECT_EQ(std::unique(threads.begin(), threads.end()), threads.end());
}

TEST_F(PacketSteeringTest, BothDirectionsOfAFlowMeet) {
  EXPECT_CLIENT(Run4(V4Packet(kTcp, client_, vip_, Bytes(20))));
  EXPECT_CLIENT(Run4(V4Packet(kTcp, server_, client_, Bytes(20))));
  EXPECT_CLIENT6(Run6(V6Packet(kTcp, client6_, vip6_, Bytes(20))));
  EXPECT_CLIENT6(Run6(V6Packet(kTcp, server6_, client6_, Bytes(20))));
}

TEST_F(PacketSteeringTest, FragmentsMeetTheirFirst) {
  EXPECT_CLIENT(Run4(V4Packet(kTcp, client_, vip_, Bytes(20), 0, 0x2000)));
  EXPECT_CLIENT(Run4(V4Packet(kTcp, client_, vip_, Bytes(20), 0, 0x00b9)));
  // The second part of a large echo looks like an error: it is not read.
  const Bytes like_error = Icmp(3, V4Packet(kTcp, server_, router_, Bytes(20)));
  EXPECT_CLIENT(Run4(V4Packet(kIcmp, client_, vip_, like_error, 0, 0x00b9)));
}

TEST_F(PacketSteeringTest, ErrorAboutWhatWeSentToTheClient) {
  const Bytes sent = V4Packet(kTcp, vip_, client_, Bytes(8));
  for (const uint8_t type : {3, 4, 5, 11, 12}) {
    EXPECT_CLIENT(Run4(V4Packet(kIcmp, router_, vip_, Icmp(type, sent))));
  }
  // With IPv4 options in front.
  EXPECT_CLIENT(Run4(V4Packet(kIcmp, router_, vip_, Icmp(3, sent), 8)));
  const Bytes sent6 = V6Packet(kTcp, vip6_, client6_, Bytes(8));
  for (const uint8_t type : {1, 2, 3, 4}) {
    EXPECT_CLIENT6(Run6(V6Packet(kIcmpV6, router6_, vip6_, Icmp(type, sent6))));
  }
}

TEST_F(PacketSteeringTest, ErrorAboutWhatTheServerGot) {
  // NAT: the server's side sees the client's address and its own.
  const Bytes passed = V4Packet(kTcp, client_, server_, Bytes(8));
  EXPECT_CLIENT(Run4(V4Packet(kIcmp, router_, client_, Icmp(3, passed))));
  EXPECT_CLIENT(Run4(V4Packet(kIcmp, server_, client_, Icmp(3, passed))));
  const Bytes passed6 = V6Packet(kTcp, client6_, server6_, Bytes(8));
  EXPECT_CLIENT6(Run6(V6Packet(kIcmpV6, router6_, client6_, Icmp(2, passed6))));
  // Direct return: it sees the client's address and the VIP.
  const Bytes direct = V4Packet(kTcp, client_, vip_, Bytes(8));
  EXPECT_CLIENT(Run4(V4Packet(kIcmp, server_, client_, Icmp(3, direct))));
}

TEST_F(PacketSteeringTest, EchoGoesByItsOuterAddresses) {
  EXPECT_CLIENT(Run4(V4Packet(kIcmp, client_, vip_, Icmp(8, Bytes(56)))));
  EXPECT_CLIENT6(
      Run6(V6Packet(kIcmpV6, client6_, vip6_, Icmp(128, Bytes(56)))));
  // A server pings its gateway: by the server.
  EXPECT_EQ(Run4(V4Packet(kIcmp, server_, gateway_, Icmp(8, Bytes(56)))),
            steering_.ThreadOf(server_));
}

TEST_F(PacketSteeringTest, NeighbourDiscoveryArpAndTheRestGoToThread0) {
  for (const uint8_t type : {133, 134, 135, 136, 137}) {
    EXPECT_EQ(Run6(V6Packet(kIcmpV6, client6_, vip6_, Icmp(type, Bytes(24)))),
              0u);
  }
  EXPECT_EQ(RunFilter(program_, Bytes(46, 0xff), {.protocol = 0x0806}), 0u);
  EXPECT_EQ(RunFilter(program_, Bytes(46, 0xff), {.protocol = 0x88cc}), 0u);
}

TEST_F(PacketSteeringTest, CutShortGoesToThread0) {
  const Bytes whole = V4Packet(kIcmp, router_, vip_,
                               Icmp(3, V4Packet(kTcp, vip_, client_, {})));
  EXPECT_CLIENT(Run4(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Run4(Bytes(whole.begin(), whole.begin() + size)), 0u) << size;
  }
}

TEST_F(PacketSteeringTest, ManyFloatingAddressesAgreeWithASearch) {
  std::mt19937 prng(7);
  steering_.floating.clear();
  for (uint32_t i = 0; i < 300; ++i) {
    steering_.floating.push_back(Address::V4(0x0a000000 | prng() % 1024));
    std::array<uint8_t, 16> v6 = vip6_.bytes();
    v6[prng() % 2 == 0 ? 4 : 15] = static_cast<uint8_t>(prng());
    if (i < 150) steering_.floating.push_back(Address::V6(v6));
  }
  const auto program = CompilePacketSteering(steering_);
  ASSERT_THAT(program, IsOk());
  const auto is_floating = [&](const Address& address) {
    return std::find(steering_.floating.begin(), steering_.floating.end(),
                     address) != steering_.floating.end();
  };
  size_t floating = 0;
  for (int i = 0; i < 2000; ++i) {
    const Address to = Address::V4(0x0a000000 | prng() % 1024);
    const Address from = Address::V4(prng());
    floating += is_floating(to) ? 1 : 0;
    EXPECT_EQ(
        RunFilter(*program, V4Packet(kTcp, from, to, {}), {.protocol = kV4}),
        steering_.ThreadOf(is_floating(to) ? from : to));
    std::array<uint8_t, 16> v6 = vip6_.bytes();
    v6[prng() % 2 == 0 ? 4 : 15] = static_cast<uint8_t>(prng());
    const Address to6 = Address::V6(v6);
    EXPECT_EQ(RunFilter(*program, V6Packet(kTcp, client6_, to6, {}),
                        {.protocol = kV6}),
              steering_.ThreadOf(is_floating(to6) ? client6_ : to6));
  }
  EXPECT_GT(floating, 200u);
  EXPECT_LT(floating, 1800u);
}

TEST_F(PacketSteeringTest, ClientsSpreadEvenly) {
  // Each way of numbering clients: in the last byte, in the first, by two.
  for (const uint32_t step : {1u, 2u, 256u, 65536u, 1u << 20}) {
    for (const uint32_t threads : {2u, 3u, 8u}) {
      steering_.thread_count = threads;
      std::vector<uint32_t> count(threads);
      for (uint32_t i = 0; i < 4096; ++i) {
        ++count[steering_.ThreadOf(Address::V4(0x0a000000 + i * step))];
      }
      // Six standard deviations of a fair deal.
      const double fair = 4096.0 / threads;
      for (const uint32_t n : count) {
        EXPECT_NEAR(n, fair, 6 * std::sqrt(fair)) << step << "/" << threads;
      }
    }
  }
}

TEST(PacketSteeringLimitTest, RefusesWhatTheKernelWould) {
  PacketSteering steering;
  steering.thread_count = 0;
  EXPECT_THAT(CompilePacketSteering(steering),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0")));
  steering.thread_count = 257;
  EXPECT_THAT(CompilePacketSteering(steering),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("257")));
  steering.thread_count = 4;
  steering.floating.resize(290);
  EXPECT_THAT(CompilePacketSteering(steering), IsOk());
  steering.floating.resize(400);
  EXPECT_THAT(CompilePacketSteering(steering),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("400")));
}

}  // namespace
}  // namespace ballast
