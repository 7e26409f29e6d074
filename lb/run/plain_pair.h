// A part in a pair with another make of unit: who is active is decided by
// CARP (carp_link.h) or by command, and connections are told as Linux IPVS
// tells them (ha/ipvs_peer.h), over UDP multicast.
//
// Neither side knows what the other has. So there is no transfer on joining, no
// hand-over that waits for one, and no configuration: a unit that comes learns
// what is told from then on, or all of it by Resync() on the active one.
//
// Errors   Open() names the socket that cannot be had. What cannot be sent, or
//          is not the partner's, is counted.
// Threads  the reactor's.
#ifndef LB_RUN_PLAIN_PAIR_H_
#define LB_RUN_PLAIN_PAIR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/ipvs_peer.h"
#include "ha/state_table.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/udp_multicast.h"
#include "lb/run/alarm.h"
#include "lb/run/partner.h"
#include "lb/run/polled_socket.h"

namespace ballast::run {

class PlainPair : public Partner, private ha::IpvsPeer::Host {
 public:
  struct Sync {
    ha::IpvsPeer::Options options;
    std::string interface;
    Endpoint group;
    Address partner;  // Nobody else's messages count.
  };
  struct Options {
    std::optional<Sync> sync;  // Unset: connections are not told.
    bool pacified = false;     // Keeps out.
    bool reboot_on_link_failure = false;
  };

  // `reactor`, `table` and `owner` outlive it.
  static absl::StatusOr<std::unique_ptr<PlainPair>> Open(Reactor& reactor,
                                                         Options options,
                                                         ha::StateTable& table,
                                                         Owner& owner);

  void SetLinks(const std::vector<bool>& up) override;
  absl::Status Apply(const config::Model& model) override;
  // By command: takes the role, or gives it up.
  absl::Status Switchover() override;
  absl::Status Resync() override;
  absl::Status OfferConfig(uint64_t generation, std::vector<uint8_t> config,
                           bool force) override;
  void KeepConfig(uint64_t generation, std::vector<uint8_t> config) override;
  absl::Status MayChangeConfig() const override;
  void OnPacketThreadHung() override;
  void Leave(absl::Duration patience) override;
  bool left() const override { return role_ == ha::Role::kLeaving; }
  void Collect(PairStatistics* statistics) const override;

 private:
  PlainPair(Reactor& reactor, Options options, ha::StateTable& table,
            Owner& owner);
  absl::Status OpenSync();
  void OnSync(const ReceivedDatagram& datagram);
  void Arm();

  // Serve, and tell; or neither.
  void Take();
  void Drop();
  void ChangeRole(ha::Role to, const char* reason);

  // ha::IpvsPeer::Host.
  void SendSync(Instant now, std::span<const uint8_t> bytes) override;

  Reactor& reactor_;
  const Options options_;
  ha::StateTable& table_;
  Owner& owner_;
  ha::Role role_ = ha::Role::kStandby;
  const char* reason_;
  uint64_t role_changes_ = 0;
  std::vector<bool> links_;
  bool rebooted_ = false;
  std::unique_ptr<PolledSocket<UdpMulticast>> socket_;
  std::optional<ha::IpvsPeer> sync_;
  uint64_t send_failed_ = 0;
  uint64_t other_sender_ = 0;  // Updates of somebody else than the partner.
  Alarm alarm_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PLAIN_PAIR_H_
