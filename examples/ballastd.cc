// The daemon: a Balancer with a configuration file and signals.
//
//   SIGHUP   reads the file again; errors are printed and change nothing. A
//            standby takes only what is its own, such as the pair's keys
//   SIGUSR1  prints every service and server with its numbers
//   SIGTERM  hands the role over, if it is the active unit of a pair, writes
//   the
//            flows to state_dir, for the next start, and ends
//   SIGINT   the same
//
// Of a pair, the active unit's configuration is given to the other, which
// writes it over its own file (keeping what is its own, and the former file as
// FILE.before). ballastctl speaks to it through the socket STATE_DIR/control.
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
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
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "examples/control_socket.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "io/realtime.h"
#include "io/unique_fd.h"
#include "lb/balancer.h"
#include "lb/config/format.h"
#include "lb/config/load.h"
#include "lb/config/shared_part.h"
#include "lb/config/validate.h"

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

struct Loaded {
  config::proto::Config config;
  std::shared_ptr<const config::Model> model;  // Null: there are errors.
};

// Prints what is wrong or doubtful.
std::shared_ptr<const config::Model> Check(const config::proto::Config& config,
                                           uint64_t generation) {
  const config::Validated validated = config::Validate(config, generation);
  std::fprintf(stderr, "%s", config::Report(validated).c_str());
  return validated.model;
}

// `generation` numbers it.
Loaded Load(
    const std::string& path,
    absl::FunctionRef<uint64_t(const config::proto::Config&)> generation) {
  const auto bytes = ReadFile(path, config::kConfigBytesMax);
  if (!bytes.ok()) {
    Log(bytes.status().message());
    return {};
  }
  auto parsed = config::ParseConfig(absl::string_view(
      reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s:\n%s\n", path.c_str(),
                 std::string(parsed.status().message()).c_str());
    return {};
  }
  auto model = Check(*parsed, generation(*parsed));
  return {*std::move(parsed), std::move(model)};
}

std::string Rates(const Traffic& t) {
  return absl::StrFormat("%.0f new/s %.0f packets/s %.3g Mbit/s",
                         t.connections_per_second, t.packets_per_second,
                         t.bytes_per_second * 8 / 1e6);
}

// Of layer 7.
std::string Requests(const Traffic& t) {
  if (t.requests == 0) return "";
  return absl::StrFormat(", %d requests (%d persisted), %.0f requests/s",
                         t.requests, t.persisted, t.requests_per_second);
}

// For the line of statistics.
std::string PairWords(const PairStatistics& pair) {
  if (!pair.configured) return "";
  std::string text = absl::StrCat(", ", pair.role, " (", pair.reason, ")");
  if (pair.plain) return text;
  absl::StrAppend(&text,
                  pair.role == "active" ? ""
                  : pair.complete       ? " in sync"
                                        : " not in sync",
                  ", lag ", pair.lag, ", took_over_incomplete ",
                  pair.took_over_incomplete);
  const auto count = [&](const char* what, uint64_t times) {
    if (times > 0) absl::StrAppend(&text, ", ", what, " ", times);
  };
  count("handed_over_incomplete", pair.left_untold);
  count("changes_dropped", pair.overflow);
  count("not_sent", pair.send_failed);
  count("l7_dropped", pair.l7_dropped);
  count("refused", pair.refused);
  return text;
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
          : "",
      PairWords(statistics.pair)));
}

using Counts = std::vector<std::pair<std::string, uint64_t>>;

void PrintCounts(absl::string_view what, const Counts& counts) {
  if (counts.empty()) return;
  std::string line(what);
  for (const auto& [name, count] : counts) {
    absl::StrAppend(&line, " ", name, "=", count);
  }
  Log(line);
}

// Of persistence mode UDP_SIP.
std::string MessageWords(const ServiceStatistics& service) {
  if (service.followed == 0 && service.keyless == 0) return "";
  return absl::StrCat(", followed ", service.followed, ", without key ",
                      service.keyless);
}

void PrintAll(const Statistics& statistics) {
  PrintCounts("proxies:", statistics.proxy_events);
  for (const ServiceStatistics& service : statistics.services) {
    std::string limited;
    for (const auto& [limit, count] : service.limited) {
      absl::StrAppend(&limited, limited.empty() ? ", limited " : " ", limit,
                      "=", count);
    }
    Log(absl::StrCat(
        "service ", ProtocolName(service.protocol), " ",
        Endpoint{service.address, service.port}.ToString(), " ", service.name,
        service.enabled ? "" : " disabled", service.up ? " up" : " down",
        ", refused ", service.refused, ", stateless ", service.stateless,
        MessageWords(service), limited, Requests(service.traffic)));
    PrintCounts("  events:", service.events);
    for (const ServerStatistics& server : service.servers) {
      const Traffic& t = server.traffic;
      Log(absl::StrCat(
          "  server ", server.endpoint.ToString(), " ", server.name, " weight ",
          server.weight, server.up ? " up" : " down", " (", server.reason,
          "), ", t.connections, " connections, ", t.active_connections,
          " active, ", t.open_connections, " open, in ", t.packets_in,
          " packets ", t.bytes_in, " bytes, out ", t.packets_out, " packets ",
          t.bytes_out, " bytes", Requests(t),
          server.persistence_entries > 0
              ? absl::StrCat(", ", server.persistence_entries,
                             " persistence entries")
              : ""));
    }
  }
}

