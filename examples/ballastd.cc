// The daemon: a Balancer with a configuration file and signals.
//
//   SIGHUP   reads the file again; errors are printed and change nothing
//   SIGUSR1  prints every service and server with its numbers
//   SIGTERM  writes the flows to state_dir, for the next start, and ends
//   SIGINT   the same
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/unique_fd.h"
#include "lb/balancer.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

ABSL_FLAG(std::string, config, "",
          "The configuration: lb/config/ballast.proto in text or JSON form.");
ABSL_FLAG(bool, check, false,
          "Only check the configuration; print every error and warning.");
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

// Prints what is wrong or doubtful; null if there are errors.
std::shared_ptr<const config::Model> Load(const std::string& path,
                                          uint64_t generation) {
  const auto bytes = ReadFile(path, config::kConfigBytesMax);
  if (!bytes.ok()) {
    Log(bytes.status().message());
    return nullptr;
  }
  const auto parsed = config::ParseConfig(absl::string_view(
      reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s:\n%s\n", path.c_str(),
                 std::string(parsed.status().message()).c_str());
    return nullptr;
  }
  const config::Validated validated = config::Validate(*parsed, generation);
  std::fprintf(stderr, "%s", config::Report(validated).c_str());
  return validated.model;
}

std::string Rates(const Traffic& t) {
  return absl::StrFormat("%.0f new/s %.0f packets/s %.3g Mbit/s",
                         t.connections_per_second, t.packets_per_second,
                         t.bytes_per_second * 8 / 1e6);
}

void PrintLine(const Statistics& statistics) {
  size_t up = 0;
  Traffic sum;
  for (const ServiceStatistics& service : statistics.services) {
    up += service.up;
    sum.connections_per_second += service.traffic.connections_per_second;
    sum.packets_per_second += service.traffic.packets_per_second;
    sum.bytes_per_second += service.traffic.bytes_per_second;
  }
  std::string drops;
  for (const auto& [reason, count] : statistics.drops) {
    absl::StrAppend(&drops, drops.empty() ? "" : " ", reason, "=", count);
  }
  Log(absl::StrCat(
      "stats: services ", up, "/", statistics.services.size(), " up, ",
      statistics.connections, " connections, ", Rates(sum), ", forwarded ",
      statistics.packets_forwarded, ", dropped ", drops.empty() ? "0" : drops,
      statistics.kernel_receive_dropped > 0
          ? absl::StrCat(", lost before us ", statistics.kernel_receive_dropped)
          : "",
      statistics.address_conflicts > 0
          ? absl::StrCat(", address conflicts ", statistics.address_conflicts)
          : ""));
}

void PrintAll(const Statistics& statistics) {
  for (const ServiceStatistics& service : statistics.services) {
    Log(absl::StrCat("service ", ProtocolName(service.protocol), " ",
                     Endpoint{service.address, service.port}.ToString(), " ",
                     service.name, service.enabled ? "" : " disabled",
                     service.up ? " up" : " down", ", refused ",
                     service.refused, ", stateless ", service.stateless));
    for (const ServerStatistics& server : service.servers) {
      const Traffic& t = server.traffic;
      Log(absl::StrCat("  server ", server.endpoint.ToString(), " ",
                       server.name, " weight ", server.weight,
                       server.up ? " up" : " down", " (", server.reason, "), ",
                       t.connections, " connections, ", t.active_connections,
                       " active, ", t.open_connections, " open, in ",
                       t.packets_in, " packets ", t.bytes_in, " bytes, out ",
                       t.packets_out, " packets ", t.bytes_out, " bytes"));
    }
  }
}

absl::Status Serve(const std::string& path,
                   std::shared_ptr<const config::Model> model) {
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

  BALLAST_ASSIGN_OR_RETURN(
      const std::unique_ptr<Balancer> balancer,
      Balancer::Create({.model = model,
                        .log = Log,
                        .claim_at_once = absl::GetFlag(FLAGS_claim_at_once)}));
  const absl::Duration period = model->statistics_period;
  if (period > absl::ZeroDuration()) {
    const timespec every = absl::ToTimespec(period);
    const itimerspec spec{every, every};
    timerfd_settime(timer.get(), 0, &spec, nullptr);
  }
  for (const int fd : {signal_fd.get(), timer.get(), balancer->fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &event);
  }
  Log(absl::StrCat("serving ", model->services.size(), " services on ",
                   model->interfaces.size(), " interfaces"));

  uint64_t generation = model->generation;
  balancer->RunOnce();
  for (;;) {
    epoll_event events[4];
    const int count = epoll_wait(loop.get(), events, 4, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == balancer->fd()) {
        balancer->RunOnce();
      } else if (events[i].data.fd == timer.get()) {
        uint64_t expirations;
        (void)!read(timer.get(), &expirations, sizeof(expirations));
        PrintLine(balancer->GetStatistics());
      } else {
        signalfd_siginfo info;
        if (read(signal_fd.get(), &info, sizeof(info)) != sizeof(info)) {
          continue;
        }
        switch (info.ssi_signo) {
          case SIGHUP: {
            const auto next = Load(path, ++generation);
            if (next == nullptr) {
              Log("reload refused: the former configuration stays");
              break;
            }
            const absl::Status applied = balancer->Apply(next);
            Log(applied.ok()
                    ? absl::StrCat("reloaded: generation ", generation)
                    : absl::StrCat("reload refused: ", applied.message()));
            break;
          }
          case SIGUSR1:
            PrintAll(balancer->GetStatistics());
            break;
          default:
            PrintLine(balancer->GetStatistics());
            Log("ending");
            return balancer->Shutdown();
        }
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
  const auto model = ballast::Load(path, 1);
  if (model == nullptr) return 1;
  if (absl::GetFlag(FLAGS_check)) {
    std::printf("%s: good, %zu virtual services\n", path.c_str(),
                model->services.size());
    return 0;
  }
  const absl::Status status = ballast::Serve(path, model);
  if (!status.ok()) {
    std::fprintf(stderr, "ballastd: %s\n", status.ToString().c_str());
    return 2;
  }
  return 0;
}
