// The daemon: a Manager (a balancer whose configuration lasts) with a
// configuration file and signals.
//
//   SIGHUP   reads the file again; errors are printed and change nothing. A
//            standby takes only what is its own, such as the pair's keys
//   SIGUSR1  prints every service and server with its numbers
//   SIGTERM  hands the role over, if it is the active unit of a pair, writes
//            the flows to state_dir, for the next start, and ends
//   SIGINT   the same
//
// It logs to standard error, a line for each event: for people on a terminal,
// else for programs (lb/log_format.h); --log says which.
//
// Started by a service manager (NOTIFY_SOCKET, as systemd has it) it says when
// it serves, reloads and ends, its role, and that its loop runs.
//
// ballastctl speaks to it through the socket STATE_DIR/control
// (daemon_commands.h). Of a pair, the active unit's configuration is given to
// the other, which writes it over its own file, keeping what is its own.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "examples/control_socket.h"
#include "examples/daemon_commands.h"
#include "examples/daemon_log.h"
#include "examples/daemon_report.h"
#include "examples/daemon_status.h"
#include "io/base/instant.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/realtime.h"
#include "io/service_notifier.h"
#include "io/unique_fd.h"
#include "lb/config/validate.h"
#include "lb/log_format.h"
#include "lb/log_record.h"
#include "lb/run/admin_server.h"
#include "lb/run/manager.h"

ABSL_FLAG(std::string, config, "",
          "The configuration: lb/config/ballast.proto in text or JSON form.");
ABSL_FLAG(bool, check, false,
          "Only check the configuration; print every error and warning.");
ABSL_FLAG(std::string, log, "auto",
          "Lines of the log: text, json, or auto: text on a terminal.");
ABSL_FLAG(bool, force_epoll, false,
          "Use epoll even where io_uring is to be had.");
ABSL_FLAG(bool, claim_at_once, false,
          "Claim floating addresses without asking whether anyone has them.");

namespace ballast {
namespace {

// How often frames dropped and messages refused are logged, if there are any.
constexpr absl::Duration kLossPeriod = absl::Minutes(1);

// What the file says; null: there are errors, which `tell` gets, with warnings.
std::shared_ptr<const config::Model> Check(
    const std::string& path,
    absl::FunctionRef<void(LogLevel, absl::string_view)> tell) {
  const auto file = run::ReadConfigFile(path);
  if (!file.ok()) {
    tell(LogLevel::kError, file.status().message());
    return nullptr;
  }
  const config::Validated validated = config::Validate(file->config, 1);
  for (const config::Problem& error : validated.errors) {
    tell(LogLevel::kError, error.ToString());
  }
  for (const config::Problem& warning : validated.warnings) {
    tell(LogLevel::kWarning, warning.ToString());
  }
  return validated.model;
}

// For epoll_wait: milliseconds until `deadline`, upwards; -1: there is none.
int Timeout(Instant deadline) {
  if (deadline == Instant::Never()) return -1;
  const absl::Duration left =
      std::max(deadline - MonotonicNow(), absl::ZeroDuration());
  return static_cast<int>(
      absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
}

absl::Status Serve(const std::string& path, const config::Model& model,
                   DaemonLog& log) {
  // Before any thread is made, so that none takes a signal.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGHUP, SIGUSR1, SIGTERM, SIGINT}) {
    sigaddset(&signals, number);
  }
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const UniqueFd signal_fd(signalfd(-1, &signals, SFD_CLOEXEC));
  const UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const UniqueFd loop(epoll_create1(EPOLL_CLOEXEC));
  if (!signal_fd.valid() || !timer.valid() || !loop.valid()) {
    return absl::ErrnoToStatus(errno, "signalfd, timerfd or epoll");
  }
  // Another process that has the same state_dir is noticed here, before
  // anything in it is touched.
  std::unique_ptr<ControlSocket> control;
  if (!model.state_dir.empty()) {
    BALLAST_RETURN_IF_ERROR(MakeFolder(model.state_dir));
    BALLAST_ASSIGN_OR_RETURN(
        control, ControlSocket::Listen(model.state_dir + "/control"));
  }
  BALLAST_ASSIGN_OR_RETURN(ServiceNotifier notifier,
                           ServiceNotifier::FromEnvironment());
  DaemonStatus service(std::move(notifier));
  run::Manager::Options options;
  options.path = path;
  options.balancer.log = [&](const LogRecord& record) {
    log.Put(record);
    service.OnRecord(record);
  };
  options.balancer.claim_at_once = absl::GetFlag(FLAGS_claim_at_once);
  options.balancer.force_epoll = absl::GetFlag(FLAGS_force_epoll);
  BALLAST_ASSIGN_OR_RETURN(const std::unique_ptr<run::Manager> manager,
                           run::Manager::Open(std::move(options)));
  Balancer& balancer = manager->balancer();
  BALLAST_ASSIGN_OR_RETURN(
      const std::unique_ptr<run::AdminServer> admin,
      run::AdminServer::Create(
          {.backend = manager.get(),
           .log = log.log(),
           .force_epoll = absl::GetFlag(FLAGS_force_epoll)}));
  if (model.ha.mode != ha::Mode::kNone && model.ha.realtime_priority > 0) {
    if (const auto status = RunInRealTime(model.ha.realtime_priority);
        !status.ok()) {
      log.Put({LogLevel::kWarning, "no_realtime",
               absl::StrCat("ha.realtime_priority: ", status.message(),
                            ": a busy machine may cost this unit its role")});
    }
  }
  if (model.statistics_period > absl::ZeroDuration()) {
    const timespec every = absl::ToTimespec(model.statistics_period);
    const itimerspec spec{every, every};
    timerfd_settime(timer.get(), 0, &spec, nullptr);
  }
  std::vector<int> fds = {signal_fd.get(), timer.get(), balancer.fd(),
                          admin->fd()};
  if (control != nullptr) fds.push_back(control->fd());
  for (const int fd : fds) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &event);
  }
  log.Put({LogLevel::kInfo,
           "serving",
           absl::StrCat("serving ", model.services.size(), " services on ",
                        model.interfaces.size(), " interfaces"),
           {{"generation", absl::StrCat(manager->generation())}}});

