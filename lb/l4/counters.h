// Counters one thread writes and any thread may read: a plain add for the
// writer, never torn for the reader. Readers sum over threads.
#ifndef LB_L4_COUNTERS_H_
#define LB_L4_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "lb/l4/drop_reason.h"

namespace ballast::l4 {

class Counter {
 public:
  // The one writing thread's.
  void Add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n,
                 std::memory_order_relaxed);
  }
  void Sub(uint64_t n) { Add(-n); }
  void Reset() { value_.store(0, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// One cache line: what a packet of an established flow touches.
struct alignas(64) ServerCounters {
  Counter connections;             // Ever opened.
  Counter open;                    // In the table now.
  Counter active;                  // Of those, not closing (IPVS's active).
  Counter packets_in, bytes_in;    // From clients. Bytes are of IP packets.
  Counter packets_out, bytes_out;  // From the server; none seen with DSR.

  // For the slot's next server. Not while flows are open.
  void Reset() {
    for (Counter* counter : {&connections, &open, &active, &packets_in,
                             &bytes_in, &packets_out, &bytes_out}) {
      counter->Reset();
    }
  }
};

struct ServiceCounters {
  Counter refused;    // New flows no server or no room was found for.
  Counter stateless;  // Packets forwarded by hash for want of table room.
  // Of services that go by a message: datagrams that followed a persistence
  // entry, and those that had nothing to go by.
  Counter followed;
  Counter keyless;

  void Reset() {
    for (Counter* counter : {&refused, &stateless, &followed, &keyless}) {
      counter->Reset();
    }
  }
};

// What happened on a director, frame by frame. At any time
//   received + made = sent + punted + waiting for a next hop + all drops.
// A packet dropped with an ICMP error counts as a drop, its error as made.
struct DirectorCounters {
  Counter received;
  Counter made;       // Frames nobody sent us: errors, resets, announcements.
  Counter sent;       // Verdict kSend.
  Counter punted;     // Verdict kSend to the host's port.
  Counter forwarded;  // Of the sent: packets of flows.
  Counter answered;   // Of the sent: ARP, ND, echo and ICMP errors of our own.
  Counter resets;     // TCP resets made.
  Counter address_conflicts;  // Another host claimed a floating address.
  Counter flows_absorbed;     // Reports of the fast path taken in.
  // Fragmented datagrams whose place in a full table went to a newer one: their
  // later fragments will be unknown.
  Counter fragments_evicted;
  std::array<Counter, static_cast<size_t>(DropReason::kCount)> drops;
};

}  // namespace ballast::l4

#endif  // LB_L4_COUNTERS_H_
