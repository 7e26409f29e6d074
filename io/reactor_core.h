// What both reactors share: starting and cancelling operations, timeouts, lent
// buffers, wake-ups from other threads and the frame of a turn. For io/ only; a
// backend derives from it and does the I/O in Turn().
//
// A started operation waits in a queue until Turn() takes it; the backend keeps
// it with Park() (waiting on a descriptor, or in the kernel), ends it with
// Finish(), or puts it back with Requeue(). A cancelled one comes through the
// queue too, whichever list it was in.
#ifndef IO_REACTOR_CORE_H_
#define IO_REACTOR_CORE_H_

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "io/base/instant.h"
#include "io/operation_list.h"
#include "io/operation_timers.h"
#include "io/reactor.h"
#include "io/receive_buffers.h"

namespace ballast {

class ReactorCore : public Reactor {
 public:
  explicit ReactorCore(const ReactorOptions& options);
  ~ReactorCore() override;

  void Accept(Operation* op, int listener) final;
  void Connect(Operation* op, int fd, const sockaddr* address,
               socklen_t length) final;
  void Receive(Operation* op, int fd) final;
  bool HasArrived(const Operation* op) final;
  void Send(Operation* op, int fd, std::span<const uint8_t> bytes) final;
  void SendAtOnce(Operation* op, int fd, std::span<const uint8_t> bytes) final;
  void Read(Operation* op, int fd, std::span<uint8_t> bytes,
            int64_t offset) final;
  void Write(Operation* op, int fd, std::span<const uint8_t> bytes,
             int64_t offset) final;
  void Poll(Operation* op, int fd, uint32_t events) final;
  void Timeout(Operation* op, Instant deadline) final;
  void AwaitWake(Operation* op) final;
  void Cancel(Operation* op) final;
  size_t RunOnce(Instant deadline) final;
  void Stop() final;
  void Wake() final;
  ReactorStats stats() const final { return stats_; }

 protected:
  // Takes over what is queued, waits for something to happen, at most until
  // WaitUntil(deadline), and delivers.
  virtual void Turn(Instant deadline) = 0;
  // Whether a Receive() has results that are out of its socket and have not
  // been delivered yet.
  virtual bool HasResults(const Operation* op) = 0;

  // Turn() begins with TakeQueue() and then asks for each.
  void TakeQueue();
  Operation* NextQueued() { return turn_queue_.PopFront(); }
  // In the past if there is reason not to wait.
  Instant WaitUntil(Instant deadline) const;
  void ReadClock();

  void Deliver(Operation* op, int32_t result, LentBuffer buffer = {}) {
    ++stats_.completions;
    op->handler_(op->owner_, Completion{result, true, std::move(buffer)});
  }
  // What went out of a send is told, even if it was cancelled.
  static int32_t CancelledResult(const Operation* op) {
    return op->kind_ == Operation::Kind::kSend && op->progress_ > 0
               ? static_cast<int32_t>(op->progress_)
               : -ECANCELED;
  }
  // `op` may be gone when this returns.
  void Finish(Operation* op, int32_t result);
  // Queues it for the next turn as it is, or as one the backend let go.
  void Retry(Operation* op) {
    OperationList::Unlink(op);
    queue_.PushBack(op);
  }
  void Requeue(Operation* op) {
    op->in_backend_ = false;
    Retry(op);
  }
  void Park(Operation* op) {
    op->in_backend_ = true;
    OperationList::Unlink(op);
    pending_.PushBack(op);
  }
  // Keeps a Receive() until a buffer is free, then requeues it.
  void Starve(Operation* op);

  // accept() or recv() until that would block, each result delivered.
  enum class Tried {
    kWouldBlock,  // Wait until the descriptor is ready.
    kAgain,       // It has had its share of this turn.
    kFinal,       // Over: *result is the final result.
    kNoBuffer,    // Starve() it.
    kCancelled,   // Cancelled by its handler, so it is in the queue.
  };
  Tried TryAccept(Operation* op, int32_t* result);
  // `until_short`: a result that fills no buffer was all there is.
  Tried TryReceive(Operation* op, int32_t* result, bool until_short = false);

  // An eventfd and a timerfd: the backend watches both for input, edge
  // triggered, and calls OnWakeReadable() for the first.
  absl::Status OpenWakeDescriptors();
  int wake_fd() const { return wake_fd_; }
  int timer_fd() const { return timer_fd_; }
  void OnWakeReadable();
  // From the first fd() on: what happens outside a turn makes wake_fd readable.
  void SetDrivenFromOutside();
  bool driven_from_outside() const { return driven_from_outside_; }

  // For the backends' destructors. After CancelAll() nothing new starts, and
  // everything pending is in the queue, cancelled.
  bool OnForeignThread() const;
  void CancelAll();
  void RunUntilIdle();
  void FinishQueued();

  ReceiveBuffers buffers_;
  size_t buffers_in_kernel_ = 0;  // Handed over to be received into.

 private:
  bool Start(Operation* op, Operation::Kind kind, int fd);
  bool HasWork() const;
  size_t AvailableBuffers() const {
    return buffers_.free_count() + buffers_in_kernel_;
  }
  void FireTimers();
  // Outside a turn, makes fd() readable so that there will be one.
  void Touch();
  void WriteWakeDescriptor();
  void ArmTimerDescriptor();

  OperationList queue_;       // For the next turn.
  OperationList turn_queue_;  // For this one.
  OperationList pending_;
  OperationList starved_;
  OperationTimers timers_;
  Operation* wake_operation_ = nullptr;
  bool wake_missed_ = false;  // A Wake() came when nobody awaited one.

  ReactorStats stats_;
  uint64_t completions_before_ = 0;  // At the beginning of this RunOnce().

  int wake_fd_ = -1;
  int timer_fd_ = -1;
  Instant armed_ = Instant::Never();  // What timer_fd_ is set to.
  bool running_ = false;
  bool closing_ = false;
  bool driven_from_outside_ = false;
  bool touched_ = false;
  std::thread::id thread_;

  bool TakeStop() final { return stop_.exchange(false); }
  std::atomic<bool> stop_{false};
  std::atomic<bool> wake_wanted_{false};
};

}  // namespace ballast

#endif  // IO_REACTOR_CORE_H_
