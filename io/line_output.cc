#include "io/line_output.h"

#include <poll.h>
#include <unistd.h>

namespace ballast {

bool LineOutput::Write(absl::string_view line) {
  // A pipe with room is one that takes PIPE_BUF bytes at once (pipe(7)).
  pollfd room{fd_, POLLOUT, 0};
  const bool taken =
      poll(&room, 1, 0) == 1 && room.revents == POLLOUT &&
      write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (!taken) ++dropped_;
  return taken;
}

}  // namespace ballast
