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
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/carp_node.h"
#include "ha/carp_wire.h"
#include "ha/ipvs_peer.h"
#include "ha/state_table.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/udp_multicast.h"
#include "lb/run/alarm.h"
#include "lb/run/carp_link.h"
#include "lb/run/partner.h"
#include "lb/run/polled_socket.h"

namespace ballast::run {

class PlainPair : public Partner,
                  private ha::IpvsPeer::Host,
                  private CarpLink::Owner {
 public:
  using Owner = Partner::Owner;

  struct Carp {
    CarpLink::Options link;
    ha::CarpKey key;
  };
  struct Sync {
    ha::IpvsPeer::Options options;
    std::string interface;
    Endpoint group;
    Address own;      // Messages are sent from it.
    Address partner;  // Nobody else's messages count.
  };
  struct Options {
    std::optional<Carp> carp;  // Unset: the role is taken by command.
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
  void OnLinkLost() override;
  absl::Status Apply(const config::Model& model) override;
  // An active unit gives the role up. By command, a standby takes it.
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
  PlainPair(Reactor& reactor, const Options& options, ha::StateTable& table,
            Owner& owner);
  absl::Status OpenSync();
  void OnSync(const ReceivedDatagram& datagram);
  void Arm();

  void ChangeRole(ha::Role to, const char* reason);

  // CarpLink::Owner. The first two also by command: serve, and tell; or
  // neither.
  void OnTake() override;
  void OnDrop() override;
  void OnAnnounce() override;
  void OnCarpRole(ha::CarpRole role, ha::CarpReason reason) override;
  void OnLease(Instant until) override;
  void OnWeakerMaster() override;
  void OnRefused(absl::string_view line) override;

  // ha::IpvsPeer::Host.
  void SendSync(Instant now, std::span<const uint8_t> bytes) override;

  Reactor& reactor_;
  const std::optional<Sync> sync_options_;
  const bool reboot_on_link_failure_;
  ha::StateTable& table_;
  Owner& owner_;
  ha::Role role_ = ha::Role::kStandby;
  const char* reason_;
  uint64_t role_changes_ = 0;
  struct RoleChange {
    Instant when;
    ha::Role from{};
    ha::Role to{};
    const char* reason;
  };
  std::deque<RoleChange> last_role_changes_;  // 64 at most, oldest first.
  std::vector<bool> links_;
  bool link_usable_ = true;  // As CARP knows it.
  bool rebooted_ = false;
  std::unique_ptr<PolledSocket<UdpMulticast>> socket_;
  std::optional<UdpMulticast> sender_;
  std::optional<ha::IpvsPeer> sync_;
  uint64_t send_failed_ = 0;
  uint64_t other_sender_ = 0;  // Updates of somebody else than the partner.
  Instant next_told_anew_ = Instant::FromNanos(0);
  bool hung_ = false;
  Alarm alarm_;
  std::unique_ptr<CarpLink> carp_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PLAIN_PAIR_H_
