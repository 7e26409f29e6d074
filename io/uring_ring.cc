#include "io/uring_ring.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

// FAST_POLL: waiting needs no thread. EXT_ARG: waiting takes a time limit.
// RSRC_TAGS came with multishot poll, in 5.13.
constexpr unsigned kNeededFeatures =
    IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL |
    IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;

constexpr int kNeededOperations[] = {
    IORING_OP_ACCEPT,   IORING_OP_CONNECT,     IORING_OP_RECV,
    IORING_OP_SEND,     IORING_OP_READ,        IORING_OP_WRITE,
    IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL};

absl::Status Unavailable(absl::string_view what, int error) {
  return absl::UnavailableError(
      absl::StrCat("io_uring: ", what, ": ", strerror(error)));
}

}  // namespace

std::string UringFeatures::ToString() const {
  std::vector<absl::string_view> names;
  if (multishot_accept) names.push_back("multishot accept");
  if (multishot_receive) names.push_back("multishot receive");
  if (zero_copy_send) names.push_back("zero-copy send");
  if (deferred_work) names.push_back("deferred work");
  return names.empty() ? "plain" : absl::StrJoin(names, ", ");
}

absl::StatusOr<std::unique_ptr<UringRing>> UringRing::Make(bool plain,
                                                           bool polled) {
  std::unique_ptr<UringRing> ring(new UringRing);
  BALLAST_RETURN_IF_ERROR(ring->Setup(plain, polled));
  BALLAST_RETURN_IF_ERROR(ring->Probe(plain));
  return ring;
}

UringRing::~UringRing() {
  if (initialised_) io_uring_queue_exit(&ring_);
  if (buffers_ != nullptr) munmap(buffers_, buffers_bytes_);
}

absl::Status UringRing::Setup(bool plain, bool polled) {
  constexpr unsigned kAlways =
      IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
  const unsigned choices[] = {
      kAlways | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
          IORING_SETUP_DEFER_TASKRUN,
      kAlways | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,
      kAlways,
  };
  int error = EINVAL;
  for (const unsigned flags : choices) {
    if (plain && flags != kAlways) continue;
    if (polled && (flags & IORING_SETUP_DEFER_TASKRUN) != 0) continue;
    // Kernels before 5.12 charge the rings to the locked-memory limit: take
    // smaller ones rather than none.
    for (unsigned shrink = 1; shrink <= 16; shrink *= 2) {
      io_uring_params params = {};
      params.flags = flags;
      params.cq_entries = kCompletionEntries / shrink;
      error = -io_uring_queue_init_params(kSubmissionEntries / shrink, &ring_,
                                          &params);
      if (error == 0) {
        initialised_ = true;
        features_.deferred_work = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
        return absl::OkStatus();
      }
      if (error != ENOMEM) break;
    }
    if (error != EINVAL) break;  // EINVAL: a flag this kernel does not know.
  }
  return Unavailable("io_uring_setup", error);
}

absl::Status UringRing::Probe(bool plain) {
  if ((ring_.features & kNeededFeatures) != kNeededFeatures) {
    return absl::UnavailableError("io_uring: older than Linux 5.13");
  }
  const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(
      io_uring_get_probe_ring(&ring_), &io_uring_free_probe);
  if (probe == nullptr) return Unavailable("IORING_REGISTER_PROBE", errno);
  for (const int operation : kNeededOperations) {
    if (!io_uring_opcode_supported(probe.get(), operation)) {
      return absl::UnavailableError(
          absl::StrCat("io_uring: operation ", operation, " is missing"));
    }
  }
  if (plain) return absl::OkStatus();
  features_.multishot_accept =
      io_uring_opcode_supported(probe.get(), IORING_OP_SOCKET);
  features_.zero_copy_send =
      io_uring_opcode_supported(probe.get(), IORING_OP_SEND_ZC);
  features_.multishot_receive = features_.zero_copy_send;
  return absl::OkStatus();
}

void UringRing::Enable() {
  // Debian's liburing 2.3 does not export io_uring_enable_rings().
  BALLAST_CHECK(io_uring_register(static_cast<unsigned>(ring_.ring_fd),
                                  IORING_REGISTER_ENABLE_RINGS, nullptr,
                                  0) == 0);
  enabled_ = true;
}

bool UringRing::OpenBuffers(uint32_t count) {
  if (buffers_ != nullptr) return true;
  if (!features_.multishot_receive) return false;
  const size_t bytes = count * sizeof(io_uring_buf);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory != MAP_FAILED) {
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(memory);
    registration.ring_entries = count;
    registration.bgid = kBufferGroup;
    if (io_uring_register_buf_ring(&ring_, &registration, 0) == 0) {
      buffers_ = static_cast<io_uring_buf_ring*>(memory);
      buffers_bytes_ = bytes;
      buffer_mask_ = io_uring_buf_ring_mask(count);
      io_uring_buf_ring_init(buffers_);
      return true;
    }
    munmap(memory, bytes);
  }
  features_.multishot_receive = false;
  return false;
}

}  // namespace ballast
