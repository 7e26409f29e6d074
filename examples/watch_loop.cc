#include "examples/watch_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ballast {

WatchLoop::WatchLoop(std::initializer_list<int> signals)
    : loop_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC));
  OnReadable(signal_fd_.get(), [this] {
    signalfd_siginfo info;
    if (read(signal_fd_.get(), &info, sizeof(info)) != sizeof(info)) return;
    const auto call = signals_.find(static_cast<int>(info.ssi_signo));
    if (call != signals_.end()) call->second();
  });
  OnReadable(timer_.get(), [this] {
    uint64_t expirations;
    (void)!read(timer_.get(), &expirations, sizeof(expirations));
    if (second_) second_();
  });
}

void WatchLoop::OnSignal(int number, std::function<void()> call) {
  signals_[number] = std::move(call);
}

void WatchLoop::OnReadable(int fd, std::function<void()> call) {
  fds_[fd] = std::move(call);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  // A regular file as standard input is refused, and not watched.
  epoll_ctl(loop_.get(), EPOLL_CTL_ADD, fd, &event);
}

void WatchLoop::OnLine(std::function<void(absl::string_view)> call) {
  line_ = std::move(call);
  OnReadable(STDIN_FILENO, [this] { ReadLines(); });
}

void WatchLoop::ReadLines() {
  char buffer[kLineMax];
  const ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
  if (got <= 0) {
    epoll_ctl(loop_.get(), EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    return;
  }
  rest_.append(buffer, static_cast<size_t>(got));
  size_t begin = 0;
  for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    line_(absl::string_view(rest_).substr(begin,
                                          std::min(end - begin, kLineMax)));
  }
  rest_.erase(0, begin);
  if (rest_.size() > kLineMax) rest_.resize(kLineMax);
}

absl::Status WatchLoop::Run() {
  if (!loop_.valid() || !timer_.valid() || !signal_fd_.valid()) {
    return absl::ErrnoToStatus(errno, "epoll, timerfd or signalfd");
  }
  const itimerspec each_second{{1, 0}, {1, 0}};
  timerfd_settime(timer_.get(), 0, &each_second, nullptr);
  while (running_) {
    epoll_event events[8];
    const int count = epoll_wait(loop_.get(), events, 8, -1);
    for (int i = 0; i < count && running_; ++i) fds_.at(events[i].data.fd)();
  }
  return absl::OkStatus();
}

}  // namespace ballast
