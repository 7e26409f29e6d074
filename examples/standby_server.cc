#include "examples/standby_server.h"

#include <signal.h>

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "examples/watch_loop.h"
#include "io/base/instant.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"
#include "lb/balancer.h"
#include "lb/config/load.h"
#include "lb/config/model.h"
#include "lb/config/validate.h"

namespace ballast {
namespace {

constexpr size_t kListMax = 100'000;

using ModelPtr = std::shared_ptr<const config::Model>;

absl::StatusOr<ModelPtr> Load(const std::string& path,
                              const std::string& interface) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(path, config::kConfigBytesMax));
  BALLAST_ASSIGN_OR_RETURN(
      const config::proto::Config parsed,
      config::ParseConfig(absl::string_view(
          reinterpret_cast<const char*>(bytes.data()), bytes.size())));
  const config::Validated validated = config::Validate(parsed, 1);
  absl::FPrintF(stderr, "%s", config::Report(validated));
  if (validated.model == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": see above"));
  }
  const config::HighAvailability& ha = validated.model->ha;
  if (ha.mode == ha::Mode::kNone || !ha.plain ||
      ha.plain->election != config::PlainElection::kByCommand) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     ": ha: must have a mode, wire PLAIN and plain.election "
                     "BY_COMMAND"));
  }
  const std::string& configured = ha.links[ha.sync_link].interface;
  if (configured != interface) {
    return absl::InvalidArgumentError(
        absl::StrCat("--interface=", interface, ": the updates of ", path,
                     " come in by ", configured, " (ha.multicast_interface)"));
  }
  return validated.model;
}

void Say(absl::string_view line) {
  absl::PrintF("%s\n", line);
  std::fflush(stdout);
}

void SayRecord(const LogRecord& record) { Say(record.message); }

// " a=1 b=2" behind `what`; nothing if there are none.
std::string Counts(
    absl::string_view what,
    const std::vector<std::pair<std::string, uint64_t>>& counts) {
  std::string text(counts.empty() ? "" : what);
  for (const auto& [reason, count] : counts) {
    absl::StrAppend(&text, " ", reason, "=", count);
  }
  return text;
}

class Server {
 public:
  explicit Server(ModelPtr model) : model_(std::move(model)) {}

  absl::Status Run() {
    WatchLoop loop({SIGUSR1, SIGUSR2, SIGTERM, SIGINT});
    BALLAST_ASSIGN_OR_RETURN(
        balancer_, Balancer::Create({.model = model_, .log = SayRecord}));
    start_ = MonotonicNow();
    loop.OnReadable(balancer_->fd(), [this] { balancer_->RunOnce(); });
    loop.EachSecond([this] { PrintTotals(); });
    loop.OnSignal(SIGUSR1, [this] { List(); });
    loop.OnSignal(SIGUSR2, [this] { SetRole(!Active()); });
    for (const int number : {SIGTERM, SIGINT}) {
      loop.OnSignal(number, [&loop] { loop.Stop(); });
    }
    loop.OnLine([this, &loop](absl::string_view line) { Obey(line, loop); });
    Say("standing by; commands: take, give, resync, list, quit");
    balancer_->RunOnce();
    BALLAST_RETURN_IF_ERROR(loop.Run());
    PrintTotals();
    return balancer_->Shutdown();
  }

 private:
  bool Active() const { return balancer_->GetStatistics().active; }

  void Obey(absl::string_view command, WatchLoop& loop) {
    if (command.empty()) return;
    if (command == "take") {
      SetRole(true);
    } else if (command == "give") {
      SetRole(false);
    } else if (command == "resync") {
      Report(command, balancer_->Resync());
    } else if (command == "list") {
      List();
    } else if (command == "quit") {
      loop.Stop();
    } else {
      Say(absl::StrCat("'", command,
                       "': must be take, give, resync, list or quit"));
    }
  }

  void SetRole(bool active) {
    const absl::string_view command = active ? "take" : "give";
    if (Active() == active) {
      Say(absl::StrCat(command, ": this unit is ",
                       active ? "active" : "standby", " already"));
      return;
    }
    Report(command, balancer_->Switchover());
  }

  static void Report(absl::string_view command, const absl::Status& status) {
    Say(absl::StrCat(command, ": ",
                     status.ok() ? absl::string_view("done")
                                 : absl::string_view(status.message())));
  }

  void PrintTotals() const {
    const Statistics statistics = balancer_->GetStatistics();
    const PairStatistics& pair = statistics.pair;
    Say(absl::StrFormat(
        "%5.0f s  %s, %d connections; entries heard %d, told %d%s; packets "
        "forwarded %d%s",
        absl::ToDoubleSeconds(MonotonicNow() - start_), pair.role,
        statistics.connections, pair.records_received, pair.records_sent,
        Counts(", refused", pair.refused_by_reason),
        statistics.packets_forwarded, Counts(", dropped", statistics.drops)));
  }

  void List() {
    const auto list = balancer_->ListConnections({.limit = kListMax});
    for (const ConnectionRecord& connection : list->connections) {
      absl::PrintF("%s\n", FormatConnection(connection));
    }
    Say(absl::StrCat(list->connections.size(), " connections listed"));
  }

  const ModelPtr model_;
  std::unique_ptr<Balancer> balancer_;
  Instant start_;
};

}  // namespace

absl::Status ServeAsStandby(const std::string& config_path,
                            const std::string& interface) {
  BALLAST_ASSIGN_OR_RETURN(ModelPtr model, Load(config_path, interface));
  return Server(std::move(model)).Run();
}

}  // namespace ballast
