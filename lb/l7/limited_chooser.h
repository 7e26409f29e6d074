// Refuses requests that a connection's Ticket has no room for, and asks
// another Chooser about the rest.
//
// Answers  by the limit's `excess`: 429 or 503 with Retry-After, or the
//          connection is closed. One that was refused as a connection is
//          closed after its answer, too. A request counts once, however many
//          servers are tried for it.
// Threads  one.
#ifndef LB_L7_LIMITED_CHOOSER_H_
#define LB_L7_LIMITED_CHOOSER_H_

#include <cstdint>
#include <variant>

#include "io/base/instant.h"
#include "lb/http/head.h"
#include "lb/l7/chooser.h"
#include "lb/l7/limiter.h"
#include "lb/l7/orders.h"

namespace ballast::l7 {

class LimitedChooser final : public Chooser {
 public:
  // Both must outlive it.
  LimitedChooser(Chooser& chooser, Ticket& ticket)
      : chooser_(chooser), ticket_(ticket) {}

  std::variant<ServerChoice, Denial> Choose(
      Instant now, const Client& client, uint32_t attempt,
      http::RequestHead* request) override {
    if (attempt == 0) {
      if (const auto refusal = ticket_.Request(now)) return Refuse(*refusal);
    }
    return chooser_.Choose(now, client, attempt, request);
  }
  bool OnResponse(Instant now, const Client& client, const ServerChoice& choice,
                  const http::RequestHead& request,
                  http::ResponseHead* response) override {
    return chooser_.OnResponse(now, client, choice, request, response);
  }
  void OnEnd(Instant now, const ServerChoice& choice,
             Outcome outcome) override {
    chooser_.OnEnd(now, choice, outcome);
  }

 private:
  Denial Refuse(const LimitRefusal& refusal) const {
    Denial denial;
    denial.close = !ticket_.open();
    denial.retry_after_s = LimitRefusal::kRetryAfterS;
    switch (refusal.excess) {
      case config::Excess::kClose:
        denial.status = 0;
        break;
      case config::Excess::kStatus429:
        denial.status = 429;
        break;
      case config::Excess::kStatus503:
        denial.status = 503;
        break;
    }
    return denial;
  }

  Chooser& chooser_;
  Ticket& ticket_;
};

}  // namespace ballast::l7

#endif  // LB_L7_LIMITED_CHOOSER_H_
