// What a service of layer 7 needs of TLS, from its configuration: certificates,
// keys and authorities are read, from files too, and made into contexts.
//
// Errors   name the service and the field, or the file.
// Cost     milliseconds: of the control thread.
// Threads  one.
#ifndef LB_RUN_PROXY_TLS_H_
#define LB_RUN_PROXY_TLS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "lb/config/model.h"
#include "lb/run/server_tls.h"
#include "lb/tls/context.h"
#include "lb/tls/ticket_keys.h"

namespace ballast::run {

// For clients, as `service.l7->tls` says.
absl::StatusOr<std::shared_ptr<const tls::ServerContext>> MakeClientsTls(
    const config::VirtualService& service,
    const std::vector<tls::TicketKey>& ticket_keys);

// For servers, as `service.l7->reencrypt` says. Kept while it means the same,
// also by what is in the files: connections and sessions can be used again.
class ServersTls {
 public:
  // `settings`: a number that no other had.
  static absl::StatusOr<std::shared_ptr<const ServersTls>> Make(
      const config::VirtualService& service,
      std::shared_ptr<const ServersTls> before, uint64_t settings);

  // Of one thread.
  std::shared_ptr<ServerTls> MakeForThread() const {
    return std::make_shared<ServerTls>(context_, server_name_, settings_);
  }

 private:
  tls::ClientOptions options_;
  std::string server_name_;
  std::shared_ptr<const tls::ClientContext> context_;
  uint64_t settings_ = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_TLS_H_
