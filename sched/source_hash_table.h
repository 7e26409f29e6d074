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
//
// Units    slot: 0..4095. server: position in the service's configured order.
// Cost     Build and Without: O(servers + 4096).
// Threads  a built table never changes.
// Source   LoadMaster, "Scheduling Methods", Source IP Hash. A server that is
//          down or of weight 0 gets no slot at all (ours; the vendor's page is
//          silent, and one dead slot a round would drop clients).
#ifndef SCHED_SOURCE_HASH_TABLE_H_
#define SCHED_SOURCE_HASH_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "sched/server_set.h"

namespace ballast::sched {

enum class Fill : uint8_t { kLoadMaster, kEven, kMaglev };

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
    uint64_t id = 0;
    uint32_t weight = 0;
    friend bool operator==(const Server&, const Server&) = default;
  };

  //   kInvalidArgument  more than kServerCountMax servers
  static absl::StatusOr<SourceHashTable> Build(Fill fill,
                                               std::span<const Server> servers);

  // The live slots while the servers in `down` take nothing.
  Slots Without(const ServerSet& down) const;

  Fill fill() const { return fill_; }
  const std::vector<Server>& servers() const { return servers_; }
  const Slots& slots() const { return slots_; }

 private:
  SourceHashTable(Fill fill, std::span<const Server> servers)
      : fill_(fill), servers_(servers.begin(), servers.end()) {}

  Fill fill_;
  std::vector<Server> servers_;
  Slots slots_;
};

}  // namespace ballast::sched

#endif  // SCHED_SOURCE_HASH_TABLE_H_
