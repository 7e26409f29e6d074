// Which MAC an address has on which interface: the kernel's neighbour entries,
// kept from dumps and events. Pure, and bounded: a neighbour beyond the limit
// is refused and counted, and reads as unknown.
//
// Cost     one hash lookup.
// Threads  one at a time; copy it for others.
#ifndef IO_NEIGHBOUR_H_
#define IO_NEIGHBOUR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "io/base/address.h"
#include "io/netlink_decode.h"

namespace ballast {

class NeighbourTable {
 public:
  explicit NeighbourTable(size_t count_max) : count_max_(count_max) {}

  // Everything anew.
  void Replace(std::span<const NeighbourInfo> all);
  // One event; whether a MAC or its usability changed, which is what packet
  // threads care for.
  bool Apply(const NeighbourInfo& neighbour, bool removed);
  // Whether there was any.
  bool RemoveInterface(int ifindex);

  // nullptr when the kernel has no entry.
  const NeighbourInfo* Find(int ifindex, const Address& address) const;

  size_t size() const { return entries_.size(); }
  // Neighbours not kept because the table was full.
  uint64_t refused() const { return refused_; }
  const absl::flat_hash_map<std::pair<int, Address>, NeighbourInfo>& entries()
      const {
    return entries_;
  }

 private:
  size_t count_max_;
  uint64_t refused_ = 0;
  absl::flat_hash_map<std::pair<int, Address>, NeighbourInfo> entries_;
};

}  // namespace ballast

#endif  // IO_NEIGHBOUR_H_
