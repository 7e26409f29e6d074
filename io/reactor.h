// Asynchronous I/O on one thread: the caller starts operations, the reactor
// calls back. io_uring where the system allows it, else epoll, with the same
// behaviour (io/reactor_conformance_test.cc).
//
// Operation   owned by the caller, usually a member of a connection. Between
//             its start and its final completion (`more` false) it is the
//             reactor's: neither it nor what it points at may go away. Every
//             started operation gets exactly one final completion, always from
//             RunOnce(), Run() or the destructor, never from inside a start or
//             Cancel(). In its handler an operation may be started again
//             (final), cancelled (not final) or destroyed (final).
// Descriptor  non-blocking, the caller's; close it after the final completion.
//             At most one reading (Accept, Receive, Read), one writing
//             (Connect, Send, Write) and one polling operation at a time.
// Result      what the system call returns, or -errno. The final completion of
//             Accept, Receive and Poll brings nothing but the reason.
// Order       none between operations, but timeouts fire in deadline order.
// Cost        no allocation per operation; one indirect call per completion.
//             io_uring: one system call per turn. epoll: one per operation.
// Threads     one: from the first RunOnce() or fd() on, everything belongs to
//             its thread but Wake() and Stop(). A reactor may be destroyed by
//             another thread once that thread has ended.
#ifndef IO_REACTOR_H_
#define IO_REACTOR_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "io/base/instant.h"

