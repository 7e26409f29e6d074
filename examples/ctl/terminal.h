// The terminal of a program that fills the screen: its own screen, no echo, no
// cursor; all of it as before when this goes, also after a signal.
//
// Ctrl-C and 'q' come as keys; SIGINT, SIGTERM and SIGHUP of others as kEnd.
// Threads  one, and of a program that has no other: signals are blocked.
#ifndef EXAMPLES_CTL_TERMINAL_H_
#define EXAMPLES_CTL_TERMINAL_H_

#include <signal.h>
#include <termios.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "examples/ctl/top_frame.h"
#include "io/unique_fd.h"

namespace ballast::ctl {

class Terminal {
 public:
  enum Event { kTime, kResize, kEnd };

  // kFailedPrecondition: standard output is no terminal.
  static absl::StatusOr<std::unique_ptr<Terminal>> Open();
  ~Terminal();

  // Characters; 80 by 24 where the terminal does not say.
  struct Size {
    size_t width;
    size_t height;
  };
  Size size() const;

  // kUnavailable: nobody takes it any more.
  absl::Status Draw(const std::vector<TopLine>& lines);

  // Until that time has passed, the size changes, or it is to end.
  Event Wait(absl::Duration time);

 private:
  Terminal() = default;

  UniqueFd signals_;
  sigset_t mask_before_;
  bool keys_ = false;  // Standard input is a terminal, and set by us.
  termios before_;
};

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_TERMINAL_H_
