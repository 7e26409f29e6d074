#include "lb/config/validate.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lb/config/validate_adaptive.h"
#include "lb/config/validate_certificates.h"
#include "lb/config/validate_connection_sync.h"
#include "lb/config/validate_follow.h"
#include "lb/config/validate_ha.h"
#include "lb/config/validate_l7.h"
#include "lb/config/validate_management.h"
#include "lb/config/validate_network.h"
#include "lb/config/validate_service.h"

namespace ballast::config {
namespace {

constexpr uint32_t kDayS = 86400;
constexpr char kPuntInterfaceDefault[] = "ballast0";

void ValidateServices(const proto::Config& from,
                      const ServiceDefaults& defaults, Model& model,
                      Problems& problems) {
  if (from.virtual_services_size() > kServicesMax) {
    problems.Error("virtual_services",
                   absl::StrCat(from.virtual_services_size(),
                                " services, must be at most ", kServicesMax));
    return;
  }
  int servers = 0;
  std::map<std::string, size_t> names;
  for (int i = 0; i < from.virtual_services_size(); ++i) {
    const std::string path = ServicePath(i);
    model.services.push_back(
        ValidateService(path, from.virtual_services(i), defaults, problems));
    servers += from.virtual_services(i).real_servers_size();
    for (const auto& sub : from.virtual_services(i).l7().sub_services()) {
      servers += sub.real_servers_size();
    }
    const std::string& name = from.virtual_services(i).name();
    const auto [earlier, added] = names.emplace(name, i);
    if (!added && !name.empty()) {
      problems.Error(absl::StrCat(path, ".name"),
                     absl::StrCat(Quoted(name), ", is already the name of ",
                                  ServicePath(earlier->second)));
    }
  }
  if (servers > kServersMax) {
    problems.Error("virtual_services",
                   absl::StrCat(servers,
                                " real servers in all services together, must "
                                "be at most ",
                                kServersMax));
  }
}

void ValidateHealth(const proto::HealthDefaults& from,
                    ServiceDefaults& defaults, Problems& problems) {
  constexpr uint32_t kIntervalMaxS = 901;
  defaults.check_timeout_s =
      problems.InRangeOr("health.timeout_s", from.timeout_s(), 4, 60, 4);
  defaults.check_retry_count =
      problems.InRangeOr("health.retry_count", from.retry_count(), 2, 15, 2);
  const uint32_t min =
      CheckIntervalMin(defaults.check_timeout_s, defaults.check_retry_count);
  defaults.check_interval_s =
      problems.InRangeOr("health.interval_s", from.interval_s(), min,
                         kIntervalMaxS, std::max(min, 9u));
}

void ValidateLimits(const proto::Limits& from, Limits& limits,
                    Problems& problems) {
  constexpr uint32_t kEntriesMax = 100'000'000;
  limits.connections =
      problems.InRangeOr("limits.connections", from.connections(), 1024,
                         kEntriesMax, limits.connections);
  limits.persistence_entries = problems.InRangeOr(
      "limits.persistence_entries", from.persistence_entries(), 64, kEntriesMax,
      limits.persistence_entries);
  limits.fragments = problems.InRangeOr("limits.fragments", from.fragments(),
                                        64, 1'000'000, limits.fragments);
  limits.pending_frames =
      problems.InRangeOr("limits.pending_frames", from.pending_frames(), 64,
                         65536, limits.pending_frames);
  limits.l7_connections =
      problems.InRangeOr("limits.l7_connections", from.l7_connections(), 16,
                         10'000'000, limits.l7_connections);
  limits.l7_persistence_entries = problems.InRangeOr(
      "limits.l7_persistence_entries", from.l7_persistence_entries(), 64,
      kEntriesMax, limits.l7_persistence_entries);
}

void ValidateHistory(const proto::History& from, HistoryLimits& limits,
                     Problems& problems) {
  const auto mib = [&](const char* path, uint32_t value, uint32_t max,
                       uint64_t& bytes) {
    const auto fallback = static_cast<uint32_t>(bytes >> 20);
    bytes = uint64_t{problems.InRangeOr(path, value, 1, max, fallback)} << 20;
  };
  limits.revisions = problems.InRangeOr("history.revisions", from.revisions(),
                                        2, 10000, limits.revisions);
  mib("history.revisions_mib", from.revisions_mib(), 4096,
      limits.revision_bytes);
  mib("history.audit_mib", from.audit_mib(), 1024, limits.audit_bytes);
  if (from.has_audit_files()) {
    limits.audit_files =
        problems.InRange("history.audit_files", from.audit_files(), 0, 100);
  }
}

void ValidateTcpTimeouts(const proto::TcpTimeouts& from, TcpTimeouts& timeouts,
                         Problems& problems) {
  const auto read = [&](const char* name, uint32_t seconds,
                        absl::Duration& timeout) {
    if (seconds == 0) return;
    timeout = absl::Seconds(problems.InRangeOr(
        absl::StrCat("tcp_timeouts.", name), seconds, 1, kDayS, 0));
  };
  read("none_s", from.none_s(), timeouts.none);
  read("syn_sent_s", from.syn_sent_s(), timeouts.syn_sent);
  read("syn_recv_s", from.syn_recv_s(), timeouts.syn_recv);
  read("fin_wait_s", from.fin_wait_s(), timeouts.fin_wait);
  read("time_wait_s", from.time_wait_s(), timeouts.time_wait);
  read("close_s", from.close_s(), timeouts.close);
  read("close_wait_s", from.close_wait_s(), timeouts.close_wait);
  read("last_ack_s", from.last_ack_s(), timeouts.last_ack);
  read("listen_s", from.listen_s(), timeouts.listen);
  read("synack_s", from.synack_s(), timeouts.synack);
}

void ValidateHashKey(const proto::Config& from, Model& model,
                     Problems& problems) {
  const std::string& text = from.hash_key();
  if (!text.empty()) {
    HashKey key;
    const auto is_hex = [](char c) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(c));
    };
    if (text.size() != 2 * key.size() ||
        !std::all_of(text.begin(), text.end(), is_hex)) {
      // The key is a secret: its length is all that is told.
      problems.Error("hash_key",
                     absl::StrCat(text.size(), " characters, must be ",
                                  2 * key.size(), " hex digits"));
      return;
    }
    const std::string bytes = absl::HexStringToBytes(text);
    std::copy(bytes.begin(), bytes.end(), key.begin());
    model.hash_key = key;
    return;
  }
  const auto hashes = [](const VirtualService& service) {
    return service.schedule == Schedule::kSourceHash;
  };
  if (from.state_dir().empty() &&
      std::any_of(model.services.begin(), model.services.end(), hashes)) {
    problems.Warn("hash_key",
                  "empty, and no state_dir keeps one: services with schedule "
                  "SH place their clients anew at every start");
  }
}

