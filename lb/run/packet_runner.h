// Joins one PacketIo and one Director: a round takes a batch in, carries out
// the verdicts, and sends what the director has of its own.
//
// What the output does not take at once waits in a bounded outbox; while that
// is full nothing is received, so that pressure ends in the kernel's receive
// queue, which counts what it drops.
//
// Lease    an active unit that was not scheduled for long must not go on as if
//          nothing had been: its partner is active by now. So with a lease the
//          clock is read after frames came in and again before they go out, and
//          what is late is dropped (lease_expired).
// Cost     no allocation, two virtual calls of PacketIo per batch; with a lease
//          two or three looks at the clock.
// Threads  one. Neither `io` nor `director` is owned; both outlive the runner.
#ifndef LB_RUN_PACKET_RUNNER_H_
#define LB_RUN_PACKET_RUNNER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "io/base/instant.h"
#include "io/packet_io.h"
#include "lb/l4/address_claim.h"
#include "lb/l4/director.h"

namespace ballast::run {

class PacketRunner {
 public:
  struct Hooks {
    // Called on the runner's thread with next hops to be kept resolved.
    std::function<void(std::vector<l4::NeighbourKey>)> on_wanted_hops;
    // The same with servers that refused a new flow.
    std::function<void(std::vector<l4::Slot>)> on_refused;
    // The same with floating addresses that somebody else has.
    std::function<void(std::vector<l4::AddressClaim::News>)> on_address_news;
    // The same each round while there are changes for the partner.
    std::function<void()> on_changes;
    // The other threads' counters: read every millisecond.
    std::vector<const l4::AllCounters*> others;
    // Nanoseconds of `clock`: until when an active unit may send. Renewed by
    // the control thread, read each round; outlives the runner. Null: always.
    const std::atomic<int64_t>* lease_ns = nullptr;
    std::function<Instant()> clock;  // With lease_ns: MonotonicNow.
  };
  PacketRunner(PacketIo& io, l4::Director& director)
      : PacketRunner(io, director, Hooks()) {}
  PacketRunner(PacketIo& io, l4::Director& director, Hooks hooks)
      : io_(io), director_(director), hooks_(std::move(hooks)) {}
  ~PacketRunner();
  PacketRunner(const PacketRunner&) = delete;
  PacketRunner& operator=(const PacketRunner&) = delete;

  // One round; returns how many frames came in. Call again at once while that
  // is PacketIo::kBatchMax, else when io.fd() is readable or after Tick's time.
  size_t RunOnce(Instant now);

  // How long a round may be put off when nothing comes in: expiry, frames that
  // wait for a neighbour, announcements.
  static constexpr absl::Duration kTick = absl::Milliseconds(5);

  // Frames that wait for the output. Nonzero: call RunOnce() again soon.
  size_t outbox() const { return outbox_size_; }

 private:
  static constexpr size_t kBatch = PacketIo::kBatchMax;

  void Carry(std::span<const Frame> frames,
             std::span<const l4::Verdict> verdicts);
  void Flush(Instant now);
  // The time now, if a lease makes it matter, and the lease as it is now.
  Instant Renew(Instant now);

  PacketIo& io_;
  l4::Director& director_;
  const Hooks hooks_;
  Instant next_emit_ = Instant::FromNanos(0);
  Instant next_foreign_ = Instant::FromNanos(0);
  std::array<Frame, 4 * kBatch> outbox_;
  size_t outbox_size_ = 0;
  std::array<Frame, kBatch> frames_;
  std::array<l4::Verdict, kBatch> verdicts_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PACKET_RUNNER_H_
