// Puts a leader's datagrams in order (R1): what comes too early is kept until
// its turn, what is missing is known by position.
//
// Bounds   as many positions ahead as the window has; memory grows with what
//          is kept, and stays.
// Cost     in order: a comparison. Early: a copy.
// Threads  one.
#ifndef HA_INCOMING_CHANGES_H_
#define HA_INCOMING_CHANGES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ha/sync_datagram.h"

namespace ballast::ha {

class IncomingChanges {
 public:
  explicit IncomingChanges(size_t window) : window_(window) {}

  // Everything up to `applied` is here, nothing else is.
  void Reset(uint64_t applied);
  uint64_t applied() const { return applied_; }

  enum class Arrival : uint8_t {
    kNext,
    kEarly,      // Keep() it.
    kDuplicate,  // Applied, or kept, before.
    kTooEarly,   // Beyond the window; known to exist from here on.
    kOlder,      // Of an earlier leadership.
    kNewer,      // Of a later one.
  };
  Arrival Classify(uint64_t position);
  // kNext or kEarly ones.
  void Keep(uint64_t position, std::span<const uint8_t> datagram);

  // The next one, if it was kept.
  std::span<const uint8_t> Next() const;
  // The next one is applied; was it asked for?
  bool Advance();
  // The next one was not what it should be; it is missing again.
  void DropNext();

  // The leader has sent up to here.
  void Announce(uint64_t position);
  // The last one the leader is known to have sent.
  uint64_t last_known() const { return last_known_; }
  bool missing() const { return applied_ < last_known_; }
  // Some later one has arrived, so that is not only on its way.
  bool overtaken() const { return applied_ < last_arrived_; }

  // The first ranges that are missing, and how many datagrams in them were
  // never asked for before; from now on they were.
  size_t AskMissing(size_t ranges_max, std::vector<SyncRange>& ranges);

 private:
  struct Place {
    bool kept = false;
    bool asked = false;
    std::vector<uint8_t> datagram;
  };
  Place& At(uint64_t position) { return places_[position % window_]; }
  const Place& At(uint64_t position) const {
    return places_[position % window_];
  }

  const size_t window_;
  std::vector<Place> places_;  // Of positions applied_ + 1 .. + window_.
  uint64_t applied_ = 0;
  uint64_t last_known_ = 0;
  uint64_t last_arrived_ = 0;
};

}  // namespace ballast::ha

#endif  // HA_INCOMING_CHANGES_H_
