#include "io/testing_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

constexpr char kThisNamespace[] = "/proc/thread-self/ns/net";

absl::Status Errno(absl::string_view what) {
  return absl::ErrnoToStatus(errno, what);
}

absl::Status WriteFile(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd == -1) return Errno(path);
  const ssize_t written = write(fd, text.data(), text.size());
  absl::Status status;
  if (written != static_cast<ssize_t>(text.size())) status = Errno(path);
  close(fd);
  return status;
}

int OpenThisNamespace() { return open(kThisNamespace, O_RDONLY | O_CLOEXEC); }

}  // namespace

absl::Status EnterTestNamespace() {
  const uid_t uid = getuid();
  const gid_t gid = getgid();
  const bool as_root = geteuid() == 0;
  if (unshare(as_root ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) == -1) {
    return absl::PermissionDeniedError(absl::StrCat(
        "no network namespace of our own (unshare: ", std::strerror(errno),
        "): needs root, or unprivileged user namespaces"));
  }
  if (!as_root) {
    BALLAST_RETURN_IF_ERROR(WriteFile("/proc/self/setgroups", "deny"));
    BALLAST_RETURN_IF_ERROR(
        WriteFile("/proc/self/uid_map", absl::StrCat("0 ", uid, " 1")));
    BALLAST_RETURN_IF_ERROR(
        WriteFile("/proc/self/gid_map", absl::StrCat("0 ", gid, " 1")));
  }
  return RunCommand("ip link set lo up").status();
}

absl::StatusOr<std::string> RunCommand(absl::string_view command) {
  const std::string text = absl::StrCat("exec 2>&1; ", command);
  FILE* pipe = popen(text.c_str(), "re");
  if (pipe == nullptr) return Errno("popen");
  std::string output;
  std::array<char, 4096> part;
  while (const size_t size = fread(part.data(), 1, part.size(), pipe)) {
    output.append(part.data(), size);
  }
  const int status = pclose(pipe);
  if (status != 0) {
    return absl::InternalError(absl::StrCat(
        "\"", command, "\" ended with status ",
        WIFEXITED(status) ? WEXITSTATUS(status) : -1, ": ", output));
  }
  return output;
}

absl::Status WaitForLinks() {
  // Until the kernel's link watch has run, an interface without carrier or with
  // the queue that drops everything ("noop").
  return RunCommand(
             "for i in $(seq 100); do"
             "  waiting=$(ip -o link show up | "
             "    grep -E 'qdisc noop |NO-CARRIER|state (DOWN|LOWER)') ||"
             "    exit 0;"
             "  sleep 0.05;"
             "done; echo \"$waiting\"; exit 1")
      .status();
}

absl::Status NetworkNamespace::WaitForLinks() const {
  Scope scope(*this);
  return ballast::WaitForLinks();
}

absl::StatusOr<NetworkNamespace> NetworkNamespace::Create() {
  const int outside = OpenThisNamespace();
  if (outside == -1) return Errno(kThisNamespace);
  if (unshare(CLONE_NEWNET) == -1) {
    close(outside);
    return Errno("unshare(CLONE_NEWNET)");
  }
  const int inside = OpenThisNamespace();
  BALLAST_CHECK(setns(outside, CLONE_NEWNET) == 0);
  close(outside);
  if (inside == -1) return absl::InternalError("cannot open the namespace");
  NetworkNamespace created(inside);
  BALLAST_RETURN_IF_ERROR(created.Run("ip link set lo up").status());
  return created;
}

NetworkNamespace::~NetworkNamespace() {
  if (fd_ != -1) close(fd_);
}

NetworkNamespace::Scope::Scope(const NetworkNamespace& inside)
    : outside_(OpenThisNamespace()) {
  BALLAST_CHECK(outside_ != -1 && setns(inside.fd_, CLONE_NEWNET) == 0);
}

NetworkNamespace::Scope::~Scope() {
  BALLAST_CHECK(setns(outside_, CLONE_NEWNET) == 0);
  close(outside_);
}

absl::StatusOr<std::string> NetworkNamespace::Run(
    absl::string_view command) const {
  Scope scope(*this);
  return RunCommand(command);
}

std::string NetworkNamespace::path() const {
  return absl::StrCat("/proc/", getpid(), "/fd/", fd_);
}

absl::StatusOr<BackgroundProcess> BackgroundProcess::Start(
    const std::vector<std::string>& argv, const std::string& output_path) {
  BALLAST_CHECK(!argv.empty());
  std::vector<char*> pointers;
  for (const std::string& word : argv) {
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  const int output =
      open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (output == -1) return Errno(output_path);
  // Closed by a successful exec, or carries its errno.
  int failure[2];
  if (pipe2(failure, O_CLOEXEC) == -1) {
    close(output);
    return Errno("pipe2");
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    // Also when the test crashes or is killed.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(pointers[0], pointers.data());
    const int error = errno;
    if (write(failure[1], &error, sizeof(error)) != sizeof(error)) _exit(2);
    _exit(1);
  }
  close(output);
  close(failure[1]);
  int error = pid == -1 ? errno : 0;
  if (pid != -1 && read(failure[0], &error, sizeof(error)) > 0) {
    waitpid(pid, nullptr, 0);
  }
  close(failure[0]);
  if (error != 0) return absl::ErrnoToStatus(error, argv[0]);
  return BackgroundProcess(pid);
}

BackgroundProcess::~BackgroundProcess() {
  if (pid_ == -1) return;
  kill(pid_, SIGKILL);
  Wait();
}

void BackgroundProcess::Signal(int signal) {
  if (pid_ != -1) kill(pid_, signal);
}

int BackgroundProcess::Wait() {
  int status = 0;
  while (pid_ != -1 && waitpid(pid_, &status, 0) == -1 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

}  // namespace ballast