absl::Span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string PairText(const PairStatistics& pair) {
  if (!pair.configured) return "no pair is configured\n";
  std::string text = absl::StrCat("role ", pair.role, " (", pair.reason,
                                  ")\nthis unit: ", pair.status,
                                  "\npartner: ", pair.partner, "\n");
  if (pair.role != "active" && !pair.plain) {
    absl::StrAppend(&text, pair.complete ? "in sync" : "not in sync",
                    ", behind by ", pair.lag, " datagrams\n");
  }
  if (!pair.plain) {
    absl::StrAppend(&text, "transfer ", pair.transfer_records, " of about ",
                    pair.transfer_total, "\n");
  }
  absl::StrAppend(&text, "records sent ", pair.records_sent, ", received ",
                  pair.records_received, "; datagrams repaired ", pair.repaired,
                  "; changes dropped ", pair.overflow, "; messages not sent ",
                  pair.send_failed, "; messages refused ", pair.refused);
  for (const auto& [reason, count] : pair.refused_by_reason) {
    absl::StrAppend(&text, " ", reason, "=", count);
  }
  absl::StrAppend(&text, "\nlayer 7 entries told ", pair.l7_told, ", taken ",
                  pair.l7_taken, ", stale ", pair.l7_stale, ", dropped ",
                  pair.l7_dropped, ", waiting ", pair.l7_waiting);
  absl::StrAppend(&text, "\nrole changes ", pair.role_changes,
                  ", took over incomplete ", pair.took_over_incomplete,
                  ", handed over incomplete ", pair.left_untold, "\n");
  return text;
}

class Daemon {
 public:
  Daemon(std::string path, Loaded loaded)
      : path_(std::move(path)),
        config_(std::move(loaded.config)),
        model_(std::move(loaded.model)),
        generation_(model_->generation) {}

