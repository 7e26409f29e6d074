#include "io/uring_reactor.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

// What a completion belongs to: an Operation's address, or one of these.
constexpr uint64_t kNobody = 0;
constexpr uint64_t kWakeDescriptor = 1;
constexpr uint64_t kTimerDescriptor = 2;

// Bits of Operation::stage_.
constexpr uint8_t kPolling = 1;       // Waits for readiness, then is tried.
constexpr uint8_t kPollFirst = 2;     // Prepare a poll instead of the call.
constexpr uint8_t kNotification = 4;  // Sent; the kernel still has the bytes.
constexpr uint8_t kNoZeroCopy = 8;    // It was refused.
// Operation::kKeptStages: how many short results it takes until receiving is
// multishot again.
constexpr uint8_t kBulk = 0xe0;
constexpr uint8_t kBulkStep = 32;

// UringReactor::buffers_wanted_: at least, and after how many turns of little
// use it is halved.
constexpr size_t kBuffersWantedMin = 16;
constexpr uint32_t kTurnsOfUse = 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<Reactor>> UringReactor::Make(
    const ReactorOptions& options) {
  if (options.forbid_io_uring) {
    return absl::UnavailableError("io_uring: forbidden by an option");
  }
  BALLAST_ASSIGN_OR_RETURN(auto ring, UringRing::Make(options.plain_io_uring,
                                                      /*polled=*/false));
  std::unique_ptr<UringReactor> reactor(
      new UringReactor(options, std::move(ring)));
  BALLAST_RETURN_IF_ERROR(reactor->OpenWakeDescriptors());
  return reactor;
}

UringReactor::UringReactor(const ReactorOptions& options,
                           std::unique_ptr<UringRing> ring)
    : ReactorCore(options),
      ring_(std::move(ring)),
      plain_(options.plain_io_uring),
      zero_copy_bytes_min_(options.zero_copy_bytes_min),
      buffers_wanted_(std::min<size_t>(kBuffersWantedMin, buffers_.count())) {}

UringReactor::~UringReactor() {
  CancelAll();
  if (!OnForeignThread()) {
    RunUntilIdle();
    return;
  }
  // The kernel ended everything when the ring's thread ended. Only that thread
  // might have entered the ring, but its completions can be read.
  Reap();
  ring_ = nullptr;
  FinishQueued();
}

int UringReactor::fd() {
  if (!driven_from_outside()) {
    SetDrivenFromOutside();
    auto ring = UringRing::Make(plain_, /*polled=*/true);
    BALLAST_CHECK(ring.ok());  // As the first one was, with fewer demands.
    ring_ = *std::move(ring);
    seen_ = 0;
    Enable();
    Enter(Instant());  // So that the wake descriptors are watched from now on.
  }
  return ring_->get()->ring_fd;
}

std::string UringReactor::Describe() const {
  return absl::StrCat("io_uring (", ring_->features().ToString(), ")");
}

void UringReactor::Enable() {
  ring_->Enable();
  WatchDescriptor(wake_fd(), kWakeDescriptor);
  WatchDescriptor(timer_fd(), kTimerDescriptor);
}

void UringReactor::Turn(Instant deadline) {
  if (!ring_->enabled()) Enable();
  TakeQueue();
  if (ring_->has_buffers()) RefillBuffers();
  while (Operation* op = NextQueued()) {
    if (!op->cancelled_) {
      if (op->kind_ == Operation::Kind::kSend && op->progress_ > 0 &&
          op->progress_ == op->length_) {
        Finish(op, static_cast<int32_t>(op->progress_));  // Sent at once.
      } else {
        Begin(op);
      }
    } else if (op->in_backend_) {
      BeginCancel(op);
    } else {
      Finish(op, CancelledResult(op));
    }
  }
  Enter(WaitUntil(deadline));
  ReadClock();
  Reap();
  if (driven_from_outside() && io_uring_sq_ready(ring_->get()) > 0) {
    io_uring_submit(ring_->get());  // The next turn may be far away.
  }
}

