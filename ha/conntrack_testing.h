// Messages and captures of real conntrackd daemons, for tests.
#ifndef HA_CONNTRACK_TESTING_H_
#define HA_CONNTRACK_TESTING_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "ha/capture.h"
#include "ha/conntrack_wire.h"
#include "io/base/address.h"

namespace ballast::ha::conntrack_testing {

using Bytes = std::vector<uint8_t>;

inline Bytes FromHex(absl::string_view text) {
  const std::string bytes =
      absl::HexStringToBytes(absl::StrReplaceAll(text, {{" ", ""}}));
  return {bytes.begin(), bytes.end()};
}
inline std::string ToHex(std::span<const uint8_t> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

struct Outcome {
  std::vector<ConntrackMessage> messages;
  ConntrackReader reader;

  uint64_t errors(ConntrackReadError error) const {
    return reader.errors[static_cast<size_t>(error)];
  }
  uint64_t all_errors() const {
    uint64_t sum = 0;
    for (const uint64_t count : reader.errors) sum += count;
    return sum;
  }
};

inline Outcome Read(std::span<const uint8_t> datagram) {
  Outcome outcome;
  ReadConntrackDatagram(datagram, outcome.reader,
                        [&](const ConntrackMessage& message) {
                          outcome.messages.push_back(message);
                        });
  return outcome;
}

// The message, written; empty if it cannot be.
inline Bytes Write(const ConntrackMessage& message) {
  Bytes bytes(2 * kConntrackMessageMax);
  bytes.resize(message.is_data()
                   ? WriteConntrackEntry(message.type, message.flags,
                                         message.sequence, message.entry, bytes)
                   : WriteConntrackControl(message.flags, message.sequence,
                                           message.from, message.to, bytes));
  return bytes;
}

struct CapturedDatagram {
  int64_t when_us = 0;  // Since the capture began.
  bool from_a = false;  // 10.77.0.1; else 10.77.0.2.
  Bytes payload;
};

inline std::vector<CapturedDatagram> Captured(const std::string& name) {
  std::ifstream stream("ha/testdata/conntrackd-" + name + ".pcap",
                       std::ios::binary);
  EXPECT_TRUE(stream) << name;
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  PacketCapture capture(
      {reinterpret_cast<const uint8_t*>(file.data()), file.size()});
  std::vector<CapturedDatagram> datagrams;
  while (const auto packet = capture.Next()) {
    const auto segment = SegmentOf(*packet);
    if (!segment || packet->protocol != 17) continue;
    EXPECT_EQ(segment->destination_port, 3780);
    datagrams.push_back({packet->when_us - capture.start_us(),
                         packet->source == Address::V4(0x0a4d0001),
                         {segment->payload.begin(), segment->payload.end()}});
  }
  EXPECT_TRUE(capture.status().ok()) << capture.status();
  EXPECT_FALSE(datagrams.empty());
  return datagrams;
}

}  // namespace ballast::ha::conntrack_testing

#endif  // HA_CONNTRACK_TESTING_H_
