// A pair that loses nothing: 200 TCP sessions through two units, while the
// active one is killed, comes back, hands over, and is stopped and continued.
//
//   ./bazelw run //examples:failover_demo
//
// Client, two units and two servers each in a network namespace of its own
// (examples/testbed.h). Each unit is a ballastd process. Every session sends a
// counted byte stream and compares every byte of what comes back
// (examples/session_load.h); the same connection from its first byte to its
// last.
//
// Exit status 0: not one session was lost. 77: this system does not allow it;
// one line says what is missing.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "examples/session_load.h"
#include "examples/testbed.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/unique_fd.h"

ABSL_FLAG(int, sessions, 200, "TCP sessions, 20 to 2000.");
ABSL_FLAG(int, rounds, 1, "How often to go through all events, 1 to 100.");
ABSL_FLAG(bool, verbose, false, "Print what the units log as it comes.");

namespace ballast {
namespace {

using testbed::Family;
using testbed::SessionClient;
using testbed::SessionServer;
using testbed::Testbed;

constexpr int kServers = 2;
constexpr uint16_t kPort = 7000;
constexpr absl::Duration kPatience = absl::Seconds(20);

Endpoint Vip(Family family, int number) {
  return {testbed::ClientAddress(family, 100 + number), kPort};
}
const Endpoint kNat4 = Vip(Family::kV4, 1);
const Endpoint kNat6 = Vip(Family::kV6, 2);
const Endpoint kDirect4 = Vip(Family::kV4, 3);
const Endpoint kDirect6 = Vip(Family::kV6, 4);

// ---- A unit -----------------------------------------------------------------

std::string Service(const Endpoint& vip, bool direct) {
  const Family family = vip.address.is_v4() ? Family::kV4 : Family::kV6;
  std::string text =
      absl::StrCat("virtual_services {\n  address: \"", vip.address.ToString(),
                   "\" port: ", vip.port, " protocol: TCP\n",
                   "  health_check { type: NONE }\n");
  for (int i = 1; i <= kServers; ++i) {
    absl::StrAppend(&text, "  real_servers { address: \"",
                    testbed::ServerAddress(family, i).ToString(),
                    "\" port: ", kPort,
                    direct ? " forward: ROUTE" : " forward: NAT", " }\n");
  }
  return text + "}\n";
}

// One ballastd, in the namespace of its host.
class UnitProcess {
 public:
  UnitProcess(const Testbed& testbed, int index, std::string folder)
      : testbed_(testbed), index_(index), folder_(std::move(folder)) {}
  ~UnitProcess() {
    if (pid_ > 0) Kill(SIGKILL);
  }

  const char* name() const { return index_ == 0 ? "First" : "Second"; }

  // `more` is added at the end.
  absl::Status Configure(absl::string_view key, absl::string_view more = "") {
    std::string text =
        absl::StrCat("interfaces { name: \"", testbed::kClientsLink, "\" }\n",
                     "interfaces { name: \"", testbed::kServersLink, "\" }\n");
    for (const Family family : {Family::kV4, Family::kV6}) {
      absl::StrAppend(&text, "floating_addresses { address: \"",
                      testbed::Gateway(family).ToString(), "\" }\n");
    }
    const auto link = [&](const char* name, Address (*address)(Family, int)) {
      return absl::StrCat(
          "  links { interface: \"", name, "\" own_address: \"",
          address(Family::kV4, index_).ToString(), "/24\" partner_address: \"",
          address(Family::kV4, 1 - index_).ToString(), "\" check: true }\n");
    };
    absl::StrAppend(&text, "state_dir: \"", folder_,
                    "\"\nstatistics_period_s: 0\n",
                    "hash_key: \"000102030405060708090a0b0c0d0e0f\"\n",
                    "ha {\n  mode: ", index_ == 0 ? "FIRST" : "SECOND",
                    "\n  advert_interval_ms: 100\n  virtual_id: 7\n",
                    link(testbed::kServersLink, &testbed::UnitServerAddress),
                    link(testbed::kClientsLink, &testbed::UnitClientAddress),
                    "  l4_updates: true\n  pacify_starts: 0\n  keys: \"", key,
                    "\"\n}\n", Service(kNat4, false), Service(kNat6, false),
                    Service(kDirect4, true), Service(kDirect6, true), more);
    return WriteFileAtomically(
        Path(), {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }

  absl::Status Start(const std::string& program) {
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
      return absl::ErrnoToStatus(errno, "pipe");
    }
    UniqueFd read_end(pipe_fds[0]);
    const UniqueFd write_end(pipe_fds[1]);
    const std::string config = absl::StrCat("--config=", Path());
    BALLAST_RETURN_IF_ERROR(testbed_.unit(index_).Run([&]() -> absl::Status {
      pid_ = fork();
      if (pid_ < 0) return absl::ErrnoToStatus(errno, "fork");
      if (pid_ > 0) return absl::OkStatus();
      dup2(write_end.get(), STDERR_FILENO);
      dup2(write_end.get(), STDOUT_FILENO);
      execl(program.c_str(), "ballastd", config.c_str(), nullptr);
      _exit(127);
    }));
    if (reader_.joinable()) reader_.join();
    reader_ =
        std::thread([this, fd = std::move(read_end)] { ReadLog(fd.get()); });
    return absl::OkStatus();
  }

  void Kill(int signal) {
    kill(pid_, signal);
    if (signal != SIGKILL && signal != SIGTERM) return;
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    if (reader_.joinable()) reader_.join();
    const std::lock_guard lock(mutex_);
    role_ = "gone";
    synced_ = false;
  }

  std::string role() const {
    const std::lock_guard lock(mutex_);
    return role_;
  }
  bool synced() const {
    const std::lock_guard lock(mutex_);
    return synced_;
  }
  // Whether it has said so, not long ago.
  bool Logged(absl::string_view text) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(log_.begin(), log_.end(), [&](const std::string& line) {
      return absl::StrContains(line, text);
    });
  }
  std::vector<std::string> log() const {
    const std::lock_guard lock(mutex_);
    return {log_.begin(), log_.end()};
  }
  std::string Path() const { return folder_ + "/ballast.textproto"; }
  const std::string& folder() const { return folder_; }

