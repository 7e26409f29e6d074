// The kernel's changes of links, addresses, routes and neighbours, as they
// happen: one non-blocking descriptor for poll, epoll or a Reactor.
//
// The kernel does not announce everything: IPv4 routes that go with their link
// or source address vanish silently (KernelRoutes copes by asking anew).
//
// Threads  one at a time. Works in the network namespace it was opened in.
// Source   rtnetlink(7).
#ifndef IO_NETLINK_EVENTS_H_
#define IO_NETLINK_EVENTS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "io/netlink_decode.h"
#include "io/unique_fd.h"

namespace ballast {

class NetlinkEvents {
 public:
  // Links always; the rest as chosen.
  struct Options {
    bool addresses = true;
    bool routes = true;
    bool neighbours = true;
  };
  static absl::StatusOr<NetlinkEvents> Open(const Options& options);

  int fd() const { return fd_.get(); }

  enum class Outcome {
    kDrained,  // Every event that had come was read.
    kMore,     // The bound of one call was reached: call again.
    kLost,     // The kernel dropped events: dump anew what is followed.
  };
  // Gives every pending event to `visit`, at most kReadsMax reads of them.
  absl::StatusOr<Outcome> Read(
      absl::FunctionRef<void(const NetlinkEvent&)> visit);

  static constexpr int kReadsMax = 256;

 private:
  explicit NetlinkEvents(UniqueFd fd) : fd_(std::move(fd)), buffer_(65536) {}
  UniqueFd fd_;
  std::vector<uint8_t> buffer_;
};

}  // namespace ballast

#endif  // IO_NETLINK_EVENTS_H_
