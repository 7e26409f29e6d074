// Network namespaces for tests against the real kernel: every interface,
// address and process of a test lives in namespaces of its own that vanish with
// it. Testonly.
//
//   if (const absl::Status s = EnterTestNamespace(); !s.ok()) {
//     GTEST_SKIP() << "SKIPPED: " << s;
//   }
//   auto client = NetworkNamespace::Create();
//   RunCommand("ip link add c0 type veth peer name c1 netns " +
//              client->path());
//   client->Run("ip link set c1 up");
//   {
//     NetworkNamespace::Scope scope(*client);
//     // Sockets opened here belong to `client`, also after the scope.
//   }
//
// Threads  A namespace belongs to a thread: threads started later inherit it.
// Tests that use this carry tags = ["exclusive", "local", "no-sandbox"].
#ifndef IO_TESTING_NAMESPACE_H_
#define IO_TESTING_NAMESPACE_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast {

// Moves the calling process, which has no other thread yet, into a fresh
// network namespace (loopback up); without root also into a fresh user
// namespace in which it is root. May be called again: another fresh one.
//   kPermissionDenied  neither is allowed here: skip, loudly.
absl::Status EnterTestNamespace();

// Runs `command` with /bin/sh in the calling thread's namespace and returns
// what it printed on both outputs. Not exit status 0: kInternal with that text.
absl::StatusOr<std::string> RunCommand(absl::string_view command);

// Waits until every interface of this namespace that is up can carry frames. A
// fresh veth takes up to a second after `ip link set up` and swallows frames
// without a word until then.
absl::Status WaitForLinks();

// A further network namespace, alive as long as this object (or a process or
// socket in it).
class NetworkNamespace {
 public:
  // Fresh, loopback up. The calling thread stays where it is.
  static absl::StatusOr<NetworkNamespace> Create();
  NetworkNamespace(NetworkNamespace&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)) {}
  NetworkNamespace& operator=(NetworkNamespace&&) = delete;
  ~NetworkNamespace();

  // The calling thread is inside while this lives.
  class Scope {
   public:
    explicit Scope(const NetworkNamespace& inside);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    int outside_;
  };

  absl::StatusOr<std::string> Run(absl::string_view command) const;
  absl::Status WaitForLinks() const;
  // What `ip link ... netns` and nsenter --net= take, while this lives.
  std::string path() const;

 private:
  explicit NetworkNamespace(int fd) : fd_(fd) {}
  int fd_;
};

// A program that runs beside the test, in the namespace of the thread that
// starts it, until it ends, this object dies, or the test does.
class BackgroundProcess {
 public:
  // argv[0] is looked up in PATH. Its output goes to `output_path`.
  static absl::StatusOr<BackgroundProcess> Start(
      const std::vector<std::string>& argv,
      const std::string& output_path = "/dev/null");
  BackgroundProcess(BackgroundProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)) {}
  BackgroundProcess& operator=(BackgroundProcess&&) = delete;
  // Ends it (SIGKILL) and waits.
  ~BackgroundProcess();

  pid_t pid() const { return pid_; }
  void Signal(int signal);
  // Waits for its end and returns its wait status (see waitpid).
  int Wait();

 private:
  explicit BackgroundProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace ballast

#endif  // IO_TESTING_NAMESPACE_H_