void UringReactor::RefillBuffers() {
  const size_t used = buffers_filled_ - buffers_in_kernel_;
  if (2 * used > buffers_wanted_) GrowBuffers();
  most_used_ = std::max(most_used_, used);
  if (++turns_ == kTurnsOfUse) {
    if (buffers_wanted_ > kBuffersWantedMin &&
        4 * most_used_ < buffers_wanted_) {
      buffers_wanted_ /= 2;
    }
    turns_ = 0;
    most_used_ = 0;
  }
  int added = 0;
  for (; buffers_in_kernel_ < buffers_wanted_ && buffers_.free_count() > 0;
       ++buffers_in_kernel_) {
    const uint16_t id = buffers_.Take();
    ring_->AddBuffer(buffers_.data(id), buffers_.size(), id, added++);
  }
  if (added > 0) ring_->CommitBuffers(added);
  buffers_filled_ = buffers_in_kernel_;
}

void UringReactor::GrowBuffers() {
  buffers_wanted_ = std::min<size_t>(2 * buffers_wanted_, buffers_.count());
}

// --- To the kernel ----------------------------------------------------------

io_uring_sqe* UringReactor::GetSqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(ring_->get());
  if (sqe == nullptr) {
    io_uring_submit(ring_->get());
    sqe = io_uring_get_sqe(ring_->get());
  }
  return sqe;
}

void UringReactor::Begin(Operation* op) {
  if (op->kind_ == Operation::Kind::kReceive && !ring_->has_buffers()) {
    if (ring_->OpenBuffers(buffers_.count())) {
      RefillBuffers();
    } else {
      op->stage_ |= kPollFirst;
    }
  }
  io_uring_sqe* sqe = GetSqe();
  if (sqe == nullptr) return Requeue(op);
  Prepare(op, sqe);
  io_uring_sqe_set_data64(sqe, reinterpret_cast<uint64_t>(op));
  Park(op);
}

