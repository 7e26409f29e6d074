// Everything the management listener serves, by path: who asks is found out
// first, then the route's handler answers. Pure.
//
//   /access/COMMAND   the LoadMaster's REST API, v1: query, form; XML
//   /accessv2         v2: JSON
//   /metrics          for Prometheus
//   /v1/...           the unit's own API (v1.proto)
//   /, /page/...      the status page
//
// A request whose password is to be verified is answered in two steps, since
// that takes long: Handle() gives a PasswordCheck, the owner computes
// VerifyPassword() of it wherever it likes, and Resume() gives the reply.
//
// Browsers  send what they know of a site with whatever another site has them
//           fetch: a request that says it comes from there is refused. Not
//           the page itself, to which there may be links.
// Threads   one; the backend's.
#ifndef LB_ADMIN_SITE_H_
#define LB_ADMIN_SITE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lb/admin/api.h"
#include "lb/admin/authenticator.h"
#include "lb/admin/backend.h"
#include "lb/admin/request.h"

namespace ballast::admin {

struct PasswordCheck {
  std::string password;
  std::string hash;
};

class Site {
 public:
  // Beyond so many calls in so long, with management.flood_guard (7.1).
  static constexpr size_t kFloodCalls = 30;
  static constexpr absl::Duration kFloodTime = absl::Seconds(3);

  struct Stats {
    uint64_t requests = 0;
    uint64_t flooded = 0;
    uint64_t cross_site = 0;
  };

  Site(Backend* backend, const SipKey& key, ApiOptions options);

  std::variant<Reply, PasswordCheck> Handle(absl::Time now,
                                            const Request& request);
  // After a PasswordCheck, with the same request.
  Reply Resume(absl::Time now, const Request& request,
               const PasswordCheck& check, bool right);

  const Stats& stats() const { return stats_; }
  const Authenticator::Stats& authentication() const {
    return authenticator_.stats();
  }

 private:
  // A request as far as it is understood before it is known who asks.
  struct Route;
  struct Asked {
    const Route* route = nullptr;
    Version version = Version::kV1;  // Of /access.
    std::string command;
    Parameters parameters;
    Credentials credentials;
  };
  // What begins with `prefix`, or is it.
  struct Route {
    absl::string_view prefix;
    bool whole;
    // The reply instead, if it is none that needs more.
    std::variant<Asked, Reply> (Site::*ask)(const Request& request) const;
    Reply (Site::*answer)(absl::Time now, const Request& request,
                          const Asked& asked, const Identity& who);
    // What is wrong before there is an answer.
    Reply (*error)(const Asked& asked, uint16_t code, absl::string_view text);
  };
  static const Route kRoutes[];

  std::variant<Asked, Reply> Ask(const Request& request) const;
  std::variant<Asked, Reply> AskV1(const Request& request) const;
  std::variant<Asked, Reply> AskV2(const Request& request) const;
  std::variant<Asked, Reply> AskOwn(const Request& request) const;
  std::variant<Asked, Reply> AskToRead(const Request& request) const;
  Reply AnswerApi(absl::Time now, const Request& request, const Asked& asked,
                  const Identity& who);
  Reply AnswerMetrics(absl::Time now, const Request& request,
                      const Asked& asked, const Identity& who);
  Reply AnswerOwn(absl::Time now, const Request& request, const Asked& asked,
                  const Identity& who);
  Reply AnswerPage(absl::Time now, const Request& request, const Asked& asked,
                   const Identity& who);
  static Reply ApiError(const Asked& asked, uint16_t code,
                        absl::string_view text);

  bool Flooded(absl::Time now);
  Reply Answer(absl::Time now, const Request& request, const Asked& asked,
               const Authenticator::Decision& decision);

  Backend* const backend_;
  Api api_;
  Authenticator authenticator_;
  std::deque<absl::Time> calls_;  // The last kFloodCalls.
  Stats stats_;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_SITE_H_
