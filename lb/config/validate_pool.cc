#include "lb/config/validate_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lb/config/known.h"
#include "lb/config/token.h"
#include "lb/config/validate.h"
#include "lb/config/validate_adaptive.h"
#include "lb/config/validate_check.h"

namespace ballast::config {
namespace {

constexpr uint32_t kServerPortMin = 3;
constexpr uint32_t kServerPortMax = 65535;
constexpr uint32_t kDayS = 86400;
constexpr uint32_t kPersistenceDefaultS = 360;

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
static_assert(static_cast<int>(Schedule::kUrlHash) == proto::UHASH);
static_assert(static_cast<int>(Schedule::kResponseTime) ==
              proto::RESPONSE_TIME);
static_assert(static_cast<int>(PersistenceMode::kActiveCookie) ==
              proto::Persistence::ACTIVE_COOKIE);
static_assert(static_cast<int>(Tls13Key::kSourceIp) ==
              proto::Persistence::CLIENT_IP);
static_assert(static_cast<int>(PersistenceMode::kUrlHash) ==
              proto::Persistence::URL_HASH);
static_assert(static_cast<int>(PersistenceMode::kUdpSip) ==
              proto::Persistence::UDP_SIP);

// Where flows of `service` can be sent to, with the port made explicit where
// there is just one it can be.
Endpoint ValidateTarget(const std::string& path, const std::string& address,
                        uint32_t port, Forwarding forwarding,
                        const PoolOwner& owner, Problems& problems) {
  Endpoint endpoint;
  if (const auto host =
          ValidateHost(absl::StrCat(path, ".address"), address,
                       /*link_local_allowed=*/false, problems,
                       /*loopback_allowed=*/owner.l7.has_value())) {
    endpoint.address = *host;
    const auto& own = owner.address;
    if (!owner.translates && own && host->is_v4() != own->is_v4()) {
      problems.Error(
          absl::StrCat(path, ".address"),
          absl::StrCat(host->ToString(), ", must be IPv", own->is_v4() ? 4 : 6,
                       " like the service's address ", own->ToString()));
    }
  }
  endpoint.port = static_cast<uint16_t>(problems.InRangeOr(
      absl::StrCat(path, ".port"), port, kServerPortMin, kServerPortMax, 0));
  if (forwarding == Forwarding::kRoute) {
    if (port != 0 && port != owner.port) {
      problems.Error(
          absl::StrCat(path, ".port"),
          absl::StrCat(port, ", must be 0 or the service's port ", owner.port,
                       ": forward ROUTE cannot change a port"));
    }
    endpoint.port = 0;
  }
  if (endpoint.port == 0 && owner.one_port) endpoint.port = owner.port;
  return endpoint;
}

Forwarding ValidateForwarding(const std::string& path, proto::Forward from,
                              const PoolOwner& owner, Problems& problems) {
  const auto forwarding = Known<Forwarding>(absl::StrCat(path, ".forward"),
                                            from, proto::ROUTE, problems);
  if (forwarding == Forwarding::kNat || !owner.l7) return forwarding;
  problems.Warn(absl::StrCat(path, ".forward"), "has no effect at layer 7");
  return Forwarding::kNat;
}

RealServer ValidateServer(const std::string& path,
                          const proto::RealServer& from,
                          const ServiceDefaults& defaults,
                          const PoolOwner& owner, Problems& problems) {
  RealServer server;
  ValidateName(absl::StrCat(path, ".name"), from.name(), problems);
  server.name = from.name();
  server.forwarding = ValidateForwarding(path, from.forward(), owner, problems);
  server.endpoint = ValidateTarget(path, from.address(), from.port(),
                                   server.forwarding, owner, problems);
  if (from.has_weight()) {
    server.weight = problems.InRange(absl::StrCat(path, ".weight"),
                                     from.weight(), 0, kWeightMax);
  }
  server.state = Known<AdminState>(absl::StrCat(path, ".state"), from.state(),
                                   proto::DRAINING, problems);
  if (server.state == AdminState::kEnabled &&
      (defaults.disabled_servers.contains(server.endpoint) ||
       defaults.disabled_servers.contains({server.endpoint.address, 0}))) {
    server.state = owner.l7 ? AdminState::kDraining : AdminState::kDisabled;
  }
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

using ProtoServers = google::protobuf::RepeatedPtrField<proto::RealServer>;

void ValidateServers(const std::string& path, const ProtoServers& from,
                     const ServiceDefaults& defaults, const PoolOwner& owner,
                     std::vector<RealServer>& servers, Problems& problems) {
  const std::string list = absl::StrCat(path, ".real_servers");
  if (from.size() > kServersPerServiceMax) {
    problems.Error(list, absl::StrCat(from.size(), " servers, must be at most ",
                                      kServersPerServiceMax));
    return;
  }
  std::vector<std::pair<Endpoint, int>> endpoints;
  std::vector<std::pair<std::string, int>> names;
  for (int i = 0; i < from.size(); ++i) {
    const std::string server_path = absl::StrCat(list, "[", i, "]");
    servers.push_back(
        ValidateServer(server_path, from[i], defaults, owner, problems));
    const Endpoint& endpoint = servers.back().endpoint;
    if (!endpoint.address.is_unspecified()) endpoints.push_back({endpoint, i});
    const std::string& name = servers.back().name;
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

bool ReadsRequests(PersistenceMode mode) {
  return mode != PersistenceMode::kSourceIp &&
         mode != PersistenceMode::kSslSessionId &&
         mode != PersistenceMode::kUdpSip;
}

bool HasName(PersistenceMode mode) {
  switch (mode) {
    case PersistenceMode::kServerCookie:
    case PersistenceMode::kServerCookieOrSourceIp:
    case PersistenceMode::kActiveCookie:
    case PersistenceMode::kActiveCookieOrSourceIp:
    case PersistenceMode::kQueryItem:
    case PersistenceMode::kSelectedHeader:
    case PersistenceMode::kUdpSip:
      return true;
    default:
      return false;
  }
}

bool IsActiveCookie(PersistenceMode mode) {
  return mode == PersistenceMode::kActiveCookie ||
         mode == PersistenceMode::kActiveCookieOrSourceIp;
}

void ValidatePersistenceName(const std::string& path,
                             const proto::Persistence& from,
                             Persistence& persistence, Problems& problems) {
  constexpr size_t kBytesMax = 127;
  if (!HasName(persistence.mode)) {
    if (from.name().empty()) return;
    problems.Error(path,
                   absl::StrCat(Quoted(from.name()), ", must be empty: mode ",
                                proto::Persistence::Mode_Name(from.mode()),
                                " has no name"));
    return;
  }
  persistence.name = from.name();
  if (from.name().empty()) {
    if (IsActiveCookie(persistence.mode)) {
      persistence.name = "LMPERSIST";
    } else {
      problems.Error(path, "is required");
    }
    return;
  }
  const bool any = persistence.mode == PersistenceMode::kQueryItem;
  if (from.name().size() > kBytesMax || (!any && !IsToken(from.name()))) {
    problems.Error(path, absl::StrCat(Quoted(from.name()), ", must be ",
                                      any ? "" : "a token of ", "1 to ",
                                      kBytesMax, " characters"));
  }
}

// Which services can have which mode.
void ValidatePersistenceMode(const std::string& path,
                             const proto::Persistence& from,
                             PersistenceMode mode, const PoolOwner& owner,
                             Problems& problems) {
  const char* wants = nullptr;
  if (ReadsRequests(mode) && owner.l7 != L7Type::kHttp) {
    wants = "layer 7 of type HTTP";
  } else if (mode == PersistenceMode::kSslSessionId &&
             (owner.l7 != L7Type::kGeneric || owner.terminates_tls)) {
    wants = "layer 7 of type GENERIC without tls";
  } else if (mode == PersistenceMode::kUdpSip &&
             owner.protocol != Protocol::kUdp) {
    wants = "protocol UDP";
  }
  if (wants == nullptr) return;
  problems.Error(path, absl::StrCat(proto::Persistence::Mode_Name(from.mode()),
                                    ", must be another: needs ", wants));
}

Persistence ValidatePersistence(const std::string& path,
                                const proto::Persistence& from,
                                const PoolOwner& owner, Problems& problems) {
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
  Persistence persistence = {
      .enabled = true,
      .mode = Known<PersistenceMode>(absl::StrCat(path, ".mode"), from.mode(),
                                     proto::Persistence::UDP_SIP, problems),
      .timeout = absl::Seconds(whole_s),
      .refresh = from.refresh() && whole_s >= kRefreshFromS};
  ValidatePersistenceMode(absl::StrCat(path, ".mode"), from, persistence.mode,
                          owner, problems);
  ValidatePersistenceName(absl::StrCat(path, ".name"), from, persistence,
                          problems);
  const std::string tls13_path = absl::StrCat(path, ".tls13");
  persistence.tls13 = Known<Tls13Key>(tls13_path, from.tls13(),
                                      proto::Persistence::CLIENT_IP, problems);
  const bool by_id = persistence.mode == PersistenceMode::kSslSessionId;
  if (by_id && persistence.tls13 == Tls13Key::kNothing) {
    problems.Warn(tls13_path,
                  "NOTHING: clients that speak TLS 1.3 have no persistence; "
                  "SERVER_NAME and CLIENT_IP are what they could go by");
  } else if (!by_id && persistence.tls13 != Tls13Key::kNothing) {
    problems.Warn(tls13_path, "has no effect: mode is not SSL_SESSION_ID");
  }
  return persistence;
}

template <typename Proto>
void ValidatePoolOf(const std::string& path, const Proto& from,
                    const ServiceDefaults& defaults, const PoolOwner& owner,
                    ServerPool& pool, Problems& problems) {
  const std::string schedule_path = absl::StrCat(path, ".schedule");
  pool.schedule = Known<Schedule>(schedule_path, from.schedule(),
                                  proto::RESPONSE_TIME, problems);
  if (pool.schedule == Schedule::kUrlHash && owner.l7 != L7Type::kHttp) {
    problems.Error(schedule_path,
                   "UHASH, must be another: needs layer 7 of type HTTP");
  } else if (pool.schedule == Schedule::kSourceHash && owner.l7) {
    problems.Error(schedule_path, "SH, must be another: needs layer 4");
  }
  pool.slow_start = defaults.slow_start;
  if (from.has_persistence()) {
    pool.persistence = ValidatePersistence(absl::StrCat(path, ".persistence"),
                                           from.persistence(), owner, problems);
  }
  ValidateServers(path, from.real_servers(), defaults, owner, pool.servers,
                  problems);
  pool.check =
      ValidateCheck(absl::StrCat(path, ".health_check"), from.health_check(),
                    defaults, owner, pool.servers, problems);
  pool.adaptive =
      ValidateAdaptive(absl::StrCat(path, ".adaptive"), from.adaptive(),
                       defaults.adaptive, problems);
  SettleAdaptive(path, pool, problems);
  if (from.servers_min() > static_cast<uint32_t>(from.real_servers_size())) {
    problems.Error(
        absl::StrCat(path, ".servers_min"),
        absl::StrCat(from.servers_min(), ", must be at most ",
                     from.real_servers_size(), ", the number of real servers"));
  }
  pool.servers_min = std::max(from.servers_min(), 1u);
  if (from.has_sorry_server()) {
    const std::string sorry_path = absl::StrCat(path, ".sorry_server");
    const auto& sorry = from.sorry_server();
    const Forwarding forwarding =
        ValidateForwarding(sorry_path, sorry.forward(), owner, problems);
    pool.sorry_server =
        SorryServer{ValidateTarget(sorry_path, sorry.address(), sorry.port(),
                                   forwarding, owner, problems),
                    forwarding};
  }
}

}  // namespace

void ValidatePool(const std::string& path, const proto::VirtualService& from,
                  const ServiceDefaults& defaults, const PoolOwner& owner,
                  ServerPool& pool, Problems& problems) {
  ValidatePoolOf(path, from, defaults, owner, pool, problems);
}

void ValidatePool(const std::string& path, const proto::SubService& from,
                  const ServiceDefaults& defaults, const PoolOwner& owner,
                  ServerPool& pool, Problems& problems) {
  ValidatePoolOf(path, from, defaults, owner, pool, problems);
}

}  // namespace ballast::config
