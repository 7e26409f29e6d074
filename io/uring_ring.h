// One io_uring instance, set up with what this kernel has. For io/ only: no
// ring type leaves this folder.
//
// Features are told from what came with them: each of these opcodes and feature
// bits appeared in the same kernel release as the thing itself, which has no
// bit of its own (liburing's wiki, "What's new with io_uring in 5.19/6.0").
#ifndef IO_URING_RING_H_
#define IO_URING_RING_H_

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ballast {

struct UringFeatures {
  bool multishot_accept = false;   // 5.19
  bool multishot_receive = false;  // 6.0; with a ring of provided buffers
  bool zero_copy_send = false;     // 6.0
  bool deferred_work = false;      // 6.1; DEFER_TASKRUN and SINGLE_ISSUER

  std::string ToString() const;
};

class UringRing {
 public:
  static constexpr unsigned kSubmissionEntries = 256;
  static constexpr unsigned kCompletionEntries = 4096;
  static constexpr uint16_t kBufferGroup = 0;

  // Not enabled yet: the thread that calls Enable() is the only one that may
  // use it from then on. `plain` leaves out all features. `polled`: its
  // descriptor will be waited on. Then work is not deferred, for with that the
  // descriptor does not wake until somebody enters the ring; and a registered
  // eventfd, the other way to be told, misses what eventfds complete but once
  // (both seen on Linux 6.18).
  //   kUnavailable  no io_uring here, or one older than Linux 5.13; says why
  static absl::StatusOr<std::unique_ptr<UringRing>> Make(bool plain,
                                                         bool polled);
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  io_uring* get() { return &ring_; }
  const UringFeatures& features() const { return features_; }
  void Enable();
  bool enabled() const { return enabled_; }

  // The ring of provided buffers, made at the first call, for `count` (a power
  // of two). False if the kernel refuses it.
  bool OpenBuffers(uint32_t count);
  bool has_buffers() const { return buffers_ != nullptr; }
  // Adds one to the `added` ones that CommitBuffers() will hand over.
  void AddBuffer(uint8_t* data, uint32_t size, uint16_t id, int added) {
    io_uring_buf_ring_add(buffers_, data, size, id, buffer_mask_, added);
  }
  void CommitBuffers(int added) { io_uring_buf_ring_advance(buffers_, added); }

 private:
  UringRing() = default;
  absl::Status Setup(bool plain, bool polled);
  absl::Status Probe(bool plain);

  io_uring ring_ = {};
  bool initialised_ = false;
  bool enabled_ = false;
  UringFeatures features_;
  io_uring_buf_ring* buffers_ = nullptr;
  size_t buffers_bytes_ = 0;
  int buffer_mask_ = 0;
};

}  // namespace ballast

#endif  // IO_URING_RING_H_