  absl::Status Run() {
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
    std::unique_ptr<ControlSocket> control;
    if (!model_->state_dir.empty()) {
      BALLAST_RETURN_IF_ERROR(MakeFolder(model_->state_dir));
      BALLAST_ASSIGN_OR_RETURN(
          control, ControlSocket::Listen(model_->state_dir + "/control"));
    }
    BALLAST_ASSIGN_OR_RETURN(
        balancer_,
        Balancer::Create(
            {.model = model_,
             .log = Log,
             .claim_at_once = absl::GetFlag(FLAGS_claim_at_once),
             .on_partner_config =
                 [this](uint64_t generation, absl::Span<const uint8_t> shared) {
                   return TakePartnerConfig(generation, shared);
                 },
             .on_reboot = [this] { Reboot(); },
             .force_epoll = absl::GetFlag(FLAGS_force_epoll)}));
    if (Paired() && model_->ha.realtime_priority > 0) {
      if (const auto status = RunInRealTime(model_->ha.realtime_priority);
          !status.ok()) {
        Log(absl::StrCat("ha.realtime_priority: ", status.message(),
                         ": a busy machine may cost this unit its role"));
      }
    }
    const absl::Duration period = model_->statistics_period;
    if (period > absl::ZeroDuration()) {
      const timespec every = absl::ToTimespec(period);
      const itimerspec spec{every, every};
      timerfd_settime(timer.get(), 0, &spec, nullptr);
    }
    std::vector<int> fds = {signal_fd.get(), timer.get(), balancer_->fd()};
    if (control != nullptr) fds.push_back(control->fd());
    for (const int fd : fds) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &event);
    }
    Log(absl::StrCat("serving ", model_->services.size(), " services on ",
                     model_->interfaces.size(), " interfaces"));
    if (Sealed()) BALLAST_RETURN_IF_ERROR(Offer(/*force=*/false));

    balancer_->RunOnce();
    for (;;) {
      epoll_event events[4];
      const int count = epoll_wait(loop.get(), events, 4, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == balancer_->fd()) {
          balancer_->RunOnce();
        } else if (fd == timer.get()) {
          uint64_t expirations;
          (void)!read(timer.get(), &expirations, sizeof(expirations));
          PrintLine(balancer_->GetStatistics());
        } else if (fd == signal_fd.get()) {
          signalfd_siginfo info;
          if (read(fd, &info, sizeof(info)) != sizeof(info)) continue;
          if (info.ssi_signo == SIGHUP) {
            Reload();
          } else if (info.ssi_signo == SIGUSR1) {
            PrintAll(balancer_->GetStatistics());
          } else {
            PrintLine(balancer_->GetStatistics());
            Log("ending");
            return balancer_->Shutdown();
          }
        } else {
          control->RunOnce(
              [this](absl::string_view command) { return Answer(command); });
        }
      }
    }
  }

 private:
  bool Paired() const { return model_->ha.mode != ha::Mode::kNone; }
  // The partner takes this unit's configuration.
  bool Sealed() const { return Paired() && !model_->ha.plain.has_value(); }

  absl::Status Offer(bool force) {
    const std::string shared = config::SerializeShared(config_);
    return balancer_->OfferConfig(generation_, {shared.begin(), shared.end()},
                                  force);
  }

  void Reload() {
    // What is this unit's own has no generation: the keys, for one, which a
    // standby may change.
    Loaded next = Load(path_, [this](const config::proto::Config& config) {
      const bool same =
          config::SharedDigest(config) == config::SharedDigest(config_);
      return Paired() && same ? generation_ : generation_ + 1;
    });
    if (next.model == nullptr) {
      Log("reload refused: the former configuration stays");
      return;
    }
    if (const absl::Status applied = balancer_->Apply(next.model);
        !applied.ok()) {
      Log(absl::StrCat("reload refused: ", applied.message()));
      return;
    }
    generation_ = next.model->generation;
    config_ = std::move(next.config);
    model_ = std::move(next.model);
    Log(absl::StrCat("reloaded: generation ", generation_));
    if (!Sealed()) return;
    if (const absl::Status offered = Offer(/*force=*/false); !offered.ok()) {
      Log(offered.message());
    }
  }

  // Whole and valid, or not at all; null: it is what we have.
  absl::StatusOr<std::shared_ptr<const config::Model>> TakePartnerConfig(
      uint64_t generation, absl::Span<const uint8_t> bytes) {
    BALLAST_ASSIGN_OR_RETURN(
        const config::proto::Config shared,
        config::ParseShared(absl::string_view(
            reinterpret_cast<const char*>(bytes.data()), bytes.size())));
    if (config::SharedDigest(shared) == config::SharedDigest(config_)) {
      generation_ = generation;
      return std::shared_ptr<const config::Model>();
    }
    config::proto::Config merged = config::MergeShared(config_, shared);
    merged.set_generation(generation);
    auto model = Check(merged, generation);
    if (model == nullptr) {
      return absl::InvalidArgumentError(
          "it is not valid with this unit's own part");
    }
    const std::string text = config::FormatConfig(
        merged,
        "Given by the partner. The file before it: the same name and "
        ".before");
    if (const auto before = ReadFile(path_, config::kConfigBytesMax);
        before.ok()) {
      BALLAST_RETURN_IF_ERROR(WriteFileAtomically(path_ + ".before", *before));
    }
    const auto written = BytesOf(text);
    BALLAST_RETURN_IF_ERROR(
        WriteFileAtomically(path_, {written.data(), written.size()}));
    generation_ = generation;
    config_ = std::move(merged);
    model_ = model;
    Log(absl::StrCat("configuration ", generation, " taken from the partner"));
    return model;
  }

  void Reboot() {
    if (model_->ha.reboot_command.empty()) {
      Log("ha.reboot_command: none is configured");
      return;
    }
    std::vector<char*> words;
    for (const std::string& word : model_->ha.reboot_command) {
      words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    pid_t pid;
    const int error =
        posix_spawn(&pid, words[0], nullptr, nullptr, words.data(), environ);
    if (error != 0) {
      Log(absl::StrCat("ha.reboot_command ", words[0], ": ",
                       std::strerror(error)));
    }
  }

  absl::StatusOr<std::string> Answer(absl::string_view command) {
    if (command == "status") {
      return PairText(balancer_->GetStatistics().pair);
    }
    absl::Status status;
    if (command == "switchover") {
      status = balancer_->Switchover();
    } else if (command == "resync") {
      status = balancer_->Resync();
    } else if (command == "update") {
      status = Paired()
                   ? Offer(/*force=*/true)
                   : absl::FailedPreconditionError("no pair is configured");
    } else {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", command, "': must be status, switchover, resync or update"));
    }
    if (!status.ok()) return status;
    return "done\n";
  }

  const std::string path_;
  config::proto::Config config_;
  std::shared_ptr<const config::Model> model_;
  uint64_t generation_;
  std::unique_ptr<Balancer> balancer_;
};

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
  ballast::Loaded loaded =
      ballast::Load(path, [](const ballast::config::proto::Config& config) {
        return std::max<uint64_t>(1, config.generation());
      });
  if (loaded.model == nullptr) return 1;
  if (absl::GetFlag(FLAGS_check)) {
    std::printf("%s: good, %zu virtual services\n", path.c_str(),
                loaded.model->services.size());
    return 0;
  }
  const absl::Status status = ballast::Daemon(path, std::move(loaded)).Run();
  if (!status.ok()) {
    std::fprintf(stderr, "ballastd: %s\n", status.ToString().c_str());
    return 2;
  }
  return 0;
}
