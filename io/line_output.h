// Lines to a descriptor that nobody may wait for: standard error of a daemon,
// whose reader (a pipe, the journal) can hang.
//
// Errors   a line that the descriptor would not take at once is dropped and
//          counted; so is one whose reader has gone (without SIGPIPE).
// Bounds   lines of at most PIPE_BUF (4096) bytes are written whole or not.
// Cost     two system calls a line.
// Threads  one.
#ifndef IO_LINE_OUTPUT_H_
#define IO_LINE_OUTPUT_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ballast {

class LineOutput {
 public:
  // `fd` stays the caller's; its flags are left as they are.
  explicit LineOutput(int fd) : fd_(fd) {}

  bool Write(absl::string_view line);
  uint64_t dropped() const { return dropped_; }

 private:
  const int fd_;
  uint64_t dropped_ = 0;
};

}  // namespace ballast

#endif  // IO_LINE_OUTPUT_H_
