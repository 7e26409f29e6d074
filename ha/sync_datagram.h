// The sections that carry changes between two Ballast units: filled by a
// leader, taken apart by whoever is told. Layout: replicator.h.
//
// Order    records come out in the order they went in: a connection and its
//          end never change places. A sum, or kAskAnew, is a datagram's last.
// Errors   ReadSections() takes all or nothing.
// Cost     about 50 ns a record either way; no allocation once buffers have
//          grown.
// Threads  none of their own.
#ifndef HA_SYNC_DATAGRAM_H_
#define HA_SYNC_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ha/ipvs_wire.h"
#include "ha/l7_record.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"

namespace ballast::ha {

enum class SyncSection : uint8_t {
  kIpvs = 1,
  kGone = 2,
  kL7 = 3,
  kSum = 4,
  kAskAnew = 5,
  // In datagrams of position 0.
  kRepair = 16,
  kForgotten = 17,
};

// Positions first..last, both included.
struct SyncRange {
  uint64_t first = 0;
  uint64_t last = 0;

  friend bool operator==(const SyncRange&, const SyncRange&) = default;
};

class SyncPacker {
 public:
  // Bytes begin with `front` free ones for the caller to fill, and are at most
  // `size_max`, which has room for `front` and 224 more.
  SyncPacker(size_t front, size_t size_max, uint8_t syncid);

  // False: no room behind what is there; Take() first.
  bool Add(const SyncRecord& record);
  bool Add(const L7Record& record);
  bool AddSum(const TableSummary& sum);
  bool AddAskAnew();

  bool empty() const { return taken_ || (!open_ && bytes_.size() == front_); }
  // Connections and entries since the last Take().
  size_t records() const { return records_; }
  // All of it, until the next call.
  std::span<uint8_t> Take();
  void Clear();

 private:
  bool Room(size_t size) const;
  void Open(SyncSection section);
  void Close();

  const size_t front_;
  const size_t size_max_;
  IpvsWriter ipvs_;
  std::vector<uint8_t> bytes_;
  size_t records_ = 0;
  // kGone: open in bytes_ from section_at_. kIpvs: open in ipvs_.
  std::optional<SyncSection> open_;
  size_t section_at_ = 0;
  bool taken_ = false;
};

// What sections say. Kept by the reader, so that its memory is used again.
struct SyncContent {
  std::vector<SyncRecord> records;
  std::vector<L7Record> l7;
  std::optional<TableSummary> sum;
  bool ask_anew = false;

  void Clear();
};

// False, and `content` is worth nothing, unless all of `sections` is well
// formed.
bool ReadSections(std::span<const uint8_t> sections, uint8_t syncid,
                  SyncContent& content);

// Datagrams of position 0: ranges to repair, or that are forgotten.
struct SyncQuestions {
  // More in one datagram are malformed.
  static constexpr size_t kRangesMax = 32;

  std::vector<SyncRange> repair;
  std::vector<SyncRange> forgotten;
};
// A whole datagram, appended to `out`.
void WriteQuestions(const SyncQuestions& questions, std::vector<uint8_t>& out);
// The sections behind the position.
std::optional<SyncQuestions> ReadQuestions(std::span<const uint8_t> sections);

}  // namespace ballast::ha

#endif  // HA_SYNC_DATAGRAM_H_
