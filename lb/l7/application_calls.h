// Calls the application of a service on one thread, checks what it does, and
// counts. Without one, every call is a comparison.
//
// Threads  one; statistics(): any.
#ifndef LB_L7_APPLICATION_CALLS_H_
#define LB_L7_APPLICATION_CALLS_H_

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/base/address.h"
#include "io/base/instant.h"
#include "lb/http/head.h"
#include "lb/l7/application.h"
#include "lb/l7/chooser.h"
#include "lb/l7/counters.h"
#include "lb/l7/pool_chooser.h"

namespace ballast::l7 {

class ApplicationCalls {
 public:
  // May be null.
  explicit ApplicationCalls(Application* application)
      : application_(application) {}

  bool there() const { return application_ != nullptr; }
  // The answer to give, if the request is not to go on.
  std::optional<Denial> OnRequest(const Asked& asked,
                                  http::RequestHead* request) {
    if (application_ == nullptr) return std::nullopt;
    return CheckedOnRequest(asked, request);
  }
  // nullopt: whom the pool's schedule takes. So too without `asked`.
  std::optional<PoolChooser::Picked> Pick(Instant now, const Asked* asked,
                                          PoolChooser* pool) {
    if (application_ == nullptr || asked == nullptr) return std::nullopt;
    return CheckedPick(now, *asked, pool);
  }
  // False: a 500 in place of the response.
  bool OnResponse(const Asked& asked, const Endpoint& server,
                  http::ResponseHead* response) {
    return application_ == nullptr ||
           CheckedOnResponse(asked, server, response);
  }

  ApplicationStatistics statistics() const;

 private:
  std::optional<Denial> CheckedOnRequest(const Asked& asked,
                                         http::RequestHead* request);
  std::optional<PoolChooser::Picked> CheckedPick(Instant now,
                                                 const Asked& asked,
                                                 PoolChooser* pool);
  bool CheckedOnResponse(const Asked& asked, const Endpoint& server,
                         http::ResponseHead* response);
  void CountError(absl::string_view call, absl::string_view error);

  Application* application_;
  std::vector<Candidate> candidates_;  // Kept for its room.
  Counter answered_;
  Counter picked_;
  Counter picks_refused_;
  Counter errors_;
  mutable std::mutex mutex_;
  std::string last_error_;  // Under it.
};

}  // namespace ballast::l7

#endif  // LB_L7_APPLICATION_CALLS_H_
