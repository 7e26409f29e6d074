// Properties: an entry that is given out lies inside the payload, after the one
// before; and what decodes, encodes to a message that decodes to an equal
// record.
#include "ha/ipvs_wire.h"
#include "io/base/check.h"

namespace {

using namespace ballast::ha;

// All flags that are ever sent: the sync notes' table without "hashed" and "one
// packet".
constexpr uint32_t kSentFlags = 0x11fa7;

void CheckRoundTrip(const IpvsEntry& entry, int version) {
  IpvsWriter writer({.version = version, .syncid = 3, .detail = true});
  BALLAST_CHECK(writer.Add(entry.record, &entry.options));
  BALLAST_CHECK(writer.skipped() == 0 && writer.count() == 1);
  IpvsReader reader{.syncid = 3};
  int taken = 0;
  const auto info =
      ReadIpvsMessage(writer.Take(), reader, [&](const IpvsEntry& again) {
        SyncRecord expected = entry.record;
        expected.flags &= kSentFlags;
        BALLAST_CHECK(again.record == expected);
        BALLAST_CHECK(again.options == entry.options);
        BALLAST_CHECK(again.size <= entry.size);
        ++taken;
      });
  BALLAST_CHECK(info && info->version == version && taken == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  IpvsReader reader{.any_syncid = true};
  size_t end = 0;
  // The version is known only afterwards, so the entries wait.
  std::vector<IpvsEntry> entries;
  const auto info =
      ReadIpvsMessage({data, size}, reader, [&](const IpvsEntry& entry) {
        BALLAST_CHECK(entry.offset >= end);
        end = entry.offset + entry.size;
        BALLAST_CHECK(end <= size);
        entries.push_back(entry);
      });
  BALLAST_CHECK(reader.entries == entries.size());
  BALLAST_CHECK(entries.empty() || info);
  for (const IpvsEntry& entry : entries) CheckRoundTrip(entry, info->version);
  return 0;
}
