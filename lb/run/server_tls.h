// TLS from one thread of a service to its servers: whom they have to be, and
// what is resumed.
//
// Name     as configured; else the host that the client asks for (the
// request's,
//          or of a stream that comes by TLS its SNI), if it is a name; else the
//          server's address, which its certificate must then have. It is sent
//          (SNI; an address is not) and verified.
// Cost     Connect: one allocation and TLS's own.
// Threads  one; the context is shared.
#ifndef LB_RUN_SERVER_TLS_H_
#define LB_RUN_SERVER_TLS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "lb/tls/context.h"
#include "lb/tls/resumption_cache.h"
#include "lb/tls/session.h"

namespace ballast::run {

class ServerTls {
 public:
  static constexpr size_t kSessionsMax = 1024;

  // `settings`: a number that stands for `context` and `server_name`, not 0.
  ServerTls(std::shared_ptr<const tls::ClientContext> context,
            absl::string_view server_name, uint64_t settings)
      : context_(std::move(context)),
        server_name_(server_name),
        settings_(settings) {}

  // Replaces `name` by whom the server has to be. `host`: as in Host, or empty.
  // True: it is of the client's choice.
  bool Name(absl::string_view host, const Address& server,
            std::string& name) const;

  std::unique_ptr<tls::Session> Connect(const Endpoint& server,
                                        const std::string& name) const;

  uint64_t settings() const { return settings_; }

 private:
  const std::shared_ptr<const tls::ClientContext> context_;
  const std::string server_name_;  // Empty: not configured.
  const uint64_t settings_;
  const std::shared_ptr<tls::ResumptionCache> cache_ =
      std::make_shared<tls::ResumptionCache>(kSessionsMax);
};

}  // namespace ballast::run

#endif  // LB_RUN_SERVER_TLS_H_
