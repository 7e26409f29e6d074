// Rules by "IPVS connection synchronisation" §8.2.
#include "examples/learned_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/time/time.h"

namespace ballast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Outcome = LearnedEntries::Outcome;

const Instant kStart = Instant::FromNanos(1'000'000'000);

ha::IpvsEntry Entry(uint16_t client_port, uint16_t state = 1,
                    uint8_t protocol = 6) {
  ha::IpvsEntry entry;
  entry.record.protocol = protocol;
  entry.record.state = state;
  entry.record.client = {Address::V4(0x0a010002), client_port};
  entry.record.virtual_service = {Address::V4(0x0a010064), 80};
  entry.record.server = {Address::V4(0x0a02000b), 8080};
  return entry;
}

ha::IpvsEntry Template() {
  ha::IpvsEntry entry = Entry(0);
  entry.record.kind = ha::SyncRecord::Kind::kTemplate;
  entry.record.flags = ha::kTemplate | ha::kInactive | ha::kForwardDirect;
  return entry;
}

TEST(LearnedEntries, ListsLikeIpvsadm) {
  LearnedEntries entries(10);
  ha::IpvsEntry one = Entry(4000);
  one.record.timeout_s = 900;
  EXPECT_EQ(entries.Take(kStart, one), Outcome::kNew);
  EXPECT_EQ(entries.Take(kStart, one), Outcome::kKnown);
  EXPECT_EQ(entries.Take(kStart, Template()), Outcome::kNew);
  EXPECT_EQ(entries.Take(kStart, Entry(4001, 0, 17)), Outcome::kNew);
  EXPECT_EQ(entries.connections(), 2u);
  EXPECT_EQ(entries.templates(), 1u);
  EXPECT_EQ(entries.Summary(),
            "2 connections (1 ESTABLISHED, 1 UDP), 1 templates");
  const auto lines = entries.Lines(kStart + absl::Seconds(3), 10);
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines[1], HasSubstr("TCP  14:57   ESTABLISHED  10.1.0.2:4000 "));
  EXPECT_THAT(lines[1], HasSubstr("10.1.0.100:80 "));
  EXPECT_THAT(lines[1], HasSubstr("10.2.0.11:8080         NAT 2"));
  EXPECT_THAT(lines[3], HasSubstr("direct 1 template"));
  EXPECT_THAT(entries.Lines(kStart, 1), SizeIs(2));
}

TEST(LearnedEntries, AnotherServerReplacesUnlessInactive) {
  LearnedEntries entries(10);
  entries.Take(kStart, Entry(4000));
  ha::IpvsEntry other = Entry(4000, 4);
  other.record.server.port = 8081;
  other.record.flags = ha::kInactive;
  EXPECT_EQ(entries.Take(kStart, other), Outcome::kIgnored);
  EXPECT_EQ(entries.Summary(), "1 connections (1 ESTABLISHED), 0 templates");
  other.record.flags = 0;
  EXPECT_EQ(entries.Take(kStart, other), Outcome::kReplaced);
  EXPECT_EQ(entries.Summary(), "1 connections (1 FIN_WAIT), 0 templates");
}

TEST(LearnedEntries, ForgetsAfterTheTimeoutToldOrIpvssOwn) {
  LearnedEntries entries(10);
  ha::IpvsEntry told = Entry(4000);
  told.record.timeout_s = 30;
  entries.Take(kStart, told);
  entries.Take(kStart, Entry(4001));          // 900
  entries.Take(kStart, Entry(4002, 6));       // CLOSE, 10
  entries.Take(kStart, Entry(4003, 0, 17));   // 300
  entries.Take(kStart, Entry(4004, 9, 132));  // SHUTDOWN_SENT, 61
  entries.Take(kStart, Template());           // 180
  std::vector<size_t> left;
  for (const int at : {9, 10, 30, 61, 180, 300, 899, 900}) {
    entries.Expire(kStart + absl::Seconds(at));
    left.push_back(entries.connections() + entries.templates());
  }
  EXPECT_THAT(left, ElementsAre(6, 5, 4, 3, 2, 1, 1, 0));
  EXPECT_EQ(entries.templates(), 0u);
}

TEST(LearnedEntries, EnginesTellTemplatesApart) {
  LearnedEntries entries(10);
  for (const char* call : {"one", "two"}) {
    ha::IpvsEntry entry = Template();
    entry.options.pe_name = "sip";
    entry.options.pe_data = call;
    EXPECT_EQ(entries.Take(kStart, entry), Outcome::kNew);
  }
  EXPECT_THAT(entries.Lines(kStart, 10).back(), HasSubstr("\"two\""));
}

TEST(LearnedEntries, IsFullAtItsLimit) {
  LearnedEntries entries(1);
  EXPECT_EQ(entries.Take(kStart, Entry(4000)), Outcome::kNew);
  EXPECT_EQ(entries.Take(kStart, Entry(4001)), Outcome::kRefused);
  EXPECT_EQ(entries.Take(kStart, Entry(4000)), Outcome::kKnown);
}

}  // namespace
}  // namespace ballast
