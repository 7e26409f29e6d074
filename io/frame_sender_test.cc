// In namespaces of the test's own: two hosts on one veth.
#include "io/frame_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "io/base/frame.h"
#include "io/base/status_matchers.h"
#include "io/testing_namespace.h"
#include "io/testing_raw_port.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

class FrameSenderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    ASSERT_THAT(RunCommand("ip link add here type veth peer name there"
                           "; ip link set here up; ip link set there up"),
                IsOk());
  }
};

TEST_F(FrameSenderTest, AFrameArrivesAsItWasMade) {
  RawPort there("there");
  auto sender = FrameSender::Open("here");
  ASSERT_THAT(sender, IsOk());
  // From a MAC address that nobody has, of a protocol that nobody speaks.
  std::vector<uint8_t> frame = {2, 0,    0, 0, 0, 1,    0,
                                0, 0x5e, 0, 1, 7, 0x88, 0xb5};
  frame.resize(60, 0xab);
  Offload offload;
  std::vector<uint8_t> received;
  // A fresh veth swallows frames for a while.
  for (int i = 0; i < 100 && received != frame; ++i) {
    ASSERT_THAT(sender->Send(frame), IsOk());
    received = there.Receive(50, offload);
    while (!received.empty() && received != frame) {
      received = there.Receive(50, offload);
    }
  }
  EXPECT_EQ(received, frame);
}

TEST_F(FrameSenderTest, WhatCannotBeSentIsSaid) {
  auto sender = FrameSender::Open("here");
  ASSERT_THAT(sender, IsOk());
  EXPECT_FALSE(sender->Send(std::vector<uint8_t>(100'000)).ok());
  ASSERT_THAT(RunCommand("ip link set here down"), IsOk());
  EXPECT_FALSE(sender->Send(std::vector<uint8_t>(60)).ok());
  EXPECT_THAT(FrameSender::Open("nowhere").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
}

}  // namespace
}  // namespace ballast
