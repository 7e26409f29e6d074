// What layer 7 makes of its secrets: keys of persistence entries, TLS tickets
// and active cookies, one of its own for each use.
#ifndef LB_RUN_PROXY_SECRETS_H_
#define LB_RUN_PROXY_SECRETS_H_

#include <vector>

#include "io/base/siphash.h"
#include "lb/config/l7_model.h"
#include "lb/tls/ticket_keys.h"

namespace ballast::run {

struct ProxySecrets {
  SipKey persistence;
  std::vector<tls::TicketKey> tickets;  // The newest first, as all here.
  std::vector<SipKey> cookies;
};

// Of unpredictable ones, or the pair's: not empty, the newest first.
ProxySecrets DeriveProxySecrets(const std::vector<config::L7Secret>& secrets);

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_SECRETS_H_