 private:
  static constexpr size_t kLogMax = 200;

  void ReadLog(int fd) {
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
  void OnLine(const std::string& line) {
    if (absl::GetFlag(FLAGS_verbose)) {
      std::printf("      %s: %s\n", name(), line.c_str());
    }
    const std::lock_guard lock(mutex_);
    log_.push_back(line);
    if (log_.size() > kLogMax) log_.pop_front();
    const size_t arrow = line.find(" -> ");
    if (absl::StrContains(line, " role ") && arrow != std::string::npos) {
      const size_t begin = arrow + 4;
      role_ = line.substr(begin, line.find(':', begin) - begin);
      synced_ = false;
    }
    if (absl::StrContains(line, " in sync")) synced_ = true;
  }

  const Testbed& testbed_;
  const int index_;
  const std::string folder_;
  pid_t pid_ = -1;
  std::thread reader_;
  mutable std::mutex mutex_;
  std::string role_ = "gone";
  bool synced_ = false;
  std::deque<std::string> log_;
};

// ---- The program ------------------------------------------------------------

class Demo {
 public:
  Demo(Testbed& testbed, std::string folder)
      : testbed_(testbed),
        folder_(std::move(folder)),
        units_{{testbed, 0, folder_ + "/first"},
               {testbed, 1, folder_ + "/second"}} {}

  absl::Status Run(const std::string& program, const std::string& control) {
    control_ = control;
    BALLAST_RETURN_IF_ERROR(StartServers());
    std::array<uint8_t, 32> key;
    FillRandom(key);
    for (const uint8_t byte : key) absl::StrAppendFormat(&key_, "%02x", byte);
    for (UnitProcess& unit : units_) {
      BALLAST_RETURN_IF_ERROR(MakeFolder(unit.folder()));
      BALLAST_RETURN_IF_ERROR(unit.Configure(key_));
      BALLAST_RETURN_IF_ERROR(unit.Start(program));
    }
    start_ = MonotonicNow();
    BALLAST_RETURN_IF_ERROR(Await("a pair", [&] { return Paired(0); }));
    BALLAST_RETURN_IF_ERROR(StartSessions());
    BALLAST_RETURN_IF_ERROR(Watch(absl::Seconds(2)));
    const int rounds = absl::GetFlag(FLAGS_rounds);
    for (int round = 1; round <= rounds; ++round) {
      const std::string suffix = rounds == 1 ? "" : absl::StrCat(" ", round);
      BALLAST_RETURN_IF_ERROR(Event(
          "kill -9 First" + suffix,
          [&] {
            units_[0].Kill(SIGKILL);
            return absl::OkStatus();
          },
          [&] { return units_[1].role() == "active"; }));
      BALLAST_RETURN_IF_ERROR(Event(
          "First returns" + suffix, [&] { return units_[0].Start(program); },
          [&] { return Paired(1); }));
      BALLAST_RETURN_IF_ERROR(Event(
          "switchover to First" + suffix,
          [&] { return Control(1, "switchover"); }, [&] { return Paired(0); }));
      BALLAST_RETURN_IF_ERROR(Event(
          "reload, Second follows" + suffix,
          [&] {
            // One service more, which nobody uses.
            BALLAST_RETURN_IF_ERROR(units_[0].Configure(
                key_, Service(Vip(Family::kV4, 10 + round), false)));
            units_[0].Kill(SIGHUP);
            return absl::OkStatus();
          },
          [&] { return units_[1].Logged(" taken from the partner"); }));
      units_[1].Kill(SIGHUP);
      BALLAST_RETURN_IF_ERROR(Await("a standby refuses a reload", [&] {
        return units_[1].Logged("reload refused: this unit is standby");
      }));
      BALLAST_RETURN_IF_ERROR(Event(
          "SIGTERM First" + suffix,
          [&] {
            units_[0].Kill(SIGTERM);
            return absl::OkStatus();
          },
          [&] { return units_[1].role() == "active"; }));
      BALLAST_RETURN_IF_ERROR(Event(
          "First returns again" + suffix,
          [&] { return units_[0].Start(program); }, [&] { return Paired(1); }));
      BALLAST_RETURN_IF_ERROR(Event(
          "switchover again" + suffix, [&] { return Control(1, "switchover"); },
          [&] { return Paired(0); }));
      BALLAST_RETURN_IF_ERROR(Event(
          "SIGSTOP First" + suffix,
          [&] {
            units_[0].Kill(SIGSTOP);
            return absl::OkStatus();
          },
          [&] { return units_[1].role() == "active"; }));
      BALLAST_RETURN_IF_ERROR(Event(
          "SIGCONT First" + suffix,
          [&] {
            units_[0].Kill(SIGCONT);
            return absl::OkStatus();
          },
          [&] { return Paired(1); }));
      if (round == rounds) break;
      BALLAST_RETURN_IF_ERROR(Event(
          "switchover to First again" + suffix,
          [&] { return Control(1, "switchover"); }, [&] { return Paired(0); }));
    }
    return absl::OkStatus();
  }

