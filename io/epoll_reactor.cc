#include "io/epoll_reactor.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

// epoll's and poll's event bits are the same numbers.
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
              EPOLLHUP == POLLHUP && EPOLLPRI == POLLPRI);
constexpr uint32_t kAlways = EPOLLERR | EPOLLHUP;
constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | kAlways;
constexpr uint32_t kWriteEvents = EPOLLOUT | kAlways;

uint32_t PollNow(int fd, uint32_t events) {
  pollfd p = {.fd = fd, .events = static_cast<int16_t>(events), .revents = 0};
  return poll(&p, 1, 0) == 1 ? static_cast<uint16_t>(p.revents) : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reactor>> EpollReactor::Make(
    const ReactorOptions& options) {
  std::unique_ptr<EpollReactor> reactor(new EpollReactor(options));
  BALLAST_RETURN_IF_ERROR(reactor->OpenWakeDescriptors());
  reactor->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (reactor->epoll_fd_ < 0) {
    return absl::ErrnoToStatus(errno, "epoll_create1");
  }
  for (const int fd : {reactor->wake_fd(), reactor->timer_fd()}) {
    epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
    if (epoll_ctl(reactor->epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      return absl::ErrnoToStatus(errno, "epoll_ctl");
    }
  }
  return reactor;
}

EpollReactor::~EpollReactor() {
  CancelAll();
  if (epoll_fd_ < 0) return;  // Make() failed.
  RunUntilIdle();
  close(epoll_fd_);
}

int EpollReactor::fd() {
  SetDrivenFromOutside();
  return epoll_fd_;
}

void EpollReactor::Turn(Instant deadline) {
  TakeQueue();
  while (Operation* op = NextQueued()) {
    if (op->cancelled_) {
      End(op, CancelledResult(op));
    } else if (op->fd_ < 0) {
      End(op, -EBADF);
    } else {
      Operation*& slot = SlotOf(op);
      BALLAST_CHECK(slot == nullptr || slot == op);  // One of a sort at a time.
      slot = op;
      Try(op, 0);
    }
  }

  const Instant until = WaitUntil(deadline);
  timespec wait = {};
  if (until > Now()) {
    const int64_t ns = until.nanos() - Now().nanos();
    wait.tv_sec = ns / 1'000'000'000;
    wait.tv_nsec = ns % 1'000'000'000;
  }
  std::array<epoll_event, 256> events;
  const int n =
      epoll_pwait2(epoll_fd_, events.data(), events.size(),
                   until == Instant::Never() ? nullptr : &wait, nullptr);
  BALLAST_CHECK(n >= 0 || errno == EINTR);
  ReadClock();
  for (int i = 0; i < n; ++i) OnEvent(events[i].data.fd, events[i].events);
}

void EpollReactor::OnEvent(int fd, uint32_t events) {
  if (fd == wake_fd()) return OnWakeReadable();
  if (static_cast<size_t>(fd) >= waiters_.size()) return;  // The timer.
  // Looked up afresh each time: a handler may end any of them, or close the
  // descriptor. One that does not wait here, or is cancelled, is in the queue.
  const auto waits = [](const Operation* op) {
    return op != nullptr && op->in_backend_ && !op->cancelled_;
  };
  Operation* op = waiters_[fd].reader;
  if (waits(op) && (events & kReadEvents) != 0) Try(op, events);
  op = waiters_[fd].writer;
  if (waits(op) && (events & kWriteEvents) != 0) Try(op, events);
  op = waiters_[fd].poller;
  if (waits(op)) Try(op, events);
}

void EpollReactor::Try(Operation* op, uint32_t events) {
  int32_t result = 0;
  switch (op->kind_) {
    case Operation::Kind::kAccept: {
      const Tried tried = TryAccept(op, &result);
      return Settle(op, tried, result);
    }
    case Operation::Kind::kReceive: {
      // With an event in hand, what comes after a short result brings another;
      // the peer's end may be in this one already.
      const bool until_short =
          (events & EPOLLIN) != 0 && (events & (EPOLLRDHUP | kAlways)) == 0;
      const Tried tried = TryReceive(op, &result, until_short);
      return Settle(op, tried, result);
    }
    case Operation::Kind::kConnect:
      return TryConnect(op, events);
    case Operation::Kind::kSend:
      return TrySend(op);
    case Operation::Kind::kRead:
    case Operation::Kind::kWrite:
      return TryReadWrite(op);
    case Operation::Kind::kPoll:
      return TryPoll(op, events);
    default:
      BALLAST_CHECK(false);
  }
}

void EpollReactor::Settle(Operation* op, Tried tried, int32_t result) {
  switch (tried) {
    case Tried::kWouldBlock:
      Wait(op);
      return;
    case Tried::kAgain:
      return Requeue(op);
    case Tried::kFinal:
      return End(op, result);
    case Tried::kNoBuffer:
      return Starve(op);
    case Tried::kCancelled:
      return;
  }
}

void EpollReactor::TryConnect(Operation* op, uint32_t events) {
  if (events == 0) {
    if (connect(op->fd_, reinterpret_cast<const sockaddr*>(op->data_),
                op->length_) == 0) {
      return End(op, 0);
    }
    if (errno != EINPROGRESS && errno != EINTR) return End(op, -errno);
    Wait(op);
    return;
  }
  // Not connect() again: after a failure that would begin another attempt.
  if (PollNow(op->fd_, POLLOUT) == 0) return;
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(op->fd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
    error = errno;
  }
  End(op, -error);
}

void EpollReactor::TrySend(Operation* op) {
  while (op->progress_ < op->length_) {
    const ssize_t n =
        send(op->fd_, op->data_ + op->progress_, op->length_ - op->progress_,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        Wait(op);
        return;
      }
      return End(
          op, op->progress_ > 0 ? static_cast<int32_t>(op->progress_) : -errno);
    }
    op->progress_ += static_cast<uint32_t>(n);
  }
  End(op, static_cast<int32_t>(op->progress_));
}

void EpollReactor::TryReadWrite(Operation* op) {
  ssize_t n;
  do {
    if (op->kind_ == Operation::Kind::kRead) {
      n = op->offset_ < 0 ? read(op->fd_, op->data_, op->length_)
                          : pread(op->fd_, op->data_, op->length_, op->offset_);
    } else {
      n = op->offset_ < 0
              ? write(op->fd_, op->data_, op->length_)
              : pwrite(op->fd_, op->data_, op->length_, op->offset_);
    }
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    Wait(op);
    return;
  }
  End(op, n < 0 ? -errno : static_cast<int32_t>(n));
}

void EpollReactor::TryPoll(Operation* op, uint32_t events) {
  if (events == 0) {
    const bool reported = waiters_[op->fd_].registered;
    if (!Wait(op)) return;
    // A new registration brings an event for what is ready already. A regular
    // file takes no registration.
    if (reported || waiters_[op->fd_].registered == false) {
      events = PollNow(op->fd_, op->length_);
    }
  }
  const uint32_t ready = events & (op->length_ | kAlways);
  if (ready != 0) Deliver(op, static_cast<int32_t>(ready));
}

bool EpollReactor::Wait(Operation* op) {
  Waiters& waiters = waiters_[op->fd_];
  if (!waiters.registered) {
    epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
        .data = {.fd = op->fd_}};
    int r = epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, op->fd_, &event);
    if (r != 0 && errno == EEXIST) {
      // From before; modifying it reports again what is ready already.
      r = epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, op->fd_, &event);
    }
    // EPERM: a regular file, always ready and never an event.
    if (r != 0 && errno != EPERM) {
      End(op, -errno);
      return false;
    }
    waiters.registered = r == 0;
  }
  Park(op);
  return true;
}

void EpollReactor::End(Operation* op, int32_t result) {
  if (op->fd_ >= 0 && static_cast<size_t>(op->fd_) < waiters_.size()) {
    Waiters& waiters = waiters_[op->fd_];
    if (waiters.reader == op) waiters.reader = nullptr;
    if (waiters.writer == op) waiters.writer = nullptr;
    if (waiters.poller == op) waiters.poller = nullptr;
    // The caller may close it now, and the number may come back as another.
    if (waiters.reader == nullptr && waiters.writer == nullptr &&
        waiters.poller == nullptr) {
      waiters.registered = false;
    }
  }
  Finish(op, result);
}

Operation*& EpollReactor::SlotOf(Operation* op) {
  const size_t fd = static_cast<size_t>(op->fd_);
  if (fd >= waiters_.size()) waiters_.resize(std::max(fd + 1, 2 * fd));
  Waiters& waiters = waiters_[fd];
  switch (op->kind_) {
    case Operation::Kind::kAccept:
    case Operation::Kind::kReceive:
    case Operation::Kind::kRead:
      return waiters.reader;
    case Operation::Kind::kPoll:
      return waiters.poller;
    default:
      return waiters.writer;
  }
}

}  // namespace ballast
