// A thread that runs one PacketRunner until it is told to stop, and takes
// orders from the control thread through a bounded mailbox.
//
// Orders run between rounds, so nothing they touch needs a lock. Statistics are
// read from the director's counters without one.
//
// Threads  Post, Call, Answers, beats, changes_lost and the counters: any.
// Start, Stop: the owner's.
#ifndef LB_RUN_PACKET_THREAD_H_
#define LB_RUN_PACKET_THREAD_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "io/packet_io.h"
#include "io/unique_fd.h"
#include "lb/l4/director.h"
#include "lb/run/packet_runner.h"

namespace ballast::run {

class PacketThread {
 public:
  static constexpr size_t kMailboxMax = 1024;
  using Order = absl::AnyInvocable<void(Instant, l4::Director&)>;

  // `io` must have a descriptor.
  static absl::StatusOr<std::unique_ptr<PacketThread>> Start(
      std::unique_ptr<PacketIo> io, std::unique_ptr<l4::Director> director,
      PacketRunner::Hooks hooks = {});
  // Stops and joins.
  ~PacketThread();
  PacketThread(const PacketThread&) = delete;
  PacketThread& operator=(const PacketThread&) = delete;

  // Has `order` run on the thread, in order. False: the mailbox is full, which
  // means the thread has not run for long; the order is dropped.
  [[nodiscard]] bool Post(Order order);
  // As Post, and waits until it has run. False: it will not.
  bool Call(Order order);
  // Whether the thread has come by for its mail since it was last asked, which
  // is waited for as long as `patience`. True: it runs, so a Call() will not
  // take long. One caller at a time.
  bool Answers(absl::Duration patience);
  void Stop();

  // Grows by at least one every 100 ms while the thread runs.
  uint64_t beats() const { return beats_.load(std::memory_order_relaxed); }

  const l4::AllCounters& counters() const { return director_->counters(); }
  uint64_t changes_lost() const { return director_->changes_lost(); }
  // As of the last round.
  PacketIoStats io_stats() const;

 private:
  PacketThread(std::unique_ptr<PacketIo> io,
               std::unique_ptr<l4::Director> director,
               PacketRunner::Hooks hooks, UniqueFd wake)
      : io_(std::move(io)),
        director_(std::move(director)),
        runner_(*io_, *director_, std::move(hooks)),
        wake_(std::move(wake)) {}
  void Run();
  void RunOrders();

  std::unique_ptr<PacketIo> io_;
  std::unique_ptr<l4::Director> director_;
  PacketRunner runner_;
  UniqueFd wake_;  // eventfd.
  std::atomic<bool> stop_{false};
  std::atomic<bool> pending_{false};  // The mailbox is not empty.
  std::atomic<uint64_t> beats_{0};
  mutable std::mutex mutex_;
  std::deque<Order> mailbox_;
  // Of Answers().
  bool asked_ = false;
  bool answered_ = false;
  std::condition_variable came_by_;
  PacketIoStats io_stats_;
  std::thread thread_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PACKET_THREAD_H_
