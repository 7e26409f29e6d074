#include "lb/run/packet_thread.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "io/base/check.h"
#include "io/clock.h"

namespace ballast::run {
namespace {

constexpr absl::Duration kStatsPeriod = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<PacketThread>> PacketThread::Start(
    std::unique_ptr<PacketIo> io, std::unique_ptr<l4::Director> director,
    PacketRunner::Hooks hooks) {
  BALLAST_CHECK(io->fd() >= 0);
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake.get() < 0) {
    return absl::ErrnoToStatus(errno, "eventfd for a packet thread");
  }
  std::unique_ptr<PacketThread> thread(new PacketThread(
      std::move(io), std::move(director), std::move(hooks), std::move(wake)));
  thread->thread_ = std::thread([t = thread.get()] { t->Run(); });
  return thread;
}

PacketThread::~PacketThread() { Stop(); }

void PacketThread::Stop() {
  stop_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
}

bool PacketThread::Post(Order order) {
  {
    const std::lock_guard lock(mutex_);
    if (mailbox_.size() >= kMailboxMax) return false;
    mailbox_.push_back(std::move(order));
    pending_.store(true, std::memory_order_release);
  }
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof(one));
  return true;
}

bool PacketThread::Call(Order order) {
  struct Done {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  } done;
  const bool posted =
      Post([&done, &order](Instant now, l4::Director& director) {
        order(now, director);
        const std::lock_guard lock(done.mutex);
        done.done = true;
        done.changed.notify_one();
      });
  if (!posted) return false;
  std::unique_lock lock(done.mutex);
  done.changed.wait(lock, [&] { return done.done; });
  return true;
}

bool PacketThread::Answers(absl::Duration patience) {
  std::unique_lock lock(mutex_);
  if (!asked_) {
    asked_ = true;
    answered_ = false;
    pending_.store(true, std::memory_order_release);
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof(one));
  }
  came_by_.wait_for(lock, absl::ToChronoNanoseconds(patience),
                    [this] { return answered_; });
  if (answered_) asked_ = false;
  return answered_;
}

PacketIoStats PacketThread::io_stats() const {
  const std::lock_guard lock(mutex_);
  return io_stats_;
}

void PacketThread::RunOrders() {
  std::deque<Order> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(mailbox_);
    pending_.store(false, std::memory_order_relaxed);
    if (asked_ && !answered_) {
      answered_ = true;
      came_by_.notify_one();
    }
  }
  for (Order& order : orders) order(MonotonicNow(), *director_);
}

void PacketThread::Run() {
  Instant next_stats = Instant::FromNanos(0);
  const int tick_ms =
      static_cast<int>(absl::ToInt64Milliseconds(PacketRunner::kTick));
  while (!stop_.load(std::memory_order_acquire)) {
    const Instant now = MonotonicNow();
    beats_.fetch_add(1, std::memory_order_relaxed);
    if (now >= next_stats) {
      const std::lock_guard lock(mutex_);
      io_stats_ = io_->stats();
      next_stats = now + kStatsPeriod;
    }
    if (pending_.load(std::memory_order_acquire)) RunOrders();
    if (runner_.RunOnce(now) > 0) continue;
    pollfd fds[2] = {{io_->fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    poll(fds, 2, runner_.outbox() > 0 ? 1 : tick_ms);
    if ((fds[1].revents & POLLIN) != 0) {
      uint64_t count;
      (void)!read(wake_.get(), &count, sizeof(count));
    }
  }
  RunOrders();  // Whoever waits in Call() is answered.
}

}  // namespace ballast::run
