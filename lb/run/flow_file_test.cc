#include "lb/run/flow_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/base/status_matchers.h"
#include "io/file.h"

namespace ballast::run {
namespace {

using ::testing::_;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kWritten = absl::FromUnixSeconds(1'700'000'000);

std::vector<l4::FlowRecord> Flows() {
  l4::FlowRecord flow;
  flow.client_side = {*Endpoint::Parse("192.0.2.7:4000"),
                      *Endpoint::Parse("192.0.2.10:80"), Protocol::kTcp};
  flow.server = *Endpoint::Parse("10.0.0.1:8080");
  flow.state = l4::TcpState::kEstablished;
  flow.service_port = 80;
  flow.idle_ms = 1500;
  l4::FlowRecord other = flow;
  other.client_side.source = *Endpoint::Parse("192.0.2.8:1");
  other.idle_ms = 0;
  return {flow, other};
}

TEST(FlowFileTest, WhatIsWrittenIsReadOlderByTheTimeBetween) {
  const std::string path = ::testing::TempDir() + "/flow_file_test";
  ASSERT_THAT(WriteFlowFile(path, kWritten, Flows()), IsOk());
  auto expected = Flows();
  for (auto& flow : expected) flow.idle_ms += 2000;
  EXPECT_THAT(ReadFlowFile(path, kWritten + absl::Seconds(2)),
              IsOkAndHolds(expected));
  // A clock set back makes nothing younger.
  EXPECT_THAT(ReadFlowFile(path, kWritten - absl::Hours(1)),
              IsOkAndHolds(Flows()));
}

TEST(FlowFileTest, NoFlowsAreAFileToo) {
  EXPECT_THAT(DecodeFlowFile(EncodeFlowFile(kWritten, {}), kWritten),
              IsOkAndHolds(IsEmpty()));
}

TEST(FlowFileTest, AnyChangedByteIsNoticed) {
  const std::vector<uint8_t> good = EncodeFlowFile(kWritten, Flows());
  for (size_t i = 0; i < good.size(); ++i) {
    std::vector<uint8_t> bad = good;
    bad[i] ^= 0x20;
    EXPECT_THAT(DecodeFlowFile(bad, kWritten),
                StatusIs(absl::StatusCode::kDataLoss, _))
        << i;
  }
}

TEST(FlowFileTest, ACutFileIsNoticed) {
  const std::vector<uint8_t> good = EncodeFlowFile(kWritten, Flows());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(DecodeFlowFile({good.data(), size}, kWritten),
                StatusIs(absl::StatusCode::kDataLoss, _));
  }
}

TEST(FlowFileTest, NoFileIsNotFound) {
  EXPECT_THAT(ReadFlowFile(::testing::TempDir() + "/none", kWritten),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace ballast::run
