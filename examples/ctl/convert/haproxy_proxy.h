// A frontend, backend, listen or defaults section of HAProxy by itself. Pure.
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_PROXY_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_PROXY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy_rules.h"
#include "examples/ctl/convert/haproxy_server.h"
#include "examples/ctl/convert/haproxy_text.h"
#include "lb/config/ballast.pb.h"

namespace ballast::ctl {

// One address and port, or range of ports, to listen on.
struct HaproxyBind {
  int line = 0;
  std::string address;
  uint32_t port = 0;
  uint32_t last_port = 0;
  std::optional<config::proto::Tls> tls;
};

struct HaproxyUse {
  int line = 0;
  std::string backend;
  HaproxyRules::Matches matches;  // Empty: all that come so far.
};

struct HaproxyProxy {
  std::string kind;  // "frontend", "backend", "listen", "defaults".
  std::string name;
  int line = 0;
  int last_line = 0;  // Of the last directive in it.
  bool http = false;
  bool disabled = false;

  // Towards clients.
  std::vector<HaproxyBind> binds;
  std::vector<HaproxyUse> uses;
  HaproxyRules rules;
  std::string default_backend;
  int default_backend_line = 0;
  uint32_t client_timeout_s = 0;
  uint32_t connections = 0;  // maxconn.
  bool forwarded_for = false;

  // Towards servers.
  std::vector<HaproxyServer> servers;
  HaproxyServerSettings server_defaults;
  config::proto::Schedule schedule = config::proto::WRR;
  int schedule_line = 0;
  std::optional<config::proto::Persistence> cookie;
  int cookie_line = 0;
  bool sticks = false;                                    // "stick on src".
  uint32_t stick_expire_s = 0;                            // Of the stick-table.
  std::optional<config::proto::Persistence> by_schedule;  // As balance wants.
  uint32_t server_timeout_s = 0;
  uint32_t check_timeout_s = 0;
  std::optional<config::proto::HealthCheck> check;  // Else CONNECT.
  bool expects = false;                             // http-check expect.
};

struct HaproxyGlobal {
  std::string crt_base;
  std::string ca_base;
};

// `defaults`: what the section begins as.
HaproxyProxy ReadHaproxyProxy(const HaproxySection& section,
                              const HaproxyProxy& defaults,
                              const HaproxyGlobal& global,
                              const ConvertOptions& options, Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_PROXY_H_
