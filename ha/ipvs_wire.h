// The wire format by which Linux IPVS directors tell others about their
// connections: version 1 (both families), and version 0 (IPv4).
//
// A message holds many entries. IpvsWriter fills messages; ReadIpvsMessage()
// takes them apart with the checks of the kernel's receiver, or stricter ones,
// each counted by name.
//
// Units    big endian throughout, but version 0's sequence words (the sender's
//          own order: little endian here).
// Source   Linux 6.1 net/netfilter/ipvs/ip_vs_sync.c; checked against captures
//          of it in testdata/.
// Cost     no allocation per entry without options.
// Threads  none of their own.
#ifndef HA_IPVS_WIRE_H_
#define HA_IPVS_WIRE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "ha/sync_record.h"

namespace ballast::ha {

inline constexpr size_t kIpvsHeaderSize = 8;
inline constexpr size_t kIpvsEntryV4Size = 36;
inline constexpr size_t kIpvsEntryV6Size = 72;
// What the kernel sends at most: 40 IPv4 or 20 IPv6 entries.
inline constexpr size_t kIpvsMessageMaxV4 = 1472;
inline constexpr size_t kIpvsMessageMaxV6 = 1452;

struct SequenceAdjust {
  uint32_t initial = 0;
  uint32_t delta = 0;
  uint32_t previous_delta = 0;

  friend bool operator==(const SequenceAdjust&,
                         const SequenceAdjust&) = default;
};

// What few entries have besides the record.
struct IpvsOptions {
  std::optional<std::array<SequenceAdjust, 2>> sequence;  // In, out.
  std::string pe_name;  // Of a persistence engine, with its data.
  std::string pe_data;

  friend bool operator==(const IpvsOptions&, const IpvsOptions&) = default;
};

// Builds messages of one version. Entries of one call stand in one message; an
// entry is never split.
class IpvsWriter {
 public:
  struct Options {
    int version = 1;
    uint8_t syncid = 0;
    size_t message_max = kIpvsMessageMaxV4;
    // Writes SyncRecord's detail, as an option that others ignore (type 0x7d:
    // bit 0x40, "may be ignored"; 16 bytes). Version 1 only.
    bool detail = false;
  };
  explicit IpvsWriter(const Options& options);

  // False: it does not fit behind the others; Take() the message first. An
  // entry that cannot be written at all is counted in skipped() and true:
  // kGone, one-packet, IPv6 in version 0, options that are too long or would be
  // refused, an entry longer than a message. Of the flags only those that IPVS
  // sends are written.
  bool Add(const SyncRecord& record, const IpvsOptions* options = nullptr);
  bool empty() const { return count_ == 0; }
  // So far, in bytes; 0 if empty.
  size_t size() const { return empty() ? 0 : bytes_.size(); }
  int count() const { return count_; }
  uint64_t skipped() const { return skipped_; }
  // The message, complete; valid until the next call. Nothing, if empty. Add()
  // begins another.
  std::span<const uint8_t> Take();

 private:
  Options options_;
  std::vector<uint8_t> bytes_;
  int count_ = 0;
  bool taken_ = true;
  uint64_t skipped_ = 0;
};

enum class IpvsReadError : uint8_t {
  kNone,
  kTooShort,
  kWrongSize,  // The size field is not the datagram's.
  kOtherSyncId,
  kEntryTruncated,  // From here on: this entry and the rest are left.
  kEntryVersion,
  kEntryType,
  kEntrySize,
  kOptionMalformed,
  kOptionTwice,
  kOptionUnknown,  // From here on: this entry alone is left out.
  kProtocol,
  kState,
  kFlags,  // One-packet; a template without client port, or state > 1.
  kPersistenceEngine,  // Data without name.
};
inline constexpr size_t kIpvsReadErrorCount = 15;
const char* IpvsReadErrorName(IpvsReadError error);

struct IpvsEntry {
  SyncRecord record;  // kConnection or kTemplate; flags as they came.
  IpvsOptions options;
  size_t offset = 0;  // From the beginning of the payload.
  size_t size = 0;    // Without padding.
};

struct IpvsMessageInfo {
  int version = 1;
  uint8_t syncid = 0;
  int count = 0;  // As stated.
};

struct IpvsReader {
  uint8_t syncid = 0;
  // Takes every message. (The kernel does when its own is 0. A message's 0 is
  // nobody's wildcard.)
  bool any_syncid = false;
  // Entries seen and left out, by reason; messages refused whole as well. What
  // follows an entry that ends a message is not looked at, nor counted.
  std::array<uint64_t, kIpvsReadErrorCount> errors{};
  uint64_t entries = 0;
  uint64_t messages = 0;
};

// Gives each good entry to `take`, in order. nullopt: refused whole.
std::optional<IpvsMessageInfo> ReadIpvsMessage(
    std::span<const uint8_t> payload, IpvsReader& reader,
    absl::FunctionRef<void(const IpvsEntry&)> take);

}  // namespace ballast::ha

#endif  // HA_IPVS_WIRE_H_
