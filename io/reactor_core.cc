#include "io/reactor_core.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"

namespace ballast {
namespace {

// Of one descriptor and turn, so that a busy one does not starve the others.
constexpr int kTriesPerTurn = 16;

uint32_t Length(size_t size) {
  BALLAST_CHECK(size <= INT32_MAX);  // Else it would not fit a result.
  return static_cast<uint32_t>(size);
}

}  // namespace

void LentBuffer::GiveBack() { owner_->TakeBack(id_); }

ReactorCore::ReactorCore(const ReactorOptions& options)
    : buffers_(std::bit_ceil(options.buffer_count), options.buffer_size) {
  ReadClock();
}

ReactorCore::~ReactorCore() {
  if (wake_fd_ >= 0) close(wake_fd_);
  if (timer_fd_ >= 0) close(timer_fd_);
}

absl::Status ReactorCore::OpenWakeDescriptors() {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) return absl::ErrnoToStatus(errno, "eventfd");
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_fd_ < 0) return absl::ErrnoToStatus(errno, "timerfd_create");
  return absl::OkStatus();
}

// --- Starting and ending operations -----------------------------------------

bool ReactorCore::Start(Operation* op, Operation::Kind kind, int fd) {
  BALLAST_CHECK(!op->pending());
  if (closing_) return false;
  op->kind_ = kind;
  op->cancelled_ = false;
  op->in_backend_ = false;
  op->stage_ &= Operation::kKeptStages;
  op->fd_ = fd;
  op->progress_ = 0;
  Touch();
  return true;
}

void ReactorCore::Accept(Operation* op, int listener) {
  if (Start(op, Operation::Kind::kAccept, listener)) queue_.PushBack(op);
}

void ReactorCore::Connect(Operation* op, int fd, const sockaddr* address,
                          socklen_t length) {
  if (!Start(op, Operation::Kind::kConnect, fd)) return;
  op->data_ = reinterpret_cast<uint8_t*>(const_cast<sockaddr*>(address));
  op->length_ = length;
  queue_.PushBack(op);
}

void ReactorCore::Receive(Operation* op, int fd) {
  if (Start(op, Operation::Kind::kReceive, fd)) queue_.PushBack(op);
}

bool ReactorCore::HasArrived(const Operation* op) {
  BALLAST_CHECK(op->kind_ == Operation::Kind::kReceive);
  uint8_t byte;
  const ssize_t n = recv(op->fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n >= 0 || errno != EAGAIN) return true;
  return HasResults(op);  // Last: what leaves the socket goes there.
}

void ReactorCore::Send(Operation* op, int fd, std::span<const uint8_t> bytes) {
  if (!Start(op, Operation::Kind::kSend, fd)) return;
  op->data_ = const_cast<uint8_t*>(bytes.data());
  op->length_ = Length(bytes.size());
  queue_.PushBack(op);
}

void ReactorCore::SendAtOnce(Operation* op, int fd,
                             std::span<const uint8_t> bytes) {
  Send(op, fd, bytes);
  if (!op->pending()) return;  // The end of it all.
  const ssize_t n =
      send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  // The turn that takes it from the queue meets the error again.
  if (n > 0) op->progress_ = static_cast<uint32_t>(n);
}

void ReactorCore::Read(Operation* op, int fd, std::span<uint8_t> bytes,
                       int64_t offset) {
  if (!Start(op, Operation::Kind::kRead, fd)) return;
  op->data_ = bytes.data();
  op->length_ = Length(bytes.size());
  op->offset_ = std::max<int64_t>(offset, -1);
  queue_.PushBack(op);
}

void ReactorCore::Write(Operation* op, int fd, std::span<const uint8_t> bytes,
                        int64_t offset) {
  if (!Start(op, Operation::Kind::kWrite, fd)) return;
  op->data_ = const_cast<uint8_t*>(bytes.data());
  op->length_ = Length(bytes.size());
  op->offset_ = std::max<int64_t>(offset, -1);
  queue_.PushBack(op);
}

