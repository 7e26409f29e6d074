#include "lb/l4/address_claim.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace ballast::l4 {

void AddressClaim::Want(Instant now, const std::vector<Address>& addresses,
                        bool at_once) {
  const absl::flat_hash_set<Address> wanted(addresses.begin(), addresses.end());
  absl::erase_if(entries_, [&](const auto& entry) {
    return !wanted.contains(entry.first);
  });
  for (const Address& address : addresses) {
    const auto [it, added] = entries_.try_emplace(address);
    Entry& entry = it->second;
    if (!added && (entry.state == State::kClaimed || !at_once)) continue;
    entry.state = at_once ? State::kClaimed : State::kProbing;
    entry.left = at_once ? 2 : kProbeCount;
    entry.next = now;
  }
  UpdateDeadline();
}

void AddressClaim::Reannounce(Instant now) {
  for (auto& [address, entry] : entries_) {
    if (entry.state != State::kClaimed) continue;
    entry.left = 2;
    entry.next = now;
  }
  UpdateDeadline();
}

bool AddressClaim::OnForeignClaim(Instant now, const Address& address) {
  const auto it = entries_.find(address);
  if (it == entries_.end()) return false;
  Entry& entry = it->second;
  if (entry.state == State::kClaimed) {
    if (now - entry.defended >= kDefendInterval) {
      entry.defended = now;
      Tell(News::Kind::kDefended, address);
      entry.defending = true;
    }
  } else {
    entry.state = State::kConflict;
    entry.next = now + kRetry;
    if (!std::exchange(entry.told_in_use, true)) {
      Tell(News::Kind::kInUse, address);
    }
  }
  UpdateDeadline();
  return true;
}

std::vector<AddressClaim::Action> AddressClaim::Step(Instant now) {
  std::vector<Action> actions;
  for (auto& [address, entry] : entries_) {
    if (std::exchange(entry.defending, false)) {
      actions.push_back({Send::kAnnouncement, address});
    }
    if (entry.next > now) continue;
    switch (entry.state) {
      case State::kConflict:
        entry.state = State::kProbing;
        entry.left = kProbeCount;
        [[fallthrough]];
      case State::kProbing:
        if (entry.left > 0) {
          --entry.left;
          entry.next = now + kProbeInterval;
          actions.push_back({Send::kProbe, address});
          break;
        }
        entry.state = State::kClaimed;
        entry.left = 2;
        if (std::exchange(entry.told_in_use, false)) {
          Tell(News::Kind::kClaimedAfterUse, address);
        }
        [[fallthrough]];
      case State::kClaimed:
        --entry.left;
        entry.next =
            entry.left > 0 ? now + kSecondAnnouncement : Instant::Never();
        actions.push_back({Send::kAnnouncement, address});
        break;
      case State::kReleased:
        break;
    }
  }
  UpdateDeadline();
  return actions;
}

void AddressClaim::Tell(News::Kind kind, const Address& address) {
  if (news_.size() < kNewsMax) news_.push_back({kind, address});
}

void AddressClaim::UpdateDeadline() {
  deadline_ = Instant::Never();
  for (const auto& [address, entry] : entries_) {
    deadline_ =
        std::min(deadline_, entry.defending ? entry.defended : entry.next);
  }
}

}  // namespace ballast::l4