void ValidateRest(const proto::Config& from, Model& model, Problems& problems) {
  model.threads = static_cast<int>(
      problems.InRangeOr("threads", from.threads(), 1, kThreadsMax, 1));
  model.drop_on_fail = from.drop_on_fail();
  model.state_dir = from.state_dir();
  if (!model.state_dir.empty() &&
      (model.state_dir[0] != '/' ||
       model.state_dir.find('\0') != std::string::npos)) {
    problems.Error("state_dir", absl::StrCat(Quoted(model.state_dir),
                                             ", must be an absolute path"));
  }
  model.punt_interface = from.punt_interface();
  const auto floats = [](const VirtualService& service) {
    return service.l7 && !service.l7->host_address;
  };
  if (model.punt_interface.empty() &&
      std::any_of(model.services.begin(), model.services.end(), floats)) {
    model.punt_interface = kPuntInterfaceDefault;
  }
  if (!model.punt_interface.empty()) {
    ValidateLinkName("punt_interface", model.punt_interface, problems);
    for (size_t i = 0; i < model.interfaces.size(); ++i) {
      if (model.interfaces[i].name != model.punt_interface) continue;
      problems.Error("punt_interface",
                     absl::StrCat(Quoted(model.punt_interface),
                                  ", must not be interfaces[", i, "]"));
    }
  }
  if (from.has_statistics_period_s()) {
    model.statistics_period = absl::Seconds(problems.InRange(
        "statistics_period_s", from.statistics_period_s(), 0, kDayS));
  }
}