void UringReactor::Prepare(Operation* op, io_uring_sqe* sqe) {
  if ((op->stage_ & kPollFirst) != 0) {
    op->stage_ = static_cast<uint8_t>((op->stage_ & ~kPollFirst) | kPolling);
    const bool reads = op->kind_ == Operation::Kind::kAccept ||
                       op->kind_ == Operation::Kind::kReceive ||
                       op->kind_ == Operation::Kind::kRead;
    return io_uring_prep_poll_add(sqe, op->fd_, reads ? POLLIN : POLLOUT);
  }
  switch (op->kind_) {
    case Operation::Kind::kAccept:
      io_uring_prep_accept(sqe, op->fd_, nullptr, nullptr,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (ring_->features().multishot_accept) {
        sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
      }
      return;
    case Operation::Kind::kReceive:
      // Multishot brings up to 32 buffers at once, wanted or not; where much
      // comes, that is memory for nothing, and cancelling.
      if ((op->stage_ & kBulk) == 0) {
        io_uring_prep_recv_multishot(sqe, op->fd_, nullptr, 0, 0);
      } else {
        io_uring_prep_recv(sqe, op->fd_, nullptr, 0, 0);
      }
      sqe->flags |= IOSQE_BUFFER_SELECT;
      sqe->buf_group = UringRing::kBufferGroup;
      return;
    case Operation::Kind::kConnect:
      return io_uring_prep_connect(sqe, op->fd_,
                                   reinterpret_cast<const sockaddr*>(op->data_),
                                   op->length_);
    case Operation::Kind::kSend: {
      const uint8_t* data = op->data_ + op->progress_;
      const size_t length = op->length_ - op->progress_;
      constexpr int kFlags = MSG_NOSIGNAL | MSG_WAITALL;
      if (op->length_ >= zero_copy_bytes_min_ &&
          ring_->features().zero_copy_send && (op->stage_ & kNoZeroCopy) == 0) {
        return io_uring_prep_send_zc(sqe, op->fd_, data, length, kFlags, 0);
      }
      return io_uring_prep_send(sqe, op->fd_, data, length, kFlags);
    }
    case Operation::Kind::kRead:
      return io_uring_prep_read(sqe, op->fd_, op->data_, op->length_,
                                static_cast<uint64_t>(op->offset_));
    case Operation::Kind::kWrite:
      return io_uring_prep_write(sqe, op->fd_, op->data_, op->length_,
                                 static_cast<uint64_t>(op->offset_));
    case Operation::Kind::kPoll:
      return io_uring_prep_poll_multishot(sqe, op->fd_, op->length_);
    default:
      BALLAST_CHECK(false);
  }
}

void UringReactor::BeginCancel(Operation* op) {
  io_uring_sqe* sqe = GetSqe();
  if (sqe == nullptr) return Retry(op);
  io_uring_prep_cancel64(sqe, reinterpret_cast<uint64_t>(op), 0);
  io_uring_sqe_set_data64(sqe, kNobody);
  Park(op);
}

void UringReactor::WatchDescriptor(int fd, uint64_t user_data) {
  io_uring_sqe* sqe = GetSqe();
  BALLAST_CHECK(sqe != nullptr);
  io_uring_prep_poll_multishot(sqe, fd, POLLIN);
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringReactor::Enter(Instant until) {
  int r;
  if (until <= Now()) {
    r = io_uring_submit_and_get_events(ring_->get());
  } else if (until == Instant::Never()) {
    r = io_uring_submit_and_wait(ring_->get(), 1);
  } else {
    const int64_t ns = until.nanos() - Now().nanos();
    __kernel_timespec wait = {.tv_sec = ns / 1'000'000'000,
                              .tv_nsec = ns % 1'000'000'000};
    io_uring_cqe* cqe;
    r = io_uring_submit_and_wait_timeout(ring_->get(), &cqe, 1, &wait, nullptr);
  }
  // EAGAIN, EBUSY: short of memory or of completion room. Turns go on, and what
  // was not submitted still is in the submission queue.
  BALLAST_CHECK(r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN ||
                r == -EBUSY);
}

// --- From the kernel --------------------------------------------------------

void UringReactor::Reap() {
  io_uring* ring = ring_->get();
  // What the kernel adds meanwhile is for the next turn.
  for (unsigned n = io_uring_cq_ready(ring); n > 0; --n) {
    io_uring_cqe* cqe;
    if (io_uring_peek_cqe(ring, &cqe) != 0) return;
    const io_uring_cqe copy = *cqe;
    const unsigned place = *ring->cq.khead;
    io_uring_cqe_seen(ring, cqe);
    if (static_cast<int32_t>(seen_ - place) > 0) {
      if (Operation* op = ReceiveOf(copy.user_data)) --op->progress_;
    } else {
      seen_ = place + 1;
    }
    OnCompletion(copy.user_data, copy.res, copy.flags);
  }
}

Operation* UringReactor::ReceiveOf(uint64_t user_data) {
  if (user_data <= kTimerDescriptor) return nullptr;
  auto* op = reinterpret_cast<Operation*>(user_data);
  return op->kind_ == Operation::Kind::kReceive ? op : nullptr;
}

// Each completion is looked at once, however many ask.
bool UringReactor::HasResults(const Operation* op) {
  io_uring* ring = ring_->get();
  if (io_uring_cq_has_overflow(ring)) return true;  // Out of sight.
  const unsigned end = io_uring_smp_load_acquire(ring->cq.ktail);
  for (; seen_ != end; ++seen_) {
    const io_uring_cqe& cqe = ring->cq.cqes[seen_ & ring->cq.ring_mask];
    if (Operation* receive = ReceiveOf(cqe.user_data)) ++receive->progress_;
  }
  return op->progress_ > 0;
}

void UringReactor::OnCompletion(uint64_t user_data, int32_t result,
                                uint32_t flags) {
  const bool more = (flags & IORING_CQE_F_MORE) != 0;
  switch (user_data) {
    case kNobody:
      return;  // A cancellation; the operation itself tells how it ended.
    case kWakeDescriptor:
      if (!more) WatchDescriptor(wake_fd(), kWakeDescriptor);
      return OnWakeReadable();
    case kTimerDescriptor:
      if (!more) WatchDescriptor(timer_fd(), kTimerDescriptor);
      return;
    default:
      break;
  }
  auto* op = reinterpret_cast<Operation*>(user_data);
  if ((op->stage_ & kPolling) != 0) return OnReady(op, result);
  switch (op->kind_) {
    case Operation::Kind::kAccept:
    case Operation::Kind::kReceive:
    case Operation::Kind::kPoll:
      return OnMultishot(op, result, flags);
    case Operation::Kind::kSend:
      return OnSend(op, result, flags);
    default:
      return OnSingle(op, result);
  }
}

void UringReactor::OnReady(Operation* op, int32_t result) {
  op->stage_ &= static_cast<uint8_t>(~kPolling);
  if (result < 0) return Finish(op, result);
  Requeue(op);
  if (op->cancelled_ || op->kind_ != Operation::Kind::kReceive) return;
  switch (TryReceive(op, &result)) {
    case Tried::kFinal:
      return Finish(op, result);
    case Tried::kNoBuffer:
      return Starve(op);
    default:
      return;  // In the queue, to be polled again.
  }
}

void UringReactor::OnMultishot(Operation* op, int32_t result, uint32_t flags) {
  LentBuffer buffer;
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    --buffers_in_kernel_;
    buffer =
        buffers_.Lend(static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT),
                      static_cast<size_t>(result > 0 ? result : 0));
  }
  const bool is_receive = op->kind_ == Operation::Kind::kReceive;
  if (result > 0 || (result == 0 && !is_receive)) {
    if (is_receive) CountBulk(op, static_cast<uint32_t>(result));
    // If the kernel ended it here, the caller need not know.
    if ((flags & IORING_CQE_F_MORE) == 0) Requeue(op);
    return Deliver(op, result, std::move(buffer));
  }
  if ((flags & IORING_CQE_F_MORE) != 0) return;
  if (result == -ENOBUFS && is_receive) {
    if (op->cancelled_) return Finish(op, -ECANCELED);
    // Some may have been handed over since it looked, or will be.
    if (buffers_in_kernel_ + buffers_.free_count() == 0) return Starve(op);
    GrowBuffers();
    return Requeue(op);
  }
  if (RetryInstead(op, result)) return;
  Finish(op, result);
}

void UringReactor::CountBulk(Operation* op, uint32_t size) {
  if (size == buffers_.size()) {
    op->stage_ |= kBulk;
  } else if ((op->stage_ & kBulk) != 0) {
    op->stage_ = static_cast<uint8_t>(op->stage_ - kBulkStep);
  }
}

void UringReactor::OnSend(Operation* op, int32_t result, uint32_t flags) {
  if ((flags & IORING_CQE_F_NOTIF) != 0) {
    op->stage_ &= static_cast<uint8_t>(~kNotification);
    result = static_cast<int32_t>(op->offset_);
  } else if ((flags & IORING_CQE_F_MORE) != 0) {
    op->stage_ |= kNotification;
    op->offset_ = result;
    return;
  }
  if (result > 0) {
    op->progress_ += static_cast<uint32_t>(result);
    if (op->progress_ < op->length_) return Requeue(op);
    return Finish(op, static_cast<int32_t>(op->progress_));
  }
  if ((result == -ENOMEM || result == -ENOBUFS || result == -EOPNOTSUPP) &&
      op->length_ >= zero_copy_bytes_min_ && (op->stage_ & kNoZeroCopy) == 0) {
    op->stage_ |= kNoZeroCopy;
    return Requeue(op);
  }
  if (RetryInstead(op, result)) return;
  Finish(op, op->progress_ > 0 ? static_cast<int32_t>(op->progress_) : result);
}

void UringReactor::OnSingle(Operation* op, int32_t result) {
  if (RetryInstead(op, result)) return;
  Finish(op, result);
}

bool UringReactor::RetryInstead(Operation* op, int32_t result) {
  if (result != -EAGAIN && result != -EINTR) return false;
  if (op->cancelled_) {
    Finish(op, CancelledResult(op));
    return true;
  }
  if (result == -EAGAIN) op->stage_ |= kPollFirst;
  Requeue(op);
  return true;
}

}  // namespace ballast
