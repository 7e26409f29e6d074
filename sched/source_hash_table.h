// Source IP hash: 4096 slots dealt out once per configuration, and dealt again
// over the remaining servers while some are down.
//
// A SourceHashTable is the *configured* table: what the slots are while every
// server is up. It is a value made in the control plane, shared by all packet
// threads and kept the same on both units. The *live* slots are a pure function
// of it and of the set of servers down, whatever the order they fell in.
//
//   kLoadMaster  runs of `weight` slots in configured order, then round again
//                from the first, until the table is full. With five servers of
//                the default weight 1000 the last gets 96 slots: that skew is
//                the vendor's contract, see fairness.h.
//   kEven        each server its share of the 4096, rounded; a change moves
//                no slot that need not move. The one fill that remembers: the
//                table depends on the table before it.
//   kMaglev      nearly its share, drawn from the servers' ids: no memory, no
//                list order; a change also moves a few percent of the rest.
//
// Units    slot: 0..4095. server: position in the service's configured order.
// Cost     a live table for one server down of 16 or 1,000: kLoadMaster 1 us,
//          kEven 14 and 35 us, kMaglev 100 and 200 us; building takes up to
//          twice that. (bench/sched_bench.cc, one core of a 2-core VM)
// Threads  a built table never changes.
// Source   LoadMaster, "Scheduling Methods", Source IP Hash. A server that is
//          down or of weight 0 gets no slot at all (ours; the vendor's page is
//          silent, and one dead slot a round would drop clients). kEven is
//          ours; kMaglev see maglev_fill.h.
#ifndef SCHED_SOURCE_HASH_TABLE_H_
#define SCHED_SOURCE_HASH_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sched/server_set.h"

namespace ballast::sched {

enum class Fill : uint8_t { kLoadMaster, kEven, kMaglev };

// "loadmaster", "even", "maglev", and back.
absl::string_view FillName(Fill fill);
absl::StatusOr<Fill> ParseFill(absl::string_view name);

inline constexpr uint32_t kWeightMax = 65535;
inline constexpr size_t kSlotCount = 4096;
static_assert((kSlotCount & (kSlotCount - 1)) == 0, "picking masks");
// In every slot while no server is eligible.
inline constexpr uint16_t kNoServer = 0xffff;

using Slots = std::array<uint16_t, kSlotCount>;  // 8 KiB: stays in L1 or L2.

// The server of a client whose address hashes to `source_hash`.
inline uint16_t PickSlot(const Slots& slots, uint32_t source_hash) {
  return slots[source_hash & (kSlotCount - 1)];
}

class SourceHashTable {
 public:
  struct Server {
    uint64_t id = 0;  // kEven and kMaglev know a server by it.
    uint32_t weight = 0;
    friend bool operator==(const Server&, const Server&) = default;
  };

  // `previous` is the service's table until now, or null; only kEven reads it,
  // and only if it is kEven too. No servers, or none with a weight above 0, is
  // a valid table of empty slots.
  //   kInvalidArgument  more than kServerCountMax servers, a weight above
  //                     kWeightMax, or (kEven, kMaglev) an id that repeats
  static absl::StatusOr<SourceHashTable> Build(
      Fill fill, std::span<const Server> servers,
      const SourceHashTable* previous = nullptr);

  // The configured table as another unit or an earlier process had it: its
  // slots() in a kEven table, which cannot be computed from the servers alone.
  //   kInvalidArgument  as Build(); or slots that name no server or one of
  //                     weight 0, or that another fill cannot have
  static absl::StatusOr<SourceHashTable> Restore(
      Fill fill, std::span<const Server> servers, const Slots& slots);

  // The live slots while the servers in `down` take nothing.
  Slots Without(const ServerSet& down) const;

  Fill fill() const { return fill_; }
  const std::vector<Server>& servers() const { return servers_; }
  const Slots& slots() const { return slots_; }

  friend bool operator==(const SourceHashTable&,
                         const SourceHashTable&) = default;

 private:
  SourceHashTable(Fill fill, std::span<const Server> servers)
      : fill_(fill), servers_(servers.begin(), servers.end()) {}

  // The even table for servers_ that follows `previous`.
  Slots DealEvenAfter(const SourceHashTable* previous) const;

  Fill fill_;
  std::vector<Server> servers_;
  Slots slots_;
};

// How many slots each of `server_count` servers has.
std::vector<uint32_t> CountSlots(const Slots& slots, size_t server_count);

}  // namespace ballast::sched

#endif  // SCHED_SOURCE_HASH_TABLE_H_