  // The table; true if nothing was lost.
  bool Report() {
    if (client_ == nullptr) return false;
    const testbed::SessionReport report = client_->Finish(kPatience);
    std::printf("\n%-28s %10s %10s %8s %6s\n", "event", "lasted", "longest gap",
                "blocks", "lost");
    for (const testbed::SessionWindow& window : report.windows) {
      std::printf("%-28s %8.1f s %8.0f ms %8llu %6d\n", window.name.c_str(),
                  absl::ToDoubleSeconds(window.length),
                  absl::ToDoubleMilliseconds(window.longest_gap),
                  static_cast<unsigned long long>(window.blocks), window.lost);
    }
    std::printf(
        "\n%d sessions, %d lost; %llu bytes compared at the client, of "
        "%d connections\nthat lived from the first byte to the last.\n",
        report.sessions, report.lost,
        static_cast<unsigned long long>(report.bytes_verified),
        report.completed);
    for (const testbed::LostSession& lost : report.losses) {
      std::printf("  lost: %s: %s in \"%s\" after %.2f s %s\n",
                  lost.session.c_str(), testbed::SessionLossName(lost.loss),
                  lost.window.c_str(), absl::ToDoubleSeconds(lost.at),
                  lost.detail.c_str());
    }
    return report.lost == 0 && report.completed == report.sessions;
  }

  void PrintLogs() const {
    for (const UnitProcess& unit : units_) {
      std::printf("\nWhat %s logged:\n", unit.name());
      for (const std::string& line : unit.log()) {
        std::printf("  %s\n", line.c_str());
      }
    }
  }

 private:
  absl::Status StartServers() {
    for (int i = 0; i < kServers; ++i) {
      BALLAST_RETURN_IF_ERROR(
          testbed_.server_host(i).Run([&]() -> absl::Status {
            BALLAST_ASSIGN_OR_RETURN(auto server, SessionServer::Start(kPort));
            servers_.push_back(std::move(server));
            return absl::OkStatus();
          }));
    }
    return absl::OkStatus();
  }

  absl::Status StartSessions() {
    const int count = absl::GetFlag(FLAGS_sessions);
    const int idle = std::max(1, count / 20);
    const int direct = count / 10;
    SessionClient::Options options;
    options.groups = {
        {.name = "NAT IPv6", .server = kNat6, .count = count / 4},
        {.name = "direct IPv4", .server = kDirect4, .count = direct},
        {.name = "direct IPv6", .server = kDirect6, .count = direct},
        {.name = "nearly idle",
         .server = kNat4,
         .count = idle,
         .interval = absl::Seconds(3)},
    };
    const int rest = count - count / 4 - 2 * direct - idle;
    options.groups.push_back(
        {.name = "NAT IPv4", .server = kNat4, .count = rest});
    std::printf(
        "%d sessions: %d NAT IPv4, %d NAT IPv6, %d direct return IPv4, %d "
        "IPv6, each\na block every 50 ms; %d NAT IPv4 a block every 3 s.\n\n",
        count, rest, count / 4, direct, direct, idle);
    BALLAST_RETURN_IF_ERROR(testbed_.client().Run([&]() -> absl::Status {
      BALLAST_ASSIGN_OR_RETURN(client_, SessionClient::Start(options));
      return absl::OkStatus();
    }));
    BALLAST_RETURN_IF_ERROR(client_->AwaitEstablished(kPatience));
    client_->BeginWindow("steady");
    return absl::OkStatus();
  }

