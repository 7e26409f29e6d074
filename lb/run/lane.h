// One packet lane: a PacketIo with its director, on a thread of its own or on
// the control thread. What the control thread wants done, it posts.
//
// Threads  the control thread's, but for what runs inside.
#ifndef LB_RUN_LANE_H_
#define LB_RUN_LANE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "io/af_packet_io.h"
#include "io/clock.h"
#include "lb/l4/director.h"
#include "lb/run/packet_thread.h"

namespace ballast::run {

class Lane {
 public:
  using Order = PacketThread::Order;

  Lane(std::unique_ptr<AfPacketIo> io, std::unique_ptr<l4::Director> director)
      : af_packet_(io.get()),
        io_(std::move(io)),
        director_(std::move(director)) {}

  const l4::AllCounters& counters() const {
    return thread_ ? thread_->counters() : director_->counters();
  }
  uint64_t changes_lost() const {
    return thread_ ? thread_->changes_lost() : director_->changes_lost();
  }
  // Whether its director has changes for the partner: set on the lane's thread,
  // by the runner's hook and by the order that takes them.
  std::atomic<bool>& has_changes() { return has_changes_; }
  // Before a start.
  l4::Director& director() { return *director_; }

  absl::Status StartThread(PacketRunner::Hooks hooks) {
    auto thread = PacketThread::Start(std::move(io_), std::move(director_),
                                      std::move(hooks));
    if (!thread.ok()) return thread.status();
    thread_ = std::move(*thread);
    return absl::OkStatus();
  }
  void StartHere(PacketRunner::Hooks hooks) {
    runner_ =
        std::make_unique<PacketRunner>(*io_, *director_, std::move(hooks));
  }

  // Ends and joins the thread, if there is one.
  void Stop() {
    if (thread_) thread_->Stop();
  }

  // False: the thread has not taken orders for long, and this one is dropped.
  [[nodiscard]] bool Post(Order order) {
    if (thread_) return thread_->Post(std::move(order));
    order(MonotonicNow(), *director_);
    return true;
  }
  // Waits until it has run.
  [[nodiscard]] bool Call(Order order) {
    if (thread_) return thread_->Call(std::move(order));
    order(MonotonicNow(), *director_);
    return true;
  }

  // As PacketThread::Answers(); the control thread always does.
  bool Answers(absl::Duration patience) {
    return !thread_ || thread_->Answers(patience);
  }

  // Of its thread: grows ten times a second. 0 on the control thread.
  uint64_t beats() const { return thread_ ? thread_->beats() : 0; }

  PacketIoStats io_stats() const {
    return thread_ ? thread_->io_stats() : io_->stats();
  }
  // To be used on the lane's thread only.
  AfPacketIo& af_packet() { return *af_packet_; }
  // Null on a thread of its own.
  PacketRunner* runner() { return runner_.get(); }
  int fd() const { return io_->fd(); }

 private:
  AfPacketIo* af_packet_;
  // One of: not started; io, director and runner; thread, which owns the
  // others.
  std::unique_ptr<PacketIo> io_;
  std::unique_ptr<l4::Director> director_;
  std::unique_ptr<PacketRunner> runner_;
  std::unique_ptr<PacketThread> thread_;
  std::atomic<bool> has_changes_{false};
};

}  // namespace ballast::run

#endif  // LB_RUN_LANE_H_
