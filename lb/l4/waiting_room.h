// Frames that wait for their next hop's MAC: few, and not for long.
//
// Bounded in all, per next hop and in time, so that one silent neighbour keeps
// neither buffers nor other hops from anyone.
//
// Ownership  a waiting frame is the room's; Take() gives it back, with the hop
//            that has been resolved meanwhile or the reason it must be dropped.
// Cost       Add O(waiting), only for frames that cannot leave anyway.
// Threads    one.
#ifndef LB_L4_WAITING_ROOM_H_
#define LB_L4_WAITING_ROOM_H_

#include <cstddef>
#include <deque>
#include <optional>

#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/l4/drop_reason.h"
#include "lb/l4/next_hop.h"

namespace ballast::l4 {

class WaitingRoom {
 public:
  static constexpr size_t kPerHopMax = 16;
  static constexpr absl::Duration kPatience = absl::Seconds(1);

  explicit WaitingRoom(size_t frame_count_max)
      : frame_count_max_(frame_count_max) {}

  struct Waiting {
    Frame frame;
    NeighbourKey key;
    Instant until;
  };

  // False when full for this hop or in all: the frame stays the caller's.
  bool Add(Instant now, const Frame& frame, const NeighbourKey& key) {
    size_t same = 0;
    for (const Waiting& w : waiting_) same += w.key == key;
    if (waiting_.size() >= frame_count_max_ || same >= kPerHopMax) return false;
    waiting_.push_back({frame, key, now + kPatience});
    return true;
  }

  // The next frame whose hop is resolved in `view`, or whose time is up
  // (resolved is then empty); nullopt when all others go on waiting.
  struct Taken {
    Frame frame;
    NeighbourKey key;
    std::optional<MacAddress> resolved;
  };
  std::optional<Taken> Take(Instant now, const ForwardingView& view) {
    for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
      std::optional<MacAddress> mac;
      if (it->key.port < view.ports().size() && view.ports()[it->key.port].up) {
        mac = view.FindNeighbour(it->key);
      }
      if (mac.has_value() || it->until <= now) {
        Taken taken{it->frame, it->key, mac};
        waiting_.erase(it);
        return taken;
      }
    }
    return std::nullopt;
  }

  size_t size() const { return waiting_.size(); }

 private:
  size_t frame_count_max_;
  std::deque<Waiting> waiting_;
};

}  // namespace ballast::l4

#endif  // LB_L4_WAITING_ROOM_H_
