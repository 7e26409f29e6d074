// Captures of Linux IPVS masters (testdata/README.md): every record has
// the fields listed beside the capture, and every message is written again byte
// for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ha/capture.h"
#include "ha/ipvs_wire.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

std::string ReadFile(const std::string& name) {
  std::ifstream file("ha/testdata/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Message {
  int64_t when_us;
  std::vector<uint8_t> payload;
};

// The sync datagrams of a capture.
std::vector<Message> MessagesOf(const std::string& name) {
  const std::string file = ReadFile(name + ".pcap");
  PacketCapture capture(
      {reinterpret_cast<const uint8_t*>(file.data()), file.size()});
  std::vector<Message> messages;
  while (const auto packet = capture.Next()) {
    const auto segment = SegmentOf(*packet);
    if (!segment || packet->protocol != 17 ||
        segment->destination_port != 8848) {
      continue;
    }
    messages.push_back({packet->when_us - capture.start_us(),
                        {segment->payload.begin(), segment->payload.end()}});
  }
  EXPECT_TRUE(capture.status().ok()) << capture.status();
  return messages;
}

std::vector<IpvsEntry> EntriesOf(const Message& message, uint8_t syncid) {
  IpvsReader reader{.syncid = syncid};
  std::vector<IpvsEntry> entries;
  const auto info = ReadIpvsMessage(
      message.payload, reader,
      [&](const IpvsEntry& entry) { entries.push_back(entry); });
  EXPECT_TRUE(info.has_value());
  if (info) {
    EXPECT_EQ(info->version, 1);
    EXPECT_EQ(info->syncid, syncid);
    EXPECT_EQ(info->count, static_cast<int>(entries.size()));
  }
  EXPECT_EQ(reader.errors, IpvsReader().errors);
  return entries;
}

struct Capture {
  const char* name;
  const char* file;
  uint8_t syncid;
  size_t records;
};

class IpvsWireCaptureTest : public ::testing::TestWithParam<Capture> {};

TEST_P(IpvsWireCaptureTest, EveryMessageIsWrittenAgainByteForByte) {
  size_t records = 0;
  for (const Message& message : MessagesOf(GetParam().file)) {
    IpvsWriter writer({.syncid = GetParam().syncid});
    for (const IpvsEntry& entry : EntriesOf(message, GetParam().syncid)) {
      ASSERT_TRUE(writer.Add(entry.record, &entry.options));
      ++records;
    }
    EXPECT_EQ(writer.size(), message.payload.size());
    EXPECT_THAT(writer.Take(), ElementsAreArray(message.payload));
    EXPECT_EQ(writer.skipped(), 0u);
  }
  EXPECT_EQ(records, GetParam().records);
}

INSTANTIATE_TEST_SUITE_P(
    , IpvsWireCaptureTest,
    // Records: of the first four as many lines as their .records.csv has.
    ::testing::Values(Capture{"Default", "ipvs-v1-default", 7, 16},
                      Capture{"Every10", "ipvs-v1-every10", 7, 15},
                      Capture{"Refresh10", "ipvs-v1-refresh10", 7, 11},
                      Capture{"Burst", "ipvs-v1-burst", 7, 270},
                      Capture{"StatesNat", "ipvs-states-nat", 5, 7},
                      Capture{"MixedFamilies", "ipvs-mixed-v4v6", 5, 2},
                      Capture{"Sctp", "ipvs-sctp", 5, 3},
                      Capture{"FlushTiming", "ipvs-flush-timing", 5, 9}),
    [](const auto& info) { return info.param.name; });

class IpvsWireRecordsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(IpvsWireRecordsTest, EveryRecordHasTheListedFields) {
  const std::string name = absl::StrCat("ipvs-v1-", GetParam());
  std::string lines =
      "message,t_s,version,syncid,size,nr_conns,offset,rec_size,proto,caddr,"
      "cport,vaddr,vport,daddr,dport,flags,state,timeout_s,fwmark,options\n";
  int number = 0;
  for (const Message& message : MessagesOf(name)) {
    ++number;
    const auto entries = EntriesOf(message, 7);
    for (const IpvsEntry& entry : entries) {
      const SyncRecord& record = entry.record;
      const auto endpoint = [](const Endpoint& e) {
        return absl::StrCat(e.address.ToString(), ",", e.port);
      };
      absl::StrAppendFormat(
          &lines, "%d,%.3f,1,7,%d,%d,%d,%d,%d,%s,%s,%s,0x%x,%d,%d,%d,\n",
          number, message.when_us / 1e6, message.payload.size(), entries.size(),
          entry.offset, entry.size, record.protocol, endpoint(record.client),
          endpoint(record.virtual_service), endpoint(record.server),
          record.flags, record.state, record.timeout_s, record.fwmark);
      EXPECT_EQ(entry.options, IpvsOptions());
      EXPECT_EQ(record.kind, SyncRecord::Kind::kConnection);
      EXPECT_FALSE(record.v6);
    }
  }
  EXPECT_EQ(lines, ReadFile(name + ".records.csv"));
}

INSTANTIATE_TEST_SUITE_P(, IpvsWireRecordsTest,
                         ::testing::Values("default", "every10", "refresh10",
                                           "burst"),
                         [](const auto& info) { return info.param; });

// -- The short captures: what is known of them is in words -------------------

std::vector<std::string> Summaries(const std::string& name) {
  std::vector<std::string> lines;
  for (const Message& message : MessagesOf(name)) {
    for (const IpvsEntry& entry : EntriesOf(message, 5)) {
      const SyncRecord& r = entry.record;
      lines.push_back(
          absl::StrFormat("%d %s %s %s %d 0x%x %d", r.protocol,
                          r.client.ToString(), r.virtual_service.ToString(),
                          r.server.ToString(), r.state, r.flags, r.timeout_s));
    }
  }
  return lines;
}

TEST(IpvsWireShortCaptureTest, OneTcpConnectionThroughEverySyncedState) {
  // Port 30001: data, the server's FIN, the client's FIN, RST; 30002: the
  // client closes first; 30003: RST as third packet.
  const std::string to = " 10.0.0.100:80 10.1.0.10:8080 ";
  EXPECT_THAT(Summaries("ipvs-states-nat"),
              ElementsAre("6 10.0.0.10:30001" + to + "1 0x0 900",
                          "6 10.0.0.10:30001" + to + "4 0x100 120",
                          "6 10.0.0.10:30001" + to + "5 0x100 120",
                          "6 10.0.0.10:30001" + to + "6 0x100 10",
                          "6 10.0.0.10:30002" + to + "7 0x100 60",
                          "6 10.0.0.10:30002" + to + "5 0x100 120",
                          "6 10.0.0.10:30003" + to + "6 0x100 10"));
}

TEST(IpvsWireShortCaptureTest, BothFamiliesInOneMessage) {
  EXPECT_THAT(
      Summaries("ipvs-mixed-v4v6"),
      ElementsAre("6 [fd00::10]:34000 [fd00::100]:80 [fd01::10]:8080 1 0x0 900",
                  "6 10.0.0.10:34001 10.0.0.100:80 10.1.0.10:8080 1 0x0 900"));
}

TEST(IpvsWireShortCaptureTest, SctpEstablishedShutdownClosed) {
  std::vector<std::string> states;
  for (const Message& message : MessagesOf("ipvs-sctp")) {
    for (const IpvsEntry& entry : EntriesOf(message, 5)) {
      EXPECT_EQ(entry.record.protocol, 132);
      states.push_back(absl::StrFormat("%d 0x%x %d", entry.record.state,
                                       entry.record.flags,
                                       entry.record.timeout_s));
    }
  }
  EXPECT_THAT(states, ElementsAre("8 0x0 900", "10 0x100 61", "13 0x100 61"));
}

TEST(IpvsWireShortCaptureTest, ATemplateWhoseTimerRanOutInUse) {
  // "The last message also holds a template ... (timeout 60)."
  const auto messages = MessagesOf("ipvs-flush-timing");
  ASSERT_EQ(messages.size(), 8u);
  std::vector<IpvsEntry> templates;
  for (const IpvsEntry& entry : EntriesOf(messages.back(), 5)) {
    if (entry.record.kind == SyncRecord::Kind::kTemplate) {
      templates.push_back(entry);
    }
  }
  ASSERT_EQ(templates.size(), 1u);
  EXPECT_EQ(templates[0].record.timeout_s, 60u);
  EXPECT_EQ(templates[0].record.client.port, 0);
}

}  // namespace
}  // namespace ballast::ha
