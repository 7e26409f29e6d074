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
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "examples/failover_config.h"
#include "examples/session_load.h"
#include "examples/testbed.h"
#include "examples/unit_process.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"

ABSL_FLAG(int, sessions, 200, "TCP sessions, 20 to 2000.");
ABSL_FLAG(int, rounds, 1, "How often to go through all events, 1 to 80.");
ABSL_FLAG(bool, kills_only, false,
          "A round is only: kill -9 of the active unit, and its return.");
ABSL_FLAG(bool, verbose, false, "Print what the units log as it comes.");

namespace ballast {
namespace {

using failover::kDirect4;
using failover::kDirect6;
using failover::kNat4;
using failover::kNat6;
using failover::kPort;
using failover::kServers;
using failover::UnitConfig;
using testbed::Family;
using testbed::SessionClient;
using testbed::SessionServer;
using testbed::Testbed;
using testbed::UnitProcess;

constexpr absl::Duration kPatience = absl::Seconds(20);

class Demo {
 public:
  Demo(Testbed& testbed, std::string folder)
      : testbed_(testbed),
        folder_(std::move(folder)),
        units_{{testbed.unit(0), "First", folder_ + "/first",
                absl::GetFlag(FLAGS_verbose)},
               {testbed.unit(1), "Second", folder_ + "/second",
                absl::GetFlag(FLAGS_verbose)}} {}

  // `program` is ballastd, `control` ballastctl.
  absl::Status Run(const std::string& program, const std::string& control) {
    program_ = program;
    control_ = control;
    BALLAST_RETURN_IF_ERROR(StartServers());
    std::array<uint8_t, 32> key;
    FillRandom(key);
    for (const uint8_t byte : key) absl::StrAppendFormat(&key_, "%02x", byte);
    for (int i = 0; i < 2; ++i) {
      UnitProcess& unit = units_[i];
      BALLAST_RETURN_IF_ERROR(MakeFolder(unit.folder()));
      BALLAST_RETURN_IF_ERROR(
          unit.Configure(UnitConfig(i, unit.folder(), key_)));
      BALLAST_RETURN_IF_ERROR(unit.Start(program_));
    }
    start_ = MonotonicNow();
    BALLAST_RETURN_IF_ERROR(Await("a pair", [&] { return Paired(0); }));
    BALLAST_RETURN_IF_ERROR(StartSessions());
    BALLAST_RETURN_IF_ERROR(Watch(absl::Seconds(2)));
    const int rounds = absl::GetFlag(FLAGS_rounds);
    for (int round = 1; round <= rounds; ++round) {
      suffix_ = rounds == 1 ? "" : absl::StrCat(" ", round);
      if (absl::GetFlag(FLAGS_kills_only)) {
        BALLAST_RETURN_IF_ERROR(KillAndReturn((round - 1) % 2));
        continue;
      }
      BALLAST_RETURN_IF_ERROR(KillAndReturn(0));
      BALLAST_RETURN_IF_ERROR(Switchover("switchover to First"));
      BALLAST_RETURN_IF_ERROR(Reload(round));
      BALLAST_RETURN_IF_ERROR(EndAndReturn());
      BALLAST_RETURN_IF_ERROR(Switchover("switchover again"));
      BALLAST_RETURN_IF_ERROR(StopAndContinue());
      if (round == rounds) break;
      BALLAST_RETURN_IF_ERROR(Switchover("switchover to First again"));
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
      std::printf("\nWhat %s logged:\n", unit.name().c_str());
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

  // ---- What happens to the pair. First is active before each of them, but for
  // Switchover(), after which it is.

  // Whichever is active.
  absl::Status KillAndReturn(int active) {
    UnitProcess& unit = units_[active];
    BALLAST_RETURN_IF_ERROR(
        Event(absl::StrCat("kill -9 ", unit.name()), Signal(active, SIGKILL),
              [&] { return units_[1 - active].role() == "active"; }));
    return Event(
        unit.name() + " returns", [&] { return unit.Start(program_); },
        [&] { return Paired(1 - active); });
  }

  absl::Status Switchover(const char* name) {
    return Event(
        name, [&] { return Control(1, "switchover"); },
        [&] { return Paired(0); });
  }

  // One service more, which nobody uses.
  absl::Status Reload(int round) {
    const uint64_t before = units_[1].lines();
    BALLAST_RETURN_IF_ERROR(Event(
        "reload, Second follows",
        [&] {
          BALLAST_RETURN_IF_ERROR(units_[0].Configure(
              UnitConfig(0, units_[0].folder(), key_,
                         failover::Service(
                             failover::Vip(Family::kV4, 10 + round), false))));
          return Signal(0, SIGHUP)();
        },
        [&] { return units_[1].Logged(" taken from the partner", before); }));
    // What the pair shares is not its to change.
    BALLAST_RETURN_IF_ERROR(units_[1].Configure(
        UnitConfig(1, units_[1].folder(), key_,
                   failover::Service(failover::Vip(Family::kV4, 9), false))));
    units_[1].Signal(SIGHUP);
    return Await("a standby refuses a reload", [&] {
      return units_[1].Logged("reload refused: this unit is standby", before);
    });
  }

  absl::Status EndAndReturn() {
    BALLAST_RETURN_IF_ERROR(Event("SIGTERM First", Signal(0, SIGTERM), [&] {
      return units_[1].role() == "active";
    }));
    return Event(
        "First returns again", [&] { return units_[0].Start(program_); },
        [&] { return Paired(1); });
  }

  // Second is active then.
  absl::Status StopAndContinue() {
    BALLAST_RETURN_IF_ERROR(Event("SIGSTOP First", Signal(0, SIGSTOP), [&] {
      return units_[1].role() == "active";
    }));
    return Event("SIGCONT First", Signal(0, SIGCONT),
                 [&] { return Paired(1); });
  }

  std::function<absl::Status()> Signal(int unit, int signal) {
    return [this, unit, signal] {
      units_[unit].Signal(signal);
      return absl::OkStatus();
    };
  }

  // ---- How it is watched.

  // `active` serves, the other stands by with an equal table.
  bool Paired(int active) const {
    return units_[active].role() == "active" &&
           units_[1 - active].role() == "standby" &&
           units_[1 - active].synced();
  }

  absl::Status Control(int unit, const char* command) {
    const std::string call = absl::StrCat(control_, " ", command,
                                          " --socket=", units_[unit].folder(),
                                          "/control >/dev/null");
    if (std::system(call.c_str()) == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("ballastctl ", command, " failed"));
  }

  absl::Status Event(const std::string& name,
                     const std::function<absl::Status()>& act,
                     const std::function<bool()>& settled) {
    event_ = name + suffix_;
    client_->BeginWindow(event_);
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
  std::string program_;
  std::string control_;
  std::string suffix_;  // Of the names of events.
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
  const auto in_range = [](const char* flag, int value, int min, int max) {
    if (value >= min && value <= max) return true;
    std::printf("--%s=%d, must be from %d to %d\n", flag, value, min, max);
    return false;
  };
  if (!in_range("sessions", absl::GetFlag(FLAGS_sessions), 20, 2000) ||
      !in_range("rounds", absl::GetFlag(FLAGS_rounds), 1, 80)) {
    return 2;
  }
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
