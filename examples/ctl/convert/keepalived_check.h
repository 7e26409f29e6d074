// keepalived's checks of a real server, to a health check. Pure.
//
// Source   keepalived.conf(5) of 2.2.7.
#ifndef EXAMPLES_CTL_CONVERT_KEEPALIVED_CHECK_H_
#define EXAMPLES_CTL_CONVERT_KEEPALIVED_CHECK_H_

#include <string>

#include "examples/ctl/convert/block_text.h"
#include "examples/ctl/convert/conversion.h"
#include "lb/config/ballast.pb.h"

namespace ballast::ctl {

// Whether it is one of these blocks.
bool IsKeepalivedCheck(const Directive& directive);

// What a service says for the checks of its servers.
struct KeepalivedCheckDefaults {
  uint32_t interval_s = 0;  // delay_loop.
  uint32_t timeout_s = 0;   // connect_timeout.
  uint32_t retries = 0;     // retry, and whether it is there.
  bool has_retries = false;
  std::string virtualhost;
  bool udp = false;
};

config::proto::HealthCheck ReadKeepalivedCheck(
    const Directive& check, const KeepalivedCheckDefaults& defaults,
    Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_KEEPALIVED_CHECK_H_
