// What a unit needs of its part in a pair, whatever the pair speaks: sealed
// with another of these units (pair.h), or plain with another make of unit
// (plain_pair.h).
//
// Threads  the reactor's.
#ifndef LB_RUN_PARTNER_H_
#define LB_RUN_PARTNER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "lb/balancer.h"
#include "lb/config/model.h"
#include "lb/log_record.h"

namespace ballast::run {

class Partner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Forward and answer, or don't. When SetActive(false) returns, not one
    // frame more goes out.
    virtual void SetActive(bool active) = 0;
    virtual void Reannounce() = 0;
    virtual void Reboot() = 0;
    virtual void OnPartnerConfig(uint64_t generation,
                                 std::span<const uint8_t> config) = 0;
    // How long forwarding is allowed; changes several times a second.
    virtual void SetLease(Instant until) = 0;
    // For the log: the role changed, the partner's table is here, ...
    virtual void Say(const LogRecord& record) = 0;
  };

  virtual ~Partner() = default;

  // Carrier of the check interfaces, in their order.
  virtual void SetLinks(const std::vector<bool>& up) = 0;
  // A packet thread has changes to tell.
  virtual void OnTableChanged() {}
  // A configured interface, for HA checks or not, has lost its carrier.
  virtual void OnLinkLost() = 0;
  // What of `model` can change while running.
  virtual absl::Status Apply(const config::Model& model) = 0;

  // As Balancer's; kFailedPrecondition where this partner or role cannot.
  virtual absl::Status Switchover() = 0;
  virtual absl::Status Resync() = 0;
  virtual absl::Status OfferConfig(uint64_t generation,
                                   std::vector<uint8_t> config, bool force) = 0;
  // What this unit has taken of the partner's: given on, should the roles
  // change. From within OnPartnerConfig() too.
  virtual void KeepConfig(uint64_t generation, std::vector<uint8_t> config) = 0;
  // Whether this unit's configuration may be changed here; else where.
  virtual absl::Status MayChangeConfig() const = 0;

  // A packet thread does not run: the other unit does better.
  virtual void OnPacketThreadHung() = 0;
  // Ends within `patience`, when left().
  virtual void Leave(absl::Duration patience) = 0;
  virtual bool left() const = 0;

  virtual void Collect(PairStatistics* statistics) const = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_PARTNER_H_
