#include "examples/unit_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/unique_fd.h"

namespace ballast::testbed {

UnitProcess::~UnitProcess() {
  if (pid_ > 0) Signal(SIGKILL);
}

absl::Status UnitProcess::Configure(absl::string_view text) const {
  return WriteFileAtomically(
      Path(), {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

absl::Status UnitProcess::Start(const std::string& program) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "pipe");
  }
  UniqueFd read_end(pipe_fds[0]);
  const UniqueFd write_end(pipe_fds[1]);
  const std::string config = absl::StrCat("--config=", Path());
  BALLAST_RETURN_IF_ERROR(host_.Run([&]() -> absl::Status {
    pid_ = fork();
    if (pid_ < 0) return absl::ErrnoToStatus(errno, "fork");
    if (pid_ > 0) return absl::OkStatus();
    dup2(write_end.get(), STDERR_FILENO);
    dup2(write_end.get(), STDOUT_FILENO);
    execl(program.c_str(), "ballastd", "--log=text", config.c_str(), nullptr);
    _exit(127);
  }));
  reader_ =
      std::thread([this, fd = std::move(read_end)] { ReadLog(fd.get()); });
  return absl::OkStatus();
}

void UnitProcess::Signal(int signal) {
  kill(pid_, signal);
  if (signal != SIGKILL && signal != SIGTERM) return;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  reader_.join();
  const std::lock_guard lock(mutex_);
  role_ = "gone";
  synced_ = false;
}

std::string UnitProcess::role() const {
  const std::lock_guard lock(mutex_);
  return role_;
}

bool UnitProcess::synced() const {
  const std::lock_guard lock(mutex_);
  return synced_;
}

uint64_t UnitProcess::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

bool UnitProcess::Logged(absl::string_view text, uint64_t since) const {
  const std::lock_guard lock(mutex_);
  const uint64_t fresh = std::min<uint64_t>(lines_ - since, log_.size());
  return std::any_of(
      log_.end() - static_cast<ptrdiff_t>(fresh), log_.end(),
      [&](const std::string& line) { return absl::StrContains(line, text); });
}

std::vector<std::string> UnitProcess::log() const {
  const std::lock_guard lock(mutex_);
  return {log_.begin(), log_.end()};
}

void UnitProcess::ReadLog(int fd) {
  std::string rest;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
    rest.append(buffer, static_cast<size_t>(got));
    size_t end;
    while ((end = rest.find('\n')) != std::string::npos) {
      OnLine(rest.substr(0, end));
      rest.erase(0, end + 1);
    }
  }
}

// "... role standby -> active: ..." and "... in sync ..." are what it says.
void UnitProcess::OnLine(const std::string& line) {
  if (print_) std::printf("      %s: %s\n", name_.c_str(), line.c_str());
  const std::lock_guard lock(mutex_);
  ++lines_;
  log_.push_back(line);
  if (log_.size() > kLogMax) log_.pop_front();
  const size_t arrow = line.find(" -> ");
  if (absl::StrContains(line, " role ") && arrow != std::string::npos) {
    const size_t begin = arrow + 4;
    role_ = line.substr(begin, line.find(':', begin) - begin);
    synced_ = false;
  }
  if (absl::StrContains(line, "no longer in sync")) {
    synced_ = false;
  } else if (absl::StrContains(line, " in sync")) {
    synced_ = true;
  }
}

}  // namespace ballast::testbed
