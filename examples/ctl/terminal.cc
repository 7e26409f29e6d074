#include "examples/ctl/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace ballast::ctl {
namespace {

constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr char kLeave[] = "\x1b[0m\x1b[?25h\x1b[?1049l";

bool Write(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(STDOUT_FILENO, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

const char* Begin(TopLine::Style style) {
  switch (style) {
    case TopLine::kHead:
      return "\x1b[7m";
    case TopLine::kBad:
      return "\x1b[1m";
    case TopLine::kPlain:
      break;
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Terminal>> Terminal::Open() {
  if (!isatty(STDOUT_FILENO)) {
    return absl::FailedPreconditionError("standard output is no terminal");
  }
  std::unique_ptr<Terminal> terminal(new Terminal());
  sigset_t signals;
  sigemptyset(&signals);
  for (const int one : {SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    sigaddset(&signals, one);
  }
  sigprocmask(SIG_BLOCK, &signals, &terminal->mask_before_);
  terminal->signals_ =
      UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!terminal->signals_.valid()) {
    return absl::ErrnoToStatus(errno, "signalfd");
  }
  if (tcgetattr(STDIN_FILENO, &terminal->before_) == 0) {
    termios raw = terminal->before_;
    // Ctrl-C is a key: whatever it was typed at, the screen is restored.
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    terminal->keys_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  Write(kEnter);
  return terminal;
}

Terminal::~Terminal() {
  Write(kLeave);
  if (keys_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

Terminal::Size Terminal::size() const {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
      size.ws_row == 0) {
    return {80, 24};
  }
  return {size.ws_col, size.ws_row};
}

absl::Status Terminal::Draw(const std::vector<TopLine>& lines) {
  std::string text = "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i) {
    // Cleared first: at the end of a full line its last character would go.
    absl::StrAppend(&text, "\x1b[K", Begin(lines[i].style), lines[i].text,
                    "\x1b[0m", i + 1 < lines.size() ? "\r\n" : "");
  }
  absl::StrAppend(&text, "\x1b[J");
  if (Write(text)) return absl::OkStatus();
  return absl::UnavailableError("the terminal is gone");
}

Terminal::Event Terminal::Wait(absl::Duration time) {
  const absl::Time end = absl::Now() + time;
  for (;;) {
    pollfd fds[] = {{signals_.get(), POLLIN, 0},
                    {keys_ ? STDIN_FILENO : -1, POLLIN, 0}};
    const absl::Duration left =
        std::max(end - absl::Now(), absl::ZeroDuration());
    const int ready =
        poll(fds, 2, static_cast<int>(absl::ToInt64Milliseconds(left) + 1));
    if (ready < 0 && errno != EINTR) return kEnd;
    if (ready == 0) return kTime;
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      return info.ssi_signo == SIGWINCH ? kResize : kEnd;
    }
    if (!keys_ || fds[1].revents == 0) continue;
    char keys[64];
    const ssize_t size = read(STDIN_FILENO, keys, sizeof(keys));
    if (size <= 0) return kEnd;  // It was hung up.
    for (ssize_t i = 0; i < size; ++i) {
      if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == '\x03') return kEnd;
    }
  }
}

}  // namespace ballast::ctl
