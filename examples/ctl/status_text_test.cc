#include "examples/ctl/status_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "examples/ctl/text_table.h"

namespace ballast::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StatusTextTest : public ::testing::Test {
 protected:
  StatusTextTest() {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"(generation: 7 active: true connections: 12 forwarded_packets: 3456
           dropped_frames { name: "no_service" count: 5 }
           services { id: "192.0.2.10:80/tcp" name: "web" enabled: true up: true
             schedule: "SH" fill: "LOADMASTER"
             traffic { connections_per_second: 1500 bytes_per_second: 125000 }
             servers { id: "192.0.2.21:80" kind: "real" state: "enabled"
               up: true weight: 1000 reason: "check"
               slots { slots: 1000 fair_slots: 819 } }
             servers { id: "192.0.2.25:80" kind: "real" state: "draining"
               weight: 1000 reason: "no\nanswer"
               slots { slots: 96 fair_slots: 819 starved: true } }
             servers { id: "192.0.2.29:80" kind: "sorry" up: true } }
           services { id: "192.0.2.11:443/tcp" layer7: true })",
        &status_));
  }
  admin::proto::Status status_;
};

TEST_F(StatusTextTest, TheUnit) {
  EXPECT_EQ(UnitText(status_),
            "serving, generation 7, services up 1 of 2\n"
            "12 connections, 1.5k new/s, 0 requests/s, 0 packets/s, 1.0M bit/s,"
            " forwarded 3456 packets\n"
            "dropped no_service=5\n");
}

TEST_F(StatusTextTest, Services) {
  EXPECT_EQ(
      ServicesText(status_),
      "SERVICE             NAME  LAYER  STATE     SCHEDULE       SERVERS  OPEN"
      "  NEW/S  REQ/S  PKT/S  BIT/S  REFUSED\n"
      "192.0.2.10:80/tcp   web   4      up        SH LOADMASTER      1/2     0"
      "   1.5k      0      0   1.0M        0\n"
      "192.0.2.11:443/tcp        7      disabled                     0/0     0"
      "      0      0      0      0        0\n");
}

TEST_F(StatusTextTest, ServersWithTheirSlotsAndWhoIsStarved) {
  const std::string text = ServersText(status_, "192.0.2.10:80/tcp");
  EXPECT_THAT(text, HasSubstr("-- 192.0.2.10:80/tcp web, up, SH LOADMASTER\n"));
  EXPECT_THAT(text, HasSubstr("192.0.2.25:80  draining  DOWN    1000  "
                              "96/819 STARVED"));
  EXPECT_THAT(text, HasSubstr("192.0.2.29:80  sorry     up "));
  EXPECT_THAT(text, HasSubstr("no?answer\n"));
  EXPECT_THAT(text, Not(HasSubstr("192.0.2.11")));
  EXPECT_THAT(ServersText(status_, ""), HasSubstr("-- 192.0.2.11:443/tcp, "));
}

TEST(TextTableTest, NumbersAreShort) {
  EXPECT_EQ(Short(0), "0");
  EXPECT_EQ(Short(0.04), "0");
  EXPECT_EQ(Short(9.94), "9.9");
  EXPECT_EQ(Short(9.96), "10");
  EXPECT_EQ(Short(999), "999");
  EXPECT_EQ(Short(1000), "1.0k");
  EXPECT_EQ(Short(99'950), "100k");
  EXPECT_EQ(Short(12'345'678), "12M");
}

}  // namespace
}  // namespace ballast::ctl