void ReactorCore::Poll(Operation* op, int fd, uint32_t events) {
  if (!Start(op, Operation::Kind::kPoll, fd)) return;
  op->length_ = events;
  queue_.PushBack(op);
}

void ReactorCore::Timeout(Operation* op, Instant deadline) {
  if (Start(op, Operation::Kind::kTimeout, -1)) timers_.Add(op, deadline);
}

void ReactorCore::AwaitWake(Operation* op) {
  BALLAST_CHECK(wake_operation_ == nullptr);
  if (!Start(op, Operation::Kind::kWake, -1)) return;
  wake_operation_ = op;
  if (std::exchange(wake_missed_, false)) Wake();
}

void ReactorCore::Cancel(Operation* op) {
  if (!op->pending() || op->cancelled_) return;
  op->cancelled_ = true;
  if (op->kind_ == Operation::Kind::kTimeout) timers_.Remove(op);
  if (op == wake_operation_) wake_operation_ = nullptr;
  OperationList::Unlink(op);
  queue_.PushBack(op);
  Touch();
}

void ReactorCore::Finish(Operation* op, int32_t result) {
  OperationList::Unlink(op);
  op->kind_ = Operation::Kind::kNone;
  ++stats_.completions;
  op->handler_(op->owner_, Completion{result, false, {}});
}

void ReactorCore::Starve(Operation* op) {
  op->in_backend_ = false;
  OperationList::Unlink(op);
  starved_.PushBack(op);
  ++stats_.receive_starved;
}

ReactorCore::Tried ReactorCore::TryAccept(Operation* op, int32_t* result) {
  for (int i = 0; i < kTriesPerTurn; ++i) {
    const int fd =
        accept4(op->fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return Tried::kWouldBlock;
      if (errno == EINTR) continue;
      *result = -errno;
      return Tried::kFinal;
    }
    Deliver(op, fd);
    if (op->cancelled_) return Tried::kCancelled;
  }
  return Tried::kAgain;
}

ReactorCore::Tried ReactorCore::TryReceive(Operation* op, int32_t* result,
                                           bool until_short) {
  for (int i = 0; i < kTriesPerTurn; ++i) {
    if (buffers_.free_count() == 0) return Tried::kNoBuffer;
    const uint16_t id = buffers_.Take();
    const ssize_t n =
        recv(op->fd_, buffers_.data(id), buffers_.size(), MSG_DONTWAIT);
    if (n <= 0) {
      const int error = errno;
      buffers_.PutBack(id);
      if (n < 0 && error == EAGAIN) return Tried::kWouldBlock;
      if (n < 0 && error == EINTR) continue;
      *result = n == 0 ? 0 : -error;
      return Tried::kFinal;
    }
    Deliver(op, static_cast<int32_t>(n),
            buffers_.Lend(id, static_cast<size_t>(n)));
    if (op->cancelled_) return Tried::kCancelled;
    if (until_short && static_cast<size_t>(n) < buffers_.size()) {
      return Tried::kWouldBlock;
    }
  }
  return Tried::kAgain;
}

// --- Turns ------------------------------------------------------------------

size_t ReactorCore::RunOnce(Instant deadline) {
  BALLAST_CHECK(!running_);
  if (thread_ == std::thread::id()) thread_ = std::this_thread::get_id();
  BALLAST_CHECK(thread_ == std::this_thread::get_id());
  running_ = true;
  completions_before_ = stats_.completions;
  ReadClock();
  Turn(deadline);
  FireTimers();
  if (driven_from_outside_) {
    if (HasWork())
      Turn(Instant());  // What the handlers started gets under way.
    ArmTimerDescriptor();
  }
  running_ = false;
  if (HasWork()) Touch();
  return stats_.completions - completions_before_;
}

bool ReactorCore::HasWork() const {
  return !queue_.empty() || (!starved_.empty() && AvailableBuffers() > 0);
}

