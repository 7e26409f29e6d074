// Messages of a real kernel (IPVS sync notes §10), and reading and writing of
// whole messages, for tests.
#ifndef HA_IPVS_WIRE_TESTING_H_
#define HA_IPVS_WIRE_TESTING_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "ha/ipvs_wire.h"

namespace ballast::ha::ipvs_testing {

inline constexpr char kNat[] =
    "0005002c 01010000"
    "00060024 00000000 0001 7531 0050 1f90 00000000 00000384"
    "0a00000a 0a000064 0a01000a";
inline constexpr char kDirect[] =
    "0005002c 01010000"
    "00060024 00000183 0004 7919 0050 0050 00000000 00000078"
    "0a00000a 0a000064 0a01000a";
inline constexpr char kMixed[] =
    "00050074 02010000"
    "01060048 00000000 0001 84d0 0050 1f90 00000000 00000384"
    "fd000000000000000000000000000010 fd000000000000000000000000000100"
    "fd010000000000000000000000000010"
    "00060024 00000000 0001 84d1 0050 1f90 00000000 00000384"
    "0a00000a 0a000064 0a01000a";
// (The headers of the next two are ours: the notes give the entries.)
inline constexpr char kEngine[] =
    "00050043 01010000"
    "0011003b 00001100 0000 0000 13c4 13c4 00000000 0000003c"
    "0a00000a 0a000064 0a01000a"
    "02 10 6162633132334031302e302e302e3130"
    "03 03 736970";
inline constexpr char kFirewallMark[] =
    "00050050 02010000"
    "00000024 00001183 0001 0000 0000 0000 0000004d 00000078"
    "0a00000a 0000004d 0a01000a"
    "00060024 00000083 0001 88b9 20fb 20fb 0000004d 00000384"
    "0a00000a 0a000064 0a01000a";
inline constexpr char kVersion0[] =
    "04050064"
    "0006 9470 0050 1f90 0a00000a 0a000064 0a01000a 0000 0001"
    "0006 0000 0050 1f90 0a00000a 0a000064 0a01000a 1100 0001"
    "0006 9470 0050 1f90 0a00000a 0a000064 0a01000a 0100 0007"
    "0006 0000 0050 1f90 0a00000a 0a000064 0a01000a 1100 0001";

using Bytes = std::vector<uint8_t>;

inline Bytes FromHex(absl::string_view text) {
  const std::string bytes = absl::HexStringToBytes(
      absl::StrReplaceAll(text, {{" ", ""}, {"\n", ""}}));
  return {bytes.begin(), bytes.end()};
}

struct Outcome {
  std::optional<IpvsMessageInfo> info;
  std::vector<IpvsEntry> entries;
  IpvsReader reader;

  uint64_t errors(IpvsReadError error) const {
    return reader.errors[static_cast<size_t>(error)];
  }
  uint64_t all_errors() const {
    uint64_t sum = 0;
    for (const uint64_t count : reader.errors) sum += count;
    return sum;
  }
};

inline Outcome Read(const Bytes& payload, IpvsReader reader = {.syncid = 5}) {
  Outcome outcome{.reader = reader};
  outcome.info = ReadIpvsMessage(
      payload, outcome.reader,
      [&](const IpvsEntry& entry) { outcome.entries.push_back(entry); });
  return outcome;
}

inline Bytes Write(const IpvsWriter::Options& options,
                   const std::vector<IpvsEntry>& entries) {
  IpvsWriter writer(options);
  for (const IpvsEntry& entry : entries) {
    EXPECT_TRUE(writer.Add(entry.record, &entry.options));
  }
  EXPECT_EQ(writer.skipped(), 0u);
  const auto message = writer.Take();
  return {message.begin(), message.end()};
}

}  // namespace ballast::ha::ipvs_testing

#endif  // HA_IPVS_WIRE_TESTING_H_
