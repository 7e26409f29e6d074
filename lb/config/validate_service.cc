#include "lb/config/validate_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lb/config/extra_ports.h"
#include "lb/config/validate.h"
#include "lb/config/warn_service.h"

namespace ballast::config {
namespace {

constexpr uint32_t kServerPortMin = 3;
constexpr uint32_t kServerPortMax = 65535;
constexpr uint32_t kDayS = 86400;
constexpr uint32_t kPersistenceDefaultS = 360;
constexpr size_t kNameBytesMax = 127;

// An enum is open in proto3: a number no name stands for can arrive.
template <typename Enum>
Enum Known(const std::string& path, int value, int known_max,
           Problems& problems) {
  if (value < 0 || value > known_max) {
    problems.Error(path, absl::StrCat(value, ", is none of its names"));
    return Enum{};
  }
  return static_cast<Enum>(value);
}

// The model's enums have the proto's order.
static_assert(static_cast<int>(Forwarding::kRoute) == proto::ROUTE);
static_assert(static_cast<int>(AdminState::kDisabled) == proto::DISABLED);
static_assert(static_cast<int>(AdminState::kDraining) == proto::DRAINING);
static_assert(static_cast<int>(Schedule::kWeightedRoundRobin) == proto::WRR);
static_assert(static_cast<int>(Schedule::kLeastConnection) == proto::LC);
static_assert(static_cast<int>(Schedule::kWeightedLeastConnection) ==
              proto::WLC);
static_assert(static_cast<int>(Schedule::kFixed) == proto::FIXED);
static_assert(static_cast<int>(Schedule::kSourceHash) == proto::SH);
static_assert(static_cast<int>(Fill::kEven) == proto::EVEN);
static_assert(static_cast<int>(Fill::kMaglev) == proto::MAGLEV);

bool HasOnePort(const VirtualService& service) {
  return service.port != 0 && service.extra_ports.empty();
}

// Where flows of `service` can be sent to, with the port made explicit where
// there is just one it can be.
Endpoint ValidateTarget(const std::string& path, const std::string& address,
                        uint32_t port, Forwarding forwarding,
                        const std::optional<Address>& service_address,
                        const VirtualService& service, Problems& problems) {
  Endpoint endpoint;
  if (const auto host = ValidateHost(absl::StrCat(path, ".address"), address,
                                     /*link_local_allowed=*/false, problems)) {
    endpoint.address = *host;
    if (service_address && host->is_v4() != service_address->is_v4()) {
      problems.Error(absl::StrCat(path, ".address"),
                     absl::StrCat(host->ToString(), ", must be IPv",
                                  service_address->is_v4() ? 4 : 6,
                                  " like the service's address ",
                                  service_address->ToString()));
    }
  }
  endpoint.port = static_cast<uint16_t>(problems.InRangeOr(
      absl::StrCat(path, ".port"), port, kServerPortMin, kServerPortMax, 0));
  if (forwarding == Forwarding::kRoute) {
    if (port != 0 && port != service.port) {
      problems.Error(
          absl::StrCat(path, ".port"),
          absl::StrCat(port, ", must be 0 or the service's port ", service.port,
                       ": forward ROUTE cannot change a port"));
    }
    endpoint.port = 0;
  }
  if (endpoint.port == 0 && HasOnePort(service)) endpoint.port = service.port;
  return endpoint;
}

RealServer ValidateServer(const std::string& path,
                          const proto::RealServer& from,
                          const ServiceDefaults& defaults,
                          const std::optional<Address>& service_address,
                          const VirtualService& service, Problems& problems) {
  RealServer server;
  ValidateName(absl::StrCat(path, ".name"), from.name(), problems);
  server.name = from.name();
  server.forwarding = Known<Forwarding>(absl::StrCat(path, ".forward"),
                                        from.forward(), proto::ROUTE, problems);
  server.endpoint =
      ValidateTarget(path, from.address(), from.port(), server.forwarding,
                     service_address, service, problems);
  if (from.has_weight()) {
    server.weight = problems.InRange(absl::StrCat(path, ".weight"),
                                     from.weight(), 0, kWeightMax);
  }
  server.state = Known<AdminState>(absl::StrCat(path, ".state"), from.state(),
                                   proto::DRAINING, problems);
  server.connection_limit =
      problems.InRange(absl::StrCat(path, ".connection_limit"),
                       from.connection_limit(), 0, kConnectionLimitMax);
  server.critical = from.critical();
  server.drain_time = defaults.drain_time;
  server.drop_at_drain_end = defaults.drop_at_drain_end;
  if (server.critical && server.state != AdminState::kEnabled) {
    problems.Warn(absl::StrCat(path, ".critical"),
                  "the service is down while this server is not enabled");
  }
  return server;
}

void ValidateServers(const std::string& path, const proto::VirtualService& from,
                     const ServiceDefaults& defaults,
                     const std::optional<Address>& service_address,
                     VirtualService& service, Problems& problems) {
  const std::string list = absl::StrCat(path, ".real_servers");
  if (from.real_servers_size() > kServersPerServiceMax) {
    problems.Error(list, absl::StrCat(from.real_servers_size(),
                                      " servers, must be at most ",
                                      kServersPerServiceMax));
    return;
  }
  std::vector<std::pair<Endpoint, int>> endpoints;
  std::vector<std::pair<std::string, int>> names;
  for (int i = 0; i < from.real_servers_size(); ++i) {
    const std::string server_path = absl::StrCat(list, "[", i, "]");
    service.servers.push_back(ValidateServer(server_path, from.real_servers(i),
                                             defaults, service_address, service,
                                             problems));
    const Endpoint& endpoint = service.servers.back().endpoint;
    if (!endpoint.address.is_unspecified()) endpoints.push_back({endpoint, i});
    const std::string& name = service.servers.back().name;
    if (!name.empty()) names.push_back({name, i});
  }
  std::sort(endpoints.begin(), endpoints.end());
  for (size_t i = 1; i < endpoints.size(); ++i) {
    if (endpoints[i].first != endpoints[i - 1].first) continue;
    problems.Error(absl::StrCat(list, "[", endpoints[i].second, "]"),
                   absl::StrCat(endpoints[i].first.ToString(), ", is already ",
                                list, "[", endpoints[i - 1].second, "]"));
  }
  std::sort(names.begin(), names.end());
  for (size_t i = 1; i < names.size(); ++i) {
    if (names[i].first != names[i - 1].first) continue;
    problems.Error(absl::StrCat(list, "[", names[i].second, "].name"),
                   absl::StrCat(Quoted(names[i].first),
                                ", is already the name "
                                "of ",
                                list, "[", names[i - 1].second, "]"));
  }
}

Persistence ValidatePersistence(const std::string& path,
                                const proto::Persistence& from,
                                Problems& problems) {
  constexpr uint32_t kTimeoutMaxS = 28 * kDayS;
  constexpr uint32_t kRefreshFromS = 4 * kDayS;
  const std::string timeout_path = absl::StrCat(path, ".timeout_s");
  const uint32_t timeout_s = problems.InRangeOr(
      timeout_path, from.timeout_s(), 60, kTimeoutMaxS, kPersistenceDefaultS);
  const uint32_t whole_s = timeout_s - timeout_s % 60;
  if (whole_s != timeout_s) {
    problems.Warn(timeout_path, absl::StrCat(timeout_s, ", is taken as ",
                                             whole_s, ": whole minutes"));
  }
  if (from.refresh() && whole_s < kRefreshFromS) {
    problems.Warn(absl::StrCat(path, ".refresh"),
                  absl::StrCat("has no effect below a timeout of ",
                               kRefreshFromS, " seconds"));
  }
  return {.enabled = true,
          .timeout = absl::Seconds(whole_s),
          .refresh = from.refresh() && whole_s >= kRefreshFromS};
}

HealthCheck ValidateCheck(const std::string& path,
                          const proto::HealthCheck& from,
                          const ServiceDefaults& defaults,
                          const VirtualService& service, Problems& problems) {
  HealthCheck check;
  const std::string port_path = absl::StrCat(path, ".port");
  switch (Known<proto::CheckType>(absl::StrCat(path, ".type"), from.type(),
                                  proto::ICMP, problems)) {
    case proto::NONE:
      check.type = CheckType::kNone;
      break;
    case proto::CONNECT:
      check.type = CheckType::kTcp;
      break;
    case proto::ICMP:
      check.type = CheckType::kIcmp;
      break;
    default:
      check.type = service.protocol == Protocol::kTcp && service.port != 0
                       ? CheckType::kTcp
                       : CheckType::kIcmp;
  }
  check.port = static_cast<uint16_t>(problems.InRangeOr(
      port_path, from.port(), kServerPortMin, kServerPortMax, 0));
  if (check.port != 0 && check.type != CheckType::kTcp) {
    problems.Warn(port_path, "has no effect: the check is not of type CONNECT");
  }
  if (check.type == CheckType::kTcp && check.port == 0 && service.port == 0) {
    for (size_t i = 0; i < service.servers.size(); ++i) {
      if (service.servers[i].endpoint.port != 0) continue;
      problems.Error(port_path,
                     absl::StrCat("0, must be a port: neither the service nor "
                                  "its real_servers[",
                                  i, "] has one"));
      break;
    }
  }
  const uint32_t timeout_s =
      problems.InRangeOr(absl::StrCat(path, ".timeout_s"), from.timeout_s(), 4,
                         60, defaults.check_timeout_s);
  const uint32_t retry_count =
      problems.InRangeOr(absl::StrCat(path, ".retry_count"), from.retry_count(),
                         2, 15, defaults.check_retry_count);
  const std::string interval_path = absl::StrCat(path, ".interval_s");
  uint32_t interval_s =
      problems.InRangeOr(interval_path, from.interval_s(), 9, 120, 0);
  const uint32_t min = CheckIntervalMin(timeout_s, retry_count);
  if (interval_s == 0) {
    interval_s = std::max(defaults.check_interval_s, min);
  } else if (interval_s < min) {
    problems.Error(
        interval_path,
        absl::StrCat(interval_s, ", must be at least ", min, ", retry_count ",
                     retry_count, " * timeout_s ", timeout_s, " + 1"));
  }
  check.interval = absl::Seconds(interval_s);
  check.timeout = absl::Seconds(timeout_s);
  check.retry_count = static_cast<int>(retry_count);
  return check;
}

}  // namespace

std::optional<Address> ValidateHost(const std::string& path,
                                    const std::string& text,
                                    bool link_local_allowed,
                                    Problems& problems) {
  if (text.empty()) {
    problems.Error(path, "is required");
    return std::nullopt;
  }
  const auto address = Address::Parse(text);
  if (!address.ok()) {
    problems.Error(
        path, absl::StrCat(Quoted(text), ", must be an IPv4 or IPv6 address"));
    return std::nullopt;
  }
  const char* kind = nullptr;
  if (address->is_unspecified() || *address == Address::V4(0)) {
    kind = "the unspecified";
  } else if (address->is_multicast()) {
    kind = "a multicast";
  } else if (address->is_loopback()) {
    kind = "a loopback";
  } else if (*address == Address::V4(0xffffffff)) {
    kind = "the broadcast";
  } else if (!address->is_v4() && address->is_link_local() &&
             !link_local_allowed) {
    kind = "a link-local";
  }
  if (kind != nullptr) {
    problems.Error(path, absl::StrCat(Quoted(text), ", is ", kind,
                                      " address, must be a host's"));
    return std::nullopt;
  }
  return *address;
}

void ValidateName(const std::string& path, const std::string& name,
                  Problems& problems) {
  if (name.empty()) return;
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '@' || c == '-' || c == '_';
  };
  if (name.size() > kNameBytesMax ||
      !absl::ascii_isalnum(static_cast<unsigned char>(name[0])) ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    problems.Error(
        path, absl::StrCat(Quoted(name), ", must be at most ", kNameBytesMax,
                           " letters, digits and . @ - _, "
                           "the first a letter or digit"));
  }
}

