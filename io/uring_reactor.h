// The reactor on io_uring. For io/ only: use MakeReactor().
//
// A turn hands everything queued to the kernel and waits in one system call. A
// multishot operation that the kernel ends by itself (its completion queue was
// full, say) is quietly started again, so that the caller sees one operation.
// Where the kernel lacks multishot receive, receiving is polling and recv().
// A descriptor on which buffers come full is received from one by one.
// The kernel has few receive buffers at a time, about twice what a turn uses:
// it goes round in those it has, and the fewer they are the more of them is
// still in the cache.
#ifndef IO_URING_REACTOR_H_
#define IO_URING_REACTOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "io/reactor.h"
#include "io/reactor_core.h"
#include "io/uring_ring.h"

namespace ballast {

class UringReactor final : public ReactorCore {
 public:
  static absl::StatusOr<std::unique_ptr<Reactor>> Make(
      const ReactorOptions& options);
  ~UringReactor() override;

  int fd() override;
  std::string Describe() const override;

 private:
  UringReactor(const ReactorOptions& options, std::unique_ptr<UringRing> ring);

  void Turn(Instant deadline) override;
  bool HasResults(const Operation* op) override;
  void Enable();
  void RefillBuffers();
  void GrowBuffers();
  // nullptr when the queue is full and the kernel takes nothing from it now.
  io_uring_sqe* GetSqe();
  void Begin(Operation* op);
  void Prepare(Operation* op, io_uring_sqe* sqe);
  void BeginCancel(Operation* op);
  void WatchDescriptor(int fd, uint64_t user_data);
  void Enter(Instant until);
  void Reap();

  // The Receive() that a completion belongs to; null: it is of something else.
  static Operation* ReceiveOf(uint64_t user_data);
  void OnCompletion(uint64_t user_data, int32_t result, uint32_t flags);
  void OnReady(Operation* op, int32_t result);
  void OnMultishot(Operation* op, int32_t result, uint32_t flags);
  // Remembers whether much comes, for how to receive next.
  void CountBulk(Operation* op, uint32_t size);
  void OnSend(Operation* op, int32_t result, uint32_t flags);
  void OnSingle(Operation* op, int32_t result);
  // -EAGAIN and -EINTR are not for the caller: the operation is tried again,
  // after the former once the descriptor is ready. A cancelled one has ended.
  bool RetryInstead(Operation* op, int32_t result);

  std::unique_ptr<UringRing> ring_;
  const bool plain_;
  const uint32_t zero_copy_bytes_min_;
  // Completions before this one have been looked at by Reap() or HasResults(),
  // which counts them in Operation::progress_.
  unsigned seen_ = 0;
  size_t buffers_wanted_;      // In the kernel at the beginning of a turn.
  size_t buffers_filled_ = 0;  // As many there were, at the last.
  size_t most_used_ = 0;       // In a turn, of the last turns_.
  uint32_t turns_ = 0;
};

}  // namespace ballast

#endif  // IO_URING_REACTOR_H_
