#include "io/neighbour.h"

namespace ballast {

void NeighbourTable::Replace(std::span<const NeighbourInfo> all) {
  entries_.clear();
  for (const NeighbourInfo& neighbour : all) Apply(neighbour, false);
}

bool NeighbourTable::Apply(const NeighbourInfo& neighbour, bool removed) {
  const std::pair<int, Address> key(neighbour.ifindex, neighbour.address);
  const auto found = entries_.find(key);
  if (removed) {
    if (found == entries_.end()) return false;
    const bool was_usable = found->second.mac.has_value();
    entries_.erase(found);
    return was_usable;
  }
  if (found == entries_.end()) {
    if (entries_.size() >= count_max_) {
      ++refused_;
      return false;
    }
    entries_.emplace(key, neighbour);
    return neighbour.mac.has_value();
  }
  const bool changed = found->second.mac != neighbour.mac;
  found->second = neighbour;
  return changed;
}

bool NeighbourTable::RemoveInterface(int ifindex) {
  return absl::erase_if(entries_, [ifindex](const auto& entry) {
           return entry.first.first == ifindex;
         }) > 0;
}

const NeighbourInfo* NeighbourTable::Find(int ifindex,
                                          const Address& address) const {
  const auto found = entries_.find({ifindex, address});
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace ballast