namespace ballast {

class ReceiveBuffers;

// Received bytes in a buffer of the reactor's, given back on destruction. The
// reactor has a fixed number of them and receives nothing while all are lent,
// so whoever keeps them keeps a bounded number. Must not outlive the reactor.
class LentBuffer {
 public:
  LentBuffer() = default;
  LentBuffer(LentBuffer&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)),
        bytes_(std::exchange(other.bytes_, {})),
        id_(other.id_) {}
  LentBuffer& operator=(LentBuffer&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(bytes_, other.bytes_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~LentBuffer() {
    if (owner_ != nullptr) GiveBack();
  }

  std::span<uint8_t> bytes() const { return bytes_; }

 private:
  friend class ReceiveBuffers;
  LentBuffer(ReceiveBuffers* owner, std::span<uint8_t> bytes, uint16_t id)
      : owner_(owner), bytes_(bytes), id_(id) {}
  void GiveBack();

  ReceiveBuffers* owner_ = nullptr;
  std::span<uint8_t> bytes_;
  uint16_t id_ = 0;
};

struct Completion {
  int32_t result = 0;
  bool more = false;  // The operation goes on; another completion will follow.
  LentBuffer buffer;  // Receive() with a positive result: that many bytes.
};

// A place in one of the reactor's lists.
struct OperationLink {
  OperationLink* next = nullptr;
  OperationLink* previous = nullptr;
};

class Operation : private OperationLink {
 public:
  using Handler = void (*)(void* owner, Completion completion);

  Operation(Handler handler, void* owner) : handler_(handler), owner_(owner) {}
  // An operation that calls a method of its owner:
  //   Operation receive_ = Operation::To<&Connection::OnReceive>(this);
  template <auto kMethod, typename T>
  static Operation To(T* owner) {
    return Operation(
        [](void* o, Completion completion) {
          (static_cast<T*>(o)->*kMethod)(std::move(completion));
        },
        owner);
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation() { BALLAST_CHECK(!pending()); }

  // Started, and its final completion has not come yet.
  bool pending() const { return kind_ != Kind::kNone; }

 private:
  friend class OperationList;
  friend class OperationTimers;
  friend class ReactorCore;
  friend class EpollReactor;
  friend class UringReactor;

  enum class Kind : uint8_t {
    kNone,
    kAccept,
    kReceive,
    kRead,
    kConnect,
    kSend,
    kWrite,
    kPoll,
    kTimeout,
    kWake,
  };

  // Of stage_, what outlives a final completion.
  static constexpr uint8_t kKeptStages = 0xe0;

  Handler handler_;
  void* owner_;
  Kind kind_ = Kind::kNone;
  bool cancelled_ = false;
  bool in_backend_ = false;  // Parked on a descriptor, or in the kernel.
  uint8_t stage_ = 0;        // The backend's own.
  int fd_ = -1;
  uint8_t* data_ = nullptr;  // Bytes, or the address to connect to.
  int64_t offset_ = 0;       // Of Read and Write.
  uint32_t length_ = 0;      // Of data_, or the events to poll for.
  // Bytes sent so far, a timeout's heap position, or of a Receive what it has
  // waiting for it as far as the backend has looked.
  uint32_t progress_ = 0;
};

struct ReactorStats {
  uint64_t completions = 0;      // Handlers called.
  uint64_t receive_starved = 0;  // A Receive() had to wait for a buffer.
};

class Reactor {
 public:
  Reactor() = default;
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  // Cancels what is pending and delivers the final completions. What those
  // handlers start is not started (and completes never). All lent buffers must
  // be back.
  virtual ~Reactor() = default;

  // Until cancelled, or an error (EMFILE, say) ends it: each completion is an
  // accepted descriptor, non-blocking and close-on-exec, now the handler's.
  virtual void Accept(Operation* op, int listener) = 0;
  // `address` must stay until the completion.
  virtual void Connect(Operation* op, int fd, const sockaddr* address,
                       socklen_t length) = 0;
  // Until cancelled, the end of the stream (result 0) or an error: each
  // completion lends a buffer with what arrived. With no buffer free it waits,
  // so the peer is slowed down by its window.
  virtual void Receive(Operation* op, int fd) = 0;
  // Whether anything has come for `op`, a Receive() under way, that its handler
  // has not been told: bytes, the end of the stream, an error. Costs a system
  // call.
  virtual bool HasArrived(const Operation* op) = 0;
  // Sends all of `bytes`: a smaller result means an error or Cancel() came in
  // between. Never raises SIGPIPE.
  virtual void Send(Operation* op, int fd, std::span<const uint8_t> bytes) = 0;
  // The same, but the kernel has what it takes of them at once when this
  // returns, for a system call.
  virtual void SendAtOnce(Operation* op, int fd,
                          std::span<const uint8_t> bytes) = 0;
  // As read(2) and write(2), or pread and pwrite when `offset` is not negative.
  virtual void Read(Operation* op, int fd, std::span<uint8_t> bytes,
                    int64_t offset = -1) = 0;
  virtual void Write(Operation* op, int fd, std::span<const uint8_t> bytes,
                     int64_t offset = -1) = 0;
  // Until cancelled: each completion is a set of POLLIN, POLLOUT, ...
  // (<poll.h>) wanted in `events`, or POLLERR, POLLHUP. Once at the start if
  // ready then, and again whenever more becomes ready, so a handler reads until
  // EAGAIN; now and then also for what it has read already.
  virtual void Poll(Operation* op, int fd, uint32_t events) = 0;
  // Completes with 0 at `deadline` or soon after; equal ones in starting order.
  virtual void Timeout(Operation* op, Instant deadline) = 0;
  // Until cancelled, one at a time: a completion after every Wake(), where
  // several may become one.
  virtual void AwaitWake(Operation* op) = 0;
  // Asks for the end of `op`: its final completion comes soon, -ECANCELED
  // unless it was finishing already. Nothing if it is not pending.
  virtual void Cancel(Operation* op) = 0;

  // One turn: delivers what is ready and, if that is nothing, waits for it
  // until `deadline`. Returns how many handlers were called; may return 0
  // early. A deadline in the past, Instant() say, never blocks.
  virtual size_t RunOnce(Instant deadline) = 0;
  // Turns until Stop(), even one called before.
  void Run() {
    while (!TakeStop()) RunOnce(Instant::Never());
  }
  // From any thread: makes the current or next Run() return; and: completes
  // AwaitWake(). Both end a waiting RunOnce().
  virtual void Stop() = 0;
  virtual void Wake() = 0;

  // To drive the reactor from another loop (epoll, poll) on the same thread:
  // whenever this is readable, call RunOnce(Instant()). To be called before the
  // first turn; the descriptor is the reactor's and stays the same. The other
  // loop must take EINTR as a matter of course.
  virtual int fd() = 0;

  // The monotonic clock as read in this turn.
  Instant Now() const { return now_; }
  // The backend and what of the kernel it uses, for a log line.
  virtual std::string Describe() const = 0;
  virtual ReactorStats stats() const = 0;

 protected:
  virtual bool TakeStop() = 0;

  Instant now_;
};

struct ReactorOptions {
  enum class Backend { kAuto, kIoUring, kEpoll };

  // kAuto: io_uring, else epoll with a line to `log` that says why.
  Backend backend = Backend::kAuto;
  // For Receive(). Memory is touched as it is used. Count: 1..32768, rounded up
  // to a power of two.
  uint32_t buffer_count = 512;
  uint32_t buffer_size = 8192;
  // Sends of at least so many bytes are not copied, where the kernel can; they
  // complete, cancelled or not, when the peer has acknowledged them. Off unless
  // lowered.
  uint32_t zero_copy_bytes_min = std::numeric_limits<uint32_t>::max();
  std::function<void(absl::string_view)> log;  // Standard error if empty.

  // For tests: behave as where the system forbids io_uring, or as on a kernel
  // without its newer features.
  bool forbid_io_uring = false;
  bool plain_io_uring = false;
};

//   kInvalidArgument  an option is out of range
//   kUnavailable      the backend asked for is not to be had, and why
absl::StatusOr<std::unique_ptr<Reactor>> MakeReactor(
    const ReactorOptions& options = {});

}  // namespace ballast

#endif  // IO_REACTOR_H_