VirtualService ValidateService(const std::string& path,
                               const proto::VirtualService& from,
                               const ServiceDefaults& defaults,
                               Problems& problems) {
  VirtualService service;
  ValidateName(absl::StrCat(path, ".name"), from.name(), problems);
  service.name = from.name();
  const auto address =
      ValidateHost(absl::StrCat(path, ".address"), from.address(),
                   /*link_local_allowed=*/false, problems);
  service.address = address.value_or(Address());
  service.port = static_cast<uint16_t>(
      problems.InRangeOr(absl::StrCat(path, ".port"), from.port(),
                         kServicePortMin, kServicePortMax, 0));
  service.protocol =
      Known<proto::Protocol>(absl::StrCat(path, ".protocol"), from.protocol(),
                             proto::UDP, problems) == proto::UDP
          ? Protocol::kUdp
          : Protocol::kTcp;
  auto extra_ports = ParseExtraPorts(from.extra_ports(), service.port);
  if (!extra_ports.ok()) {
    problems.Error(absl::StrCat(path, ".extra_ports"),
                   std::string(extra_ports.status().message()));
  } else {
    service.extra_ports = *std::move(extra_ports);
    if (from.port() == 0 && !service.extra_ports.empty()) {
      problems.Error(absl::StrCat(path, ".extra_ports"),
                     absl::StrCat(Quoted(from.extra_ports()),
                                  ", must be empty: port 0 has them all"));
    }
  }
  service.enabled = !from.disabled();
  service.schedule = Known<Schedule>(absl::StrCat(path, ".schedule"),
                                     from.schedule(), proto::SH, problems);
  service.fill = Known<Fill>(absl::StrCat(path, ".fill"), from.fill(),
                             proto::MAGLEV, problems);
  const uint32_t idle_timeout_s = problems.InRange(
      absl::StrCat(path, ".idle_timeout_s"), from.idle_timeout_s(), 0, kDayS);
  service.idle_timeout = idle_timeout_s == 0 ? defaults.connection_timeout
                                             : absl::Seconds(idle_timeout_s);
  service.slow_start = defaults.slow_start;
  if (from.has_persistence()) {
    service.persistence = ValidatePersistence(
        absl::StrCat(path, ".persistence"), from.persistence(), problems);
  }
  ValidateServers(path, from, defaults, address, service, problems);
  service.check =
      ValidateCheck(absl::StrCat(path, ".health_check"), from.health_check(),
                    defaults, service, problems);
  if (from.servers_min() > static_cast<uint32_t>(from.real_servers_size())) {
    problems.Error(
        absl::StrCat(path, ".servers_min"),
        absl::StrCat(from.servers_min(), ", must be at most ",
                     from.real_servers_size(), ", the number of real servers"));
  }
  service.servers_min = std::max(from.servers_min(), 1u);
  if (from.has_sorry_server()) {
    const std::string sorry_path = absl::StrCat(path, ".sorry_server");
    const auto& sorry = from.sorry_server();
    const auto forwarding =
        Known<Forwarding>(absl::StrCat(sorry_path, ".forward"), sorry.forward(),
                          proto::ROUTE, problems);
    service.sorry_server =
        SorryServer{ValidateTarget(sorry_path, sorry.address(), sorry.port(),
                                   forwarding, address, service, problems),
                    forwarding};
  }
  WarnOfService(path, from, service, problems);
  return service;
}

}  // namespace ballast::config
