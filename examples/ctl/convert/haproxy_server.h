// A `server` line of HAProxy, and the `default-server` ones before it. Pure.
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_SERVER_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_SERVER_H_

#include <cstdint>
#include <optional>

#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy_text.h"
#include "lb/config/ballast.pb.h"

namespace ballast::ctl {

// What default-server may say too.
struct HaproxyServerSettings {
  uint32_t weight = 1;
  uint32_t connection_limit = 0;
  bool checked = false;
  uint32_t interval_s = 0;  // 0: not said.
  uint32_t fall = 3;        // By the manual.
  uint32_t check_port = 0;
  bool backup = false;
  bool disabled = false;
  bool tls = false;
  config::proto::Reencrypt reencrypt;
};

struct HaproxyServer {
  int line = 0;
  config::proto::RealServer server;
  HaproxyServerSettings settings;
};

// The words from `place` on; reports those that mean nothing here.
void ReadHaproxyServerSettings(const HaproxyLine& line, size_t place,
                               HaproxyServerSettings* settings, Ledger& ledger);

// No value: reported, it can be none.
std::optional<HaproxyServer> ReadHaproxyServer(
    const HaproxyLine& line, const HaproxyServerSettings& defaults,
    Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_SERVER_H_
