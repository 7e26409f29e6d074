#include "io/reactor.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "io/epoll_reactor.h"
#include "io/uring_reactor.h"

namespace ballast {

absl::StatusOr<std::unique_ptr<Reactor>> MakeReactor(
    const ReactorOptions& options) {
  if (options.buffer_count < 1 || options.buffer_count > 32768) {
    return absl::InvalidArgumentError(absl::StrCat(
        "buffer_count: ", options.buffer_count, ", must be 1..32768"));
  }
  if (options.buffer_size < 1 || options.buffer_size > (1u << 30)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "buffer_size: ", options.buffer_size, " bytes, must be 1..2^30"));
  }
  if (options.backend != ReactorOptions::Backend::kEpoll) {
    auto reactor = UringReactor::Make(options);
    if (reactor.ok() || options.backend == ReactorOptions::Backend::kIoUring) {
      return reactor;
    }
    const std::string line =
        absl::StrCat("using epoll: ", reactor.status().message());
    if (options.log) {
      options.log(line);
    } else {
      std::fprintf(stderr, "reactor: %s\n", line.c_str());
    }
  }
  return EpollReactor::Make(options);
}

}  // namespace ballast
