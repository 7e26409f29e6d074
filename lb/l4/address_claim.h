// Claiming a floating address: ask whether somebody has it, then say that we
// do.
//
// A pure state machine per unit. An address is probed (ARP probes, RFC 5227
// §2.1; duplicate address detection, RFC 4862 §5.4), then answered for and
// announced (gratuitous ARP, unsolicited neighbour advertisement) at once and
// again 1.2 s later, since some hosts miss or ignore the first. A takeover from
// a silent partner announces without probing: the other owner is gone.
//
// An address found in use is not claimed: it is probed again every kRetry until
// it is free. One claimed already and then seen with another MAC is defended by
// announcing it, at most once in kDefendInterval (RFC 5227 §2.4 b).
//
// Threads  one (the packet thread that handles ARP and ND).
#ifndef LB_L4_ADDRESS_CLAIM_H_
#define LB_L4_ADDRESS_CLAIM_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::l4 {

class AddressClaim {
 public:
  static constexpr int kProbeCount = 3;
  static constexpr absl::Duration kProbeInterval = absl::Milliseconds(200);
  static constexpr absl::Duration kSecondAnnouncement =
      absl::Milliseconds(1200);
  static constexpr absl::Duration kRetry = absl::Seconds(10);
  static constexpr absl::Duration kDefendInterval = absl::Seconds(10);

  enum class State : uint8_t { kReleased, kProbing, kConflict, kClaimed };
  enum class Send : uint8_t { kProbe, kAnnouncement };
  struct Action {
    Send send;
    Address address;
  };

  // Wants exactly `addresses`; new ones are probed first, or with `at_once`
  // claimed and announced without asking. Those wanted before stay as they are.
  void Want(Instant now, const std::vector<Address>& addresses, bool at_once);
  // Says again that we hold what we hold: a link has come up.
  void Reannounce(Instant now);
  // Somebody else spoke for `address`. True if we hold it (a conflict).
  bool OnForeignClaim(Instant now, const Address& address);

  // What an operator should hear of. An address in use is told once, until it
  // is claimed, and one that had to be defended each time.
  struct News {
    enum class Kind : uint8_t { kInUse, kDefended, kClaimedAfterUse };
    Kind kind;
    Address address;
  };
  static constexpr size_t kNewsMax = 256;  // What is more is not told.
  std::vector<News> TakeNews() { return std::exchange(news_, {}); }
  bool has_news() const { return !news_.empty(); }
  // What is due now; call again at deadline().
  std::vector<Action> Step(Instant now);
  Instant deadline() const { return deadline_; }

  bool claimed(const Address& address) const {
    const auto it = entries_.find(address);
    return it != entries_.end() && it->second.state == State::kClaimed;
  }
  State state(const Address& address) const {
    const auto it = entries_.find(address);
    return it == entries_.end() ? State::kReleased : it->second.state;
  }

 private:
  struct Entry {
    State state = State::kProbing;
    int left = 0;  // Probes or announcements still to send.
    Instant next;  // When; Never() when nothing is due.
    // An announcement besides, at once. It takes the place of none: of two
    // units that claim an address, the one that took it last is to be heard
    // last, by everybody.
    bool defending = false;
    Instant defended = Instant::FromNanos(INT64_MIN / 2);
    bool told_in_use = false;
  };
  void Tell(News::Kind kind, const Address& address);
  void UpdateDeadline();

  absl::flat_hash_map<Address, Entry> entries_;
  Instant deadline_ = Instant::Never();
  std::vector<News> news_;
};

}  // namespace ballast::l4

#endif  // LB_L4_ADDRESS_CLAIM_H_