  // `active` serves, the other stands by with an equal table.
  bool Paired(int active) const {
    return units_[active].role() == "active" &&
           units_[1 - active].role() == "standby" &&
           units_[1 - active].synced();
  }

  // `control` is ballastctl.
  absl::Status Control(int unit, const char* command) {
    const std::string call =
        absl::StrCat(control_, " ", command, " ", units_[unit].folder(),
                     "/control >/dev/null");
    if (std::system(call.c_str()) == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("ballastctl ", command, " failed"));
  }

  absl::Status Event(const std::string& name,
                     const std::function<absl::Status()>& act,
                     const std::function<bool()>& settled) {
    client_->BeginWindow(name);
    event_ = name;
    Line("\n");
    BALLAST_RETURN_IF_ERROR(act());
    BALLAST_RETURN_IF_ERROR(Await(name, settled));
    return Watch(absl::Seconds(2));
  }

  absl::Status Await(const std::string& what,
                     const std::function<bool()>& done) {
    const Instant deadline = MonotonicNow() + kPatience;
    while (!done()) {
      if (MonotonicNow() > deadline) {
        return absl::DeadlineExceededError(absl::StrCat(
            what, ": not there within ", absl::FormatDuration(kPatience),
            " (First ", units_[0].role(), ", Second ", units_[1].role(), ")"));
      }
      BALLAST_RETURN_IF_ERROR(Look());
    }
    return absl::OkStatus();
  }

  // Goes on for a while, and until all sessions flow again.
  absl::Status Watch(absl::Duration length) {
    const Instant end = MonotonicNow() + length;
    while (MonotonicNow() < end) BALLAST_RETURN_IF_ERROR(Look());
    return Await(event_ + ": sessions flow again", [&] {
      return client_->Now().gap_now < absl::Milliseconds(500);
    });
  }

  absl::Status Look() {
    if (isatty(STDOUT_FILENO)) Line("\r");
    usleep(20'000);
    if (client_ != nullptr && client_->Now().lost > 0) {
      return absl::DataLossError("sessions were lost");
    }
    return absl::OkStatus();
  }

  void Line(const char* end) {
    if (client_ == nullptr) return;
    const testbed::SessionStatus now = client_->Now();
    std::printf(
        "%6.1f s  First %-8s Second %-8s  %d of %d alive, gap so far "
        "%4.0f ms  %-26s%s",
        absl::ToDoubleSeconds(MonotonicNow() - start_),
        units_[0].role().c_str(), units_[1].role().c_str(), now.alive,
        now.sessions, absl::ToDoubleMilliseconds(now.longest_gap),
        event_.c_str(), end);
    std::fflush(stdout);
  }

  Testbed& testbed_;
  const std::string folder_;
  std::string control_;
  std::string key_;
  std::vector<std::unique_ptr<SessionServer>> servers_;
  std::unique_ptr<SessionClient> client_;
  UnitProcess units_[2];
  Instant start_;
  std::string event_ = "steady";
};

// Of this program's own folder.
std::string Beside(const char* name) {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  const std::string self(path, length > 0 ? static_cast<size_t>(length) : 0);
  return self.substr(0, self.rfind('/') + 1) + name;
}

int Main() {
  std::printf(
      "A client, two units and two servers, each in a network namespace of "
      "its own.\n");
  auto testbed =
      Testbed::Create({.servers = kServers,
                       .direct = {kDirect4.address, kDirect6.address},
                       .units = 2,
                       .http = false});
  if (!testbed.ok()) return testbed::Explain(testbed.status());
  char folder[] = "/tmp/ballast_failover.XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    return testbed::Explain(absl::ErrnoToStatus(errno, "mkdtemp"));
  }
  bool good = false;
  absl::Status status;
  {
    Demo demo(**testbed, folder);
    status = demo.Run(Beside("ballastd"), Beside("ballastctl"));
    good = demo.Report() && status.ok();
    if (!good) demo.PrintLogs();
  }
  const std::string clean = absl::StrCat("rm -rf ", folder);
  if (std::system(clean.c_str()) != 0) std::printf("left: %s\n", folder);
  if (!status.ok()) {
    std::printf("\nFAILED: %s\n", std::string(status.message()).c_str());
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Shows that TCP sessions outlive the unit that carries them: kill -9, "
      "return,\nswitchover, SIGSTOP and SIGCONT of the active unit.");
  absl::ParseCommandLine(argc, argv);
  return ballast::Main();
}
