// The reactor for where io_uring is not to be had. For io/ only: use
// MakeReactor().
//
// Edge triggered: an operation's system call is tried first, and again whenever
// its descriptor becomes ready. A descriptor is registered when an operation
// first has to wait on it; the kernel forgets it when it is closed.
#ifndef IO_EPOLL_REACTOR_H_
#define IO_EPOLL_REACTOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/reactor.h"
#include "io/reactor_core.h"

namespace ballast {

class EpollReactor final : public ReactorCore {
 public:
  static absl::StatusOr<std::unique_ptr<Reactor>> Make(
      const ReactorOptions& options);
  ~EpollReactor() override;

  int fd() override;
  std::string Describe() const override { return "epoll"; }

 private:
  // Who waits on a descriptor.
  struct Waiters {
    Operation* reader = nullptr;
    Operation* writer = nullptr;
    Operation* poller = nullptr;
    bool registered = false;  // With epoll, since somebody began to wait.
  };

  explicit EpollReactor(const ReactorOptions& options) : ReactorCore(options) {}

  void Turn(Instant deadline) override;
  bool HasResults(const Operation*) override { return false; }
  void OnEvent(int fd, uint32_t events);
  // Tries the system call; `events` is what epoll said, 0 if nothing yet.
  void Try(Operation* op, uint32_t events);
  void TryConnect(Operation* op, uint32_t events);
  void TrySend(Operation* op);
  void TryReadWrite(Operation* op);
  void TryPoll(Operation* op, uint32_t events);
  void Settle(Operation* op, Tried tried, int32_t result);
  // Parks it until the descriptor is ready; false if that ended it.
  bool Wait(Operation* op);
  void End(Operation* op, int32_t result);
  Operation*& SlotOf(Operation* op);

  int epoll_fd_ = -1;
  std::vector<Waiters> waiters_;  // By descriptor.
};

}  // namespace ballast

#endif  // IO_EPOLL_REACTOR_H_
