// The daemon: a Manager (a balancer whose configuration lasts) with a
// configuration file and signals.
//
//   SIGHUP   reads the file again; errors are printed and change nothing. A
//            standby takes only what is its own, such as the pair's keys
//   SIGUSR1  prints every service and server with its numbers
//   SIGTERM  hands the role over, if it is the active unit of a pair, writes
//   the
//            flows to state_dir, for the next start, and ends
//   SIGINT   the same
//
// ballastctl speaks to it through the socket STATE_DIR/control
// (daemon_commands.h). Of a pair, the active unit's configuration is given to
// the other, which writes it over its own file, keeping what is its own.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/control_socket.h"
#include "examples/daemon_commands.h"
#include "examples/daemon_report.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/realtime.h"
#include "io/unique_fd.h"
#include "lb/config/validate.h"
#include "lb/run/admin_server.h"
#include "lb/run/manager.h"

ABSL_FLAG(std::string, config, "",
          "The configuration: lb/config/ballast.proto in text or JSON form.");
ABSL_FLAG(bool, check, false,
          "Only check the configuration; print every error and warning.");
ABSL_FLAG(bool, force_epoll, false,
          "Use epoll even where io_uring is to be had.");
ABSL_FLAG(bool, claim_at_once, false,
          "Claim floating addresses without asking whether anyone has them.");

namespace ballast {
namespace {

void Log(absl::string_view line) {
  const std::string stamp =
      absl::FormatTime("%H:%M:%E3S", absl::Now(), absl::LocalTimeZone());
  std::fprintf(stderr, "%s %.*s\n", stamp.c_str(),
               static_cast<int>(line.size()), line.data());
}

// What the file says; null: there are errors, which it prints.
std::shared_ptr<const config::Model> Check(const std::string& path) {
  const auto file = run::ReadConfigFile(path);
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", std::string(file.status().message()).c_str());
    return nullptr;
  }
  const config::Validated validated = config::Validate(file->config, 1);
  std::fprintf(stderr, "%s", config::Report(validated).c_str());
  return validated.model;
}

absl::Status Serve(const std::string& path, const config::Model& model) {
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
  run::Manager::Options options;
  options.path = path;
  options.balancer.log = Log;
  options.balancer.claim_at_once = absl::GetFlag(FLAGS_claim_at_once);
  options.balancer.force_epoll = absl::GetFlag(FLAGS_force_epoll);
  BALLAST_ASSIGN_OR_RETURN(const std::unique_ptr<run::Manager> manager,
                           run::Manager::Open(std::move(options)));
  Balancer& balancer = manager->balancer();
  BALLAST_ASSIGN_OR_RETURN(
      const std::unique_ptr<run::AdminServer> admin,
      run::AdminServer::Create(
          {.backend = manager.get(),
           .log = Log,
           .force_epoll = absl::GetFlag(FLAGS_force_epoll)}));
  if (model.ha.mode != ha::Mode::kNone && model.ha.realtime_priority > 0) {
    if (const auto status = RunInRealTime(model.ha.realtime_priority);
        !status.ok()) {
      Log(absl::StrCat("ha.realtime_priority: ", status.message(),
                       ": a busy machine may cost this unit its role"));
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
  Log(absl::StrCat("serving ", model.services.size(), " services on ",
                   model.interfaces.size(), " interfaces"));

  balancer.RunOnce();
  for (;;) {
    admin->Follow();
    epoll_event events[4];
    const int count = epoll_wait(loop.get(), events, 4, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == balancer.fd()) {
        balancer.RunOnce();
      } else if (fd == admin->fd()) {
        admin->RunOnce();
      } else if (fd == timer.get()) {
        uint64_t expirations;
        (void)!read(timer.get(), &expirations, sizeof(expirations));
        Log(StatisticsLine(balancer.GetStatistics()));
      } else if (fd == signal_fd.get()) {
        signalfd_siginfo info;
        if (read(fd, &info, sizeof(info)) != sizeof(info)) continue;
        if (info.ssi_signo == SIGHUP) {
          (void)manager->Reload({"SIGHUP", ""});  // It logs what came of it.
        } else if (info.ssi_signo == SIGUSR1) {
          for (const std::string& line :
               StatisticsLines(balancer.GetStatistics())) {
            Log(line);
          }
        } else {
          Log(StatisticsLine(balancer.GetStatistics()));
          Log("ending");
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
  const auto model = ballast::Check(path);
  if (model == nullptr) return 1;
  if (absl::GetFlag(FLAGS_check)) {
    std::printf("%s: good, %zu virtual services\n", path.c_str(),
                model->services.size());
    return 0;
  }
  const absl::Status status = ballast::Serve(path, *model);
  if (!status.ok()) {
    std::fprintf(stderr, "ballastd: %s\n", status.ToString().c_str());
    return 2;
  }
  return 0;
}