void ReactorCore::TakeQueue() {
  for (size_t n = AvailableBuffers(); n > 0 && !starved_.empty(); --n) {
    queue_.PushBack(starved_.PopFront());
  }
  queue_.MoveTo(&turn_queue_);
}

Instant ReactorCore::WaitUntil(Instant deadline) const {
  if (stats_.completions != completions_before_ || HasWork()) return Instant();
  return std::min(deadline, timers_.earliest());
}

void ReactorCore::ReadClock() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  now_ = Instant::FromNanos(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

void ReactorCore::FireTimers() {
  // What the handlers start waits for the next turn, due or not.
  for (size_t n = timers_.size(); n > 0 && timers_.earliest() <= now_; --n) {
    Finish(timers_.Pop(), 0);
  }
}

// --- Wake-ups ---------------------------------------------------------------

void ReactorCore::WriteWakeDescriptor() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable.
  [[maybe_unused]] const ssize_t n = write(wake_fd_, &one, sizeof(one));
}

void ReactorCore::Stop() {
  stop_.store(true);
  WriteWakeDescriptor();
}

void ReactorCore::Wake() {
  if (!wake_wanted_.exchange(true)) WriteWakeDescriptor();
}

void ReactorCore::OnWakeReadable() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(wake_fd_, &count, sizeof(count));
  touched_ = false;
  if (!wake_wanted_.exchange(false)) return;
  if (wake_operation_ != nullptr) {
    Deliver(wake_operation_, 0);
  } else {
    wake_missed_ = true;
  }
}

void ReactorCore::SetDrivenFromOutside() {
  if (driven_from_outside_) return;
  BALLAST_CHECK(thread_ == std::thread::id());  // No turn yet.
  thread_ = std::this_thread::get_id();
  driven_from_outside_ = true;
  buffers_.set_on_return(
      [](void* self) {
        auto* reactor = static_cast<ReactorCore*>(self);
        if (!reactor->starved_.empty()) reactor->Touch();
      },
      this);
  Touch();
}

void ReactorCore::Touch() {
  if (!driven_from_outside_ || running_ || touched_) return;
  touched_ = true;
  WriteWakeDescriptor();
}

void ReactorCore::ArmTimerDescriptor() {
  if (armed_ <= now_) armed_ = Instant::Never();  // It has gone off.
  if (timers_.earliest() == armed_) return;
  armed_ = timers_.earliest();
  itimerspec spec = {};  // All zero disarms, and so does a missing deadline.
  if (armed_ != Instant::Never()) {
    const int64_t ns = std::max<int64_t>(armed_.nanos(), 1);
    spec.it_value.tv_sec = ns / 1'000'000'000;
    spec.it_value.tv_nsec = ns % 1'000'000'000;
  }
  BALLAST_CHECK(timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr) ==
                0);
}

// --- The end ----------------------------------------------------------------

bool ReactorCore::OnForeignThread() const {
  return thread_ != std::thread::id() && thread_ != std::this_thread::get_id();
}

void ReactorCore::CancelAll() {
  BALLAST_CHECK(!running_);
  closing_ = true;
  if (wake_operation_ != nullptr) Cancel(wake_operation_);
  while (!timers_.empty()) {
    Operation* op = timers_.Pop();
    op->cancelled_ = true;
    queue_.PushBack(op);
  }
  pending_.MoveTo(&queue_);
  starved_.MoveTo(&queue_);
  OperationList all;
  queue_.MoveTo(&all);
  while (Operation* op = all.PopFront()) {
    op->cancelled_ = true;
    queue_.PushBack(op);
  }
}

void ReactorCore::RunUntilIdle() {
  thread_ = std::this_thread::get_id();
  while (!queue_.empty() || !pending_.empty()) RunOnce(Instant::Never());
}

void ReactorCore::FinishQueued() {
  while (Operation* op = queue_.PopFront()) {
    Finish(op, CancelledResult(op));
  }
}

}  // namespace ballast