void ValidateDisabled(const proto::Config& from, ServiceDefaults& defaults,
                      Problems& problems) {
  if (from.disabled_servers_size() > kServersMax) {
    problems.Error("disabled_servers",
                   absl::StrCat(from.disabled_servers_size(),
                                " of them, must be at most ", kServersMax));
    return;
  }
  for (int i = 0; i < from.disabled_servers_size(); ++i) {
    const std::string& text = from.disabled_servers(i);
    if (const auto address = Address::Parse(text); address.ok()) {
      defaults.disabled_servers.insert({*address, 0});
    } else if (const auto endpoint = Endpoint::Parse(text); endpoint.ok()) {
      defaults.disabled_servers.insert(*endpoint);
    } else {
      problems.Error(
          absl::StrCat("disabled_servers[", i, "]"),
          absl::StrCat(Quoted(text), ", must be an address, or address:port"));
    }
  }
}

ServiceDefaults ValidateDefaults(const proto::Config& from,
                                 Problems& problems) {
  ServiceDefaults defaults;
  defaults.connection_timeout = problems.SecondsOr(
      "connection_timeout_s", from.connection_timeout_s(), 1, kDayS, 660);
  if (from.has_drain_time_s()) {
    defaults.drain_time =
        problems.SecondsOr("drain_time_s", from.drain_time_s(), 60, kDayS, 0);
  }
  defaults.drop_at_drain_end = from.drop_at_drain_end();
  defaults.slow_start = absl::Seconds(
      problems.InRange("slow_start_s", from.slow_start_s(), 0, 600));
  ValidateHealth(from.health(), defaults, problems);
  defaults.adaptive =
      ValidateAdaptive("adaptive", from.adaptive(), Adaptive(), problems);
  ValidateDisabled(from, defaults, problems);
  ValidateCertificates(from, defaults, problems);
  return defaults;
}

}  // namespace

Validated Validate(const proto::Config& config, uint64_t generation) {
  Problems problems;
  auto model = std::make_shared<Model>();
  model->generation = generation;
  ServiceDefaults defaults = ValidateDefaults(config, problems);
  ValidateL7Defaults(config.l7(), defaults, model->l7, problems);
  model->connection_timeout = defaults.connection_timeout;
  ValidateInterfaces(config, *model, problems);
  ValidateLimits(config.limits(), model->limits, problems);
  ValidateHistory(config.history(), model->history, problems);
  ValidateTcpTimeouts(config.tcp_timeouts(), model->tcp_timeouts, problems);
  ValidateServices(config, defaults, *model, problems);
  ValidateFollow(config, *model, problems);
  ValidateFloating(config, *model, problems);
  ValidateHa(config, *model, problems);
  ValidateConnectionSync(config.connection_sync(), *model, problems);
  RefuseOwnAddresses(*model, problems);
  RefuseCollisions(config, *model, problems);
  ValidateHashKey(config, *model, problems);
  ValidateRest(config, *model, problems);
  ValidateManagement(config, problems);
  ValidateIndices(config, problems);
  Validated validated;
  validated.errors = problems.errors();
  validated.warnings = problems.warnings();
  if (validated.errors.empty()) validated.model = std::move(model);
  return validated;
}

std::string Report(const Validated& validated) {
  std::string report;
  for (const Problem& problem : validated.errors) {
    absl::StrAppend(&report, "error: ", problem.ToString(), "\n");
  }
  for (const Problem& problem : validated.warnings) {
    absl::StrAppend(&report, "warning: ", problem.ToString(), "\n");
  }
  return report;
}

}  // namespace ballast::config
