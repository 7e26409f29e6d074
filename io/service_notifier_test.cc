#include "io/service_notifier.h"

#include <gtest/gtest.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace ballast {
namespace {

// A path that fits in an address, as Bazel's own folders may not.
std::string Path(absl::string_view name) {
  return absl::StrCat("/tmp/ballast_notifier.", getpid(), ".", name);
}

// A manager's end, bound as systemd binds its own.
class Manager {
 public:
  explicit Manager(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.data(), path.size());
    socklen_t size = sizeof(at);
    if (path[0] == '@') {
      at.sun_path[0] = '\0';
      size =
          static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    } else {
      unlink(path.c_str());
    }
    if (path[0] != '@') path_ = path;
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  }
  ~Manager() { unlink(path_.c_str()); }
  std::string Receive() {
    char buffer[4096];
    const ssize_t got = recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    return got < 0 ? "nothing" : std::string(buffer, static_cast<size_t>(got));
  }

 private:
  UniqueFd fd_;
  std::string path_;
};

class ServiceNotifierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
      unsetenv(name);
    }
  }
  static absl::StatusOr<ServiceNotifier> With(const std::string& path) {
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    return ServiceNotifier::FromEnvironment();
  }
};

TEST_F(ServiceNotifierTest, WithoutAManagerItTellsNobody) {
  auto notifier = ServiceNotifier::FromEnvironment();
  ASSERT_TRUE(notifier.ok()) << notifier.status();
  EXPECT_FALSE(notifier->enabled());
  notifier->Send("READY=1");
  EXPECT_EQ(notifier->dropped(), 0u);
}

TEST_F(ServiceNotifierTest, APathAndAnAbstractName) {
  for (const std::string& path :
       {Path("notify"), absl::StrCat("@notify-", getpid())}) {
    Manager manager(path);
    auto notifier = With(path);
    ASSERT_TRUE(notifier.ok()) << notifier.status();
    notifier->Send("READY=1\nSTATUS=active");
    EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=active") << path;
    EXPECT_EQ(notifier->dropped(), 0u);
    EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
  }
}

TEST_F(ServiceNotifierTest, AManagerThatIsGoneOrFullCostsNoTime) {
  const std::string path = Path("gone");
  auto notifier = With(path);
  ASSERT_TRUE(notifier.ok()) << notifier.status();
  notifier->Send("READY=1");
  EXPECT_EQ(notifier->dropped(), 1u);
  Manager manager(path);
  // Nobody reads: net.unix.max_dgram_qlen datagrams are taken.
  for (int i = 0; i < 100000 && notifier->dropped() == 1; ++i) {
    notifier->Send("WATCHDOG=1");
  }
  EXPECT_EQ(notifier->dropped(), 2u);
}

TEST_F(ServiceNotifierTest, NamesItCannotUseAreRefused) {
  EXPECT_EQ(With("run/notify").status().message(),
            "NOTIFY_SOCKET=run/notify: must begin with / or @ (abstract)");
  EXPECT_FALSE(With("vsock:2:1234").ok());
  EXPECT_FALSE(With("@").ok());
  EXPECT_FALSE(With("/" + std::string(107, 'x')).ok());
  EXPECT_TRUE(With("/" + std::string(106, 'x')).ok());
}

TEST_F(ServiceNotifierTest, TheWatchdogOfThisProcess) {
  const auto watchdog = [&](const char* usec, const std::string& pid) {
    setenv("WATCHDOG_USEC", usec, 1);
    if (!pid.empty()) setenv("WATCHDOG_PID", pid.c_str(), 1);
    const auto notifier = With("/run/notify");
    return notifier.ok() ? notifier->watchdog() : absl::InfiniteDuration();
  };
  EXPECT_EQ(watchdog("3000000", ""), absl::Seconds(3));
  EXPECT_EQ(watchdog("3000000", absl::StrCat(getpid())), absl::Seconds(3));
  EXPECT_EQ(watchdog("3000000", "1"), absl::ZeroDuration());
  EXPECT_EQ(watchdog("soon", ""), absl::InfiniteDuration());
  EXPECT_EQ(watchdog("0", ""), absl::InfiniteDuration());
  EXPECT_EQ(getenv("WATCHDOG_USEC"), nullptr);
}

TEST_F(ServiceNotifierTest, Texts) {
  EXPECT_EQ(ServiceNotifier::Reloading(Instant::FromNanos(1'234'567'890)),
            "RELOADING=1\nMONOTONIC_USEC=1234567");
  EXPECT_EQ(ServiceNotifier::Status("active\nREADY=1"),
            "STATUS=active READY=1");
}

}  // namespace
}  // namespace ballast
