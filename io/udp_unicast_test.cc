// In a namespace of the test's own, with loopback as the link.
#include "io/udp_unicast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "io/base/address.h"
#include "io/base/status_matchers.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class UdpUnicastTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    ASSERT_THAT(RunCommand("ip link set lo up; ip addr add 10.0.0.1/24 dev lo;"
                           "ip addr add 10.0.0.2/24 dev lo;"
                           "ip addr add fd00::1/64 dev lo nodad;"
                           "ip addr add fd00::2/64 dev lo nodad"),
                IsOk());
  }
  static UdpUnicast::Options From(const std::string& local,
                                  const std::string& peer) {
    return {.local = {*Address::Parse(local), 3780},
            .peer = {*Address::Parse(peer), 3780},
            .interface = "lo"};
  }
};

TEST_F(UdpUnicastTest, WhatIsSentComesFromTheAddressAndAnotherPort) {
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}}) {
    SCOPED_TRACE(a);
    auto first = UdpUnicast::Open(From(a, b));
    auto second = UdpUnicast::Open(From(b, a));
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    std::array<uint8_t, 100> buffer;
    EXPECT_EQ(second->Receive(buffer).status().code(),
              absl::StatusCode::kUnavailable);
    const std::vector<uint8_t> payload = {1, 2, 3};
    ASSERT_THAT(first->Send(payload), IsOk());
    pollfd readable{.fd = second->fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&readable, 1, 20000), 1);
    const auto received = second->Receive(buffer);
    ASSERT_THAT(received, IsOk());
    EXPECT_THAT(received->payload, ElementsAreArray(payload));
    EXPECT_EQ(received->source.address, *Address::Parse(a));
    EXPECT_NE(received->source.port, 3780);
  }
}

TEST_F(UdpUnicastTest, BuffersAreWhatTheKernelGave) {
  auto options = From("10.0.0.1", "10.0.0.2");
  options.send_buffer_bytes = 70000;
  options.receive_buffer_bytes = 131072;
  const auto socket = UdpUnicast::Open(options);
  ASSERT_THAT(socket, IsOk());
  EXPECT_EQ(socket->send_buffer_bytes(), 70000u);
  EXPECT_EQ(socket->receive_buffer_bytes(), 131072u);
  // Less than the least the kernel gives.
  options.local.port = 3781;
  options.receive_buffer_bytes = 1;
  const auto least = UdpUnicast::Open(options);
  ASSERT_THAT(least, IsOk());
  EXPECT_GT(least->receive_buffer_bytes(), 1u);
}

TEST_F(UdpUnicastTest, AVacatedPortCanBeHadAgain) {
  ASSERT_THAT(RunCommand("ip link add here type veth peer name there;"
                         "ip addr add 10.3.0.1/24 dev here;"
                         "ip link set here up"),
              IsOk());
  auto options = From("10.3.0.1", "10.3.0.2");
  options.interface = "here";
  auto first = UdpUnicast::Open(options);
  ASSERT_THAT(first, IsOk());
  EXPECT_FALSE(UdpUnicast::Open(options).ok());
  first->Vacate();
  EXPECT_THAT(UdpUnicast::Open(options), IsOk());
}

TEST_F(UdpUnicastTest, WhatCannotBeHadIsNamed) {
  auto options = From("10.0.0.1", "10.0.0.2");
  const auto taken = UdpUnicast::Open(options);
  ASSERT_THAT(taken, IsOk());
  EXPECT_THAT(UdpUnicast::Open(options).status().ToString(),
              HasSubstr("bind to 10.0.0.1:3780 (UDP) on lo"));
  EXPECT_THAT(
      UdpUnicast::Open(From("10.4.0.3", "10.0.0.2")).status().ToString(),
      HasSubstr("bind to 10.4.0.3:3780"));
  EXPECT_THAT(UdpUnicast::Open(From("10.0.0.1", "fd00::2")).status().ToString(),
              HasSubstr("must be of one family"));
  options.interface = "nowhere";
  EXPECT_THAT(UdpUnicast::Open(options).status().ToString(),
              HasSubstr("nowhere"));
}

}  // namespace
}  // namespace ballast
