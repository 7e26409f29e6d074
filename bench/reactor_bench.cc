// Question  What does one echoed message cost on each backend, in CPU of the
//           reactor's thread, with 1, 64 and 1,000 connections busy at once?
// Method    both ends of each connection (AF_UNIX stream, 64 bytes a message)
//           belong to one reactor; every end answers what it receives. One
//           iteration is 1,000 messages received and answered.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "io/base/check.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

constexpr int64_t kPerIteration = 1000;

class End {
 public:
  End(Reactor* reactor, int fd, int64_t* messages)
      : reactor_(reactor), fd_(fd), messages_(messages) {
    reactor_->Receive(&receive_, fd_.get());
  }
  void Answer() { reactor_->Send(&send_, fd_.get(), message_); }

 private:
  void OnReceive(Completion completion) {
    if (!completion.more) return;
    ++*messages_;
    if (!send_.pending()) Answer();
  }
  void OnSent(Completion) {}

  Reactor* reactor_;
  UniqueFd fd_;
  int64_t* messages_;
  std::array<uint8_t, 64> message_{};
  Operation receive_ = Operation::To<&End::OnReceive>(this);
  Operation send_ = Operation::To<&End::OnSent>(this);
};

void BM_Echo(benchmark::State& state, ReactorOptions::Backend backend) {
  ReactorOptions options;
  options.backend = backend;
  options.buffer_count = 4096;
  auto made = MakeReactor(options);
  if (!made.ok()) {
    state.SkipWithError(made.status().ToString().c_str());
    return;
  }
  std::unique_ptr<Reactor> reactor = *std::move(made);
  int64_t messages = 0;
  std::vector<std::unique_ptr<End>> ends;
  for (int i = 0; i < state.range(0); ++i) {
    int fds[2];
    BALLAST_CHECK(socketpair(AF_UNIX,
                             SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                             fds) == 0);
    for (const int fd : fds) {
      ends.push_back(std::make_unique<End>(reactor.get(), fd, &messages));
    }
    ends.back()->Answer();
  }
  for (auto _ : state) {
    const int64_t before = messages;
    while (messages - before < kPerIteration) {
      reactor->RunOnce(Instant::Never());
    }
  }
  state.SetItemsProcessed(messages);
  reactor = nullptr;  // Before what its operations belong to.
}
BENCHMARK_CAPTURE(BM_Echo, epoll, ReactorOptions::Backend::kEpoll)
    ->ArgName("connections")
    ->Arg(1)
    ->Arg(64)
    ->Arg(1000);
BENCHMARK_CAPTURE(BM_Echo, io_uring, ReactorOptions::Backend::kIoUring)
    ->ArgName("connections")
    ->Arg(1)
    ->Arg(64)
    ->Arg(1000);

}  // namespace
}  // namespace ballast
