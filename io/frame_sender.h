// Whole Ethernet frames out of one interface: for what must leave with another
// MAC address than the host's, now and then. (Packets go through PacketIo.)
//
// Errors   Send never blocks: kUnavailable when the queue is full. kNotFound:
//          no such interface; kPermissionDenied without CAP_NET_RAW.
// Threads  one at a time.
// Source   packet(7).
#ifndef IO_FRAME_SENDER_H_
#define IO_FRAME_SENDER_H_

#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/unique_fd.h"

namespace ballast {

class FrameSender {
 public:
  static absl::StatusOr<FrameSender> Open(absl::string_view interface);

  // From the first byte of the Ethernet header; checksums are the caller's.
  absl::Status Send(std::span<const uint8_t> frame);

 private:
  explicit FrameSender(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace ballast

#endif  // IO_FRAME_SENDER_H_
