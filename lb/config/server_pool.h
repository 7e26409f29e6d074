// Servers and how one of them is chosen and checked: what a virtual service and
// a sub service both have. Part of Model (model.h).
#ifndef LB_CONFIG_SERVER_POOL_H_
#define LB_CONFIG_SERVER_POOL_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"

namespace ballast::config {

enum class Forwarding : uint8_t {
  kNat,    // Destination rewritten on the way in, source on the way back.
  kRoute,  // Direct server return: only the destination MAC changes.
};

enum class AdminState : uint8_t {
  kEnabled,
  // No new flow, persistence entries dropped, open flows untouched.
  kDisabled,
  // As disabled, but valid persistence entries still reach it for drain_time;
  // after that, with drop_at_drain_end, its flows end with a RST to both ends.
  kDraining,
};

// A real server among those of all services.
struct ServerIdentity {
  Protocol protocol = Protocol::kTcp;
  Endpoint service;
  std::string sub_service;  // Empty: the service's own.
  Endpoint server;

  friend auto operator<=>(const ServerIdentity&,
                          const ServerIdentity&) = default;
};

struct RealServer {
  std::string name;  // A label; empty if none was given.
  // Port 0: the port the client asked for, as any service with a wildcard or
  // extra ports commonly wants. kRoute rewrites nothing: there the port is 0
  // or the service's.
  Endpoint endpoint;
  uint32_t weight = 1000;  // 0..65535; 0 takes nothing new.
  Forwarding forwarding = Forwarding::kNat;
  AdminState state = AdminState::kEnabled;
  uint32_t connection_limit = 0;  // Open connections; 0: none.
  bool critical = false;          // Its failure takes the service down.
  absl::Duration drain_time = absl::Seconds(300);
  bool drop_at_drain_end = false;
  // Down whenever that one is, which follows none itself.
  std::optional<ServerIdentity> follow{};

  friend bool operator==(const RealServer&, const RealServer&) = default;
};

enum class Schedule : uint8_t {
  kRoundRobin,
  kWeightedRoundRobin,
  kLeastConnection,
  kWeightedLeastConnection,
  kFixed,
  kSourceHash,  // Layer 4.
  kUrlHash,     // Layer 7, HTTP.
  // By weights that move.
  kAdaptive,
  kSdnAdaptive,
  kResponseTime,
};

// How kAdaptive and kSdnAdaptive find their weights; of others the default.
struct Adaptive {
  std::string url = "/load";
  uint16_t port = 80;
  absl::Duration interval = absl::ZeroDuration();
  int idle_percent = 5;
  int least_percent = 0;
  std::optional<Address> controller{};  // kSdnAdaptive: whom to ask.

  friend bool operator==(const Adaptive&, const Adaptive&) = default;
};

// How Schedule::kSourceHash deals its 4096 slots.
enum class Fill : uint8_t { kLoadMaster, kEven, kMaglev };

// In the order of ballast.proto, which tells what each is.
enum class PersistenceMode : uint8_t {
  kSourceIp,
  kSuperHttp,
  kSuperHttpAndSourceIp,
  kServerCookie,
  kServerCookieOrSourceIp,
  kActiveCookie,
  kActiveCookieOrSourceIp,
  kHashAllCookies,
  kHashAllCookiesOrSourceIp,
  kUrlHash,
  kHostHeader,
  kQueryItem,
  kSelectedHeader,
  kSslSessionId,
  kUdpSip,
};

// What kSslSessionId goes by where a client offers TLS 1.3.
enum class Tls13Key : uint8_t { kNothing, kServerName, kSourceIp };

struct Persistence {
  bool enabled = false;
  PersistenceMode mode = PersistenceMode::kSourceIp;
  // Of the cookie, header field or query item; empty for modes that have none.
  std::string name;
  absl::Duration timeout = absl::ZeroDuration();  // Whole minutes.
  // Long-lived connections renew their entry once a day. Set only where it
  // takes effect, from four days up.
  bool refresh = false;
  Tls13Key tls13 = Tls13Key::kNothing;

  friend bool operator==(const Persistence&, const Persistence&) = default;
};

enum class CheckType : uint8_t {
  kNone,
  kTcp,
  kIcmp,
  kHttp,
  kHttps,
  kSmtp,
  kNntp,
  kFtp,
  kTelnet,
  kPop3,
  kImap,
  kRdp,
  kBinary,
  kLdap,
  kDns,
};

enum class CheckMethod : uint8_t { kHead, kGet, kPost, kOptions };

// Effective values: the service's own, or the global ones. From `url` on what
// the check says: empty where its type has no use for it.
struct HealthCheck {
  CheckType type = CheckType::kTcp;
  uint16_t port = 0;  // 0: the server's port; if that is 0, the service's.
  absl::Duration interval = absl::Seconds(9);
  absl::Duration timeout = absl::Seconds(4);
  int retry_count = 2;  // Consecutive failures that take a server down.
  std::string url{};    // Of kBinary: the bytes.
  CheckMethod method = CheckMethod::kHead;
  bool http11 = false;
  std::string host{};  // Not empty with http11; also the name asked for in TLS.
  std::vector<int> codes{};
  std::string pattern{};  // A valid RE2 pattern; of kBinary: the bytes.
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string post_data{};
  size_t match_length = 0;

  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

// Where flows go while no server is available: not checked, assumed up.
struct SorryServer {
  Endpoint endpoint;
  Forwarding forwarding = Forwarding::kNat;

  friend bool operator==(const SorryServer&, const SorryServer&) = default;
};

struct ServerPool {
  Schedule schedule = Schedule::kRoundRobin;
  Fill fill = Fill::kLoadMaster;
  absl::Duration slow_start = absl::ZeroDuration();  // For lc and wlc.
  Persistence persistence;
  HealthCheck check;
  uint32_t servers_min = 1;         // Up only with this many servers available.
  std::vector<RealServer> servers;  // At layer 4 all of the address's family.
  std::optional<SorryServer> sorry_server;
  Adaptive adaptive;

  friend bool operator==(const ServerPool&, const ServerPool&) = default;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_SERVER_POOL_H_