  LossReport losses;
  Instant losses_due = MonotonicNow() + kLossPeriod;
  balancer.RunOnce();
  const auto statistics = [&] { return balancer.GetStatistics(); };
  service.Ready(statistics);
  for (;;) {
    admin->Follow();
    epoll_event events[4];
    const int count = epoll_wait(
        loop.get(), events, 4,
        Timeout(std::min({losses_due, log.deadline(), service.deadline()})));
    log.Advance();
    service.Advance(statistics);
    if (MonotonicNow() >= losses_due) {
      losses_due = MonotonicNow() + kLossPeriod;
      for (const LogRecord& record : losses.Step(balancer.GetStatistics())) {
        log.Put(record);
      }
    }
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == balancer.fd()) {
        balancer.RunOnce();
      } else if (fd == admin->fd()) {
        admin->RunOnce();
      } else if (fd == timer.get()) {
        uint64_t expirations;
        (void)!read(timer.get(), &expirations, sizeof(expirations));
        log.PutAll({StatisticsLine(balancer.GetStatistics())}, "statistics");
      } else if (fd == signal_fd.get()) {
        signalfd_siginfo info;
        if (read(fd, &info, sizeof(info)) != sizeof(info)) continue;
        if (info.ssi_signo == SIGHUP) {
          service.Reloading();
          (void)manager->Reload({"SIGHUP", ""});  // It logs what came of it.
          service.Ready(statistics);
        } else if (info.ssi_signo == SIGUSR1) {
          log.PutAll(StatisticsLines(balancer.GetStatistics()), "statistics");
        } else {
          log.PutAll({StatisticsLine(balancer.GetStatistics())}, "statistics");
          log.Put({LogLevel::kInfo, "ending", "ending"});
          service.Ending();
          return balancer.Shutdown();
        }
      } else {
        control->RunOnce([&](absl::string_view command) {
          return AnswerCommand(*manager, command);
        });
      }
    }
  }
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Balances TCP and UDP (L4) as a configuration file says.\n"
      "  ballastd --config FILE          serve\n"
      "  ballastd --config FILE --check  only check the file\n"
      "SIGHUP reloads, SIGUSR1 prints all statistics, SIGTERM ends and keeps "
      "the flows\nfor the next start (state_dir). Needs CAP_NET_RAW and "
      "CAP_NET_ADMIN.");
  absl::ParseCommandLine(argc, argv);
  const std::string path = absl::GetFlag(FLAGS_config);
  if (path.empty()) {
    std::fprintf(stderr, "ballastd: --config FILE is needed; see --help\n");
    return 1;
  }
  if (absl::GetFlag(FLAGS_check)) {
    const auto model = ballast::Check(
        path, [](ballast::LogLevel level, absl::string_view text) {
          std::fprintf(stderr, "%s: %s\n",
                       std::string(ballast::LogLevelName(level)).c_str(),
                       std::string(text).c_str());
        });
    if (model == nullptr) return 1;
    std::printf("%s: good, %zu virtual services\n", path.c_str(),
                model->services.size());
    return 0;
  }
  const auto format = ballast::DaemonLog::FormatOf(absl::GetFlag(FLAGS_log));
  if (!format.ok()) {
    std::fprintf(stderr, "ballastd: %s\n",
                 std::string(format.status().message()).c_str());
    return 1;
  }
  ballast::DaemonLog log(*format);
  const auto model = ballast::Check(
      path, [&](ballast::LogLevel level, absl::string_view text) {
        log.Put({level,
                 level == ballast::LogLevel::kError ? "configuration_refused"
                                                    : "configuration_warning",
                 std::string(text)});
      });
  if (model == nullptr) return 1;
  const absl::Status status = ballast::Serve(path, *model, log);
  if (!status.ok()) {
    log.Put({ballast::LogLevel::kError, "cannot_serve", status.ToString()});
    return 2;
  }
  log.Put({ballast::LogLevel::kInfo, "ended", "ended"});
  return 0;
}
