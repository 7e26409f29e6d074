// One unit of a pair on this host: the pure node (ha/node.h) on real sockets.
//
//   adverts   IP protocol 112, TTL 255, to 224.0.0.18 or 255.255.255.255, on
//             every HA check interface
//   changes   UDP multicast on the sync interface
//   stream    TCP between the units' own addresses (pair_stream.h)
//
// Errors   Open() names the socket that cannot be had. What cannot be sent is
//          counted: adverts and changes are repeated anyway.
// Threads  the reactor's.
#ifndef LB_RUN_PAIR_H_
#define LB_RUN_PAIR_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ha/node.h"
#include "io/base/address.h"
#include "io/raw_socket.h"
#include "io/reactor.h"
#include "io/udp_multicast.h"
#include "lb/run/alarm.h"
#include "lb/run/pair_stream.h"
#include "lb/run/partner.h"

namespace ballast::run {

class Pair : public Partner, private ha::Node::Host, private PairStream::Owner {
 public:
  using Owner = Partner::Owner;

  struct Options {
    ha::Node::Options node;
    // One for each of node.election.interfaces.
    std::vector<std::string> check_interfaces;
    bool broadcast = false;
    bool v6 = false;  // Adverts to ff02::12.
    Endpoint own;     // Of the stream; port as the partner's.
    Endpoint partner;
    std::string sync_interface;
    Endpoint sync_group;
  };
  struct Stats {
    uint64_t send_failed = 0;  // Adverts and changes the kernel did not take.
    uint64_t wrong_ttl = 0;    // Adverts from beyond the link.
  };

  // `reactor`, `table` and `owner` outlive it.
  static absl::StatusOr<std::unique_ptr<Pair>> Open(Reactor& reactor,
                                                    Options options,
                                                    ha::StateTable& table,
                                                    Owner& owner);
  ~Pair() override;

  void SetLinks(const std::vector<bool>& up) override;
  void OnTableChanged() override;
  void OnLinkLost() override;
  absl::Status Apply(const config::Model& model) override;
  absl::Status Switchover() override;
  absl::Status Resync() override;
  absl::Status OfferConfig(uint64_t generation, std::vector<uint8_t> config,
                           bool force) override;
  void KeepConfig(uint64_t generation, std::vector<uint8_t> config) override;
  absl::Status MayChangeConfig() const override;
  void OnPacketThreadHung() override;
  void Leave(absl::Duration patience) override;
  bool left() const override;
  void Collect(PairStatistics* statistics) const override;

  const Stats& stats() const { return stats_; }

 private:
  struct Port;  // A socket that is read.
  // How often somebody who has none of our keys is told of.
  static constexpr absl::Duration kTellStrangers = absl::Minutes(1);

  Pair(Reactor& reactor, Options options, ha::StateTable& table, Owner& owner);
  absl::Status OpenSockets();
  void OnReadable(Port& port);
  void TellStrangers();
  // After any call of node_'s that may change its deadline.
  void Arm();

  // ha::Node::Host.
  void SendAdvert(Instant now, int interface,
                  std::span<const uint8_t> bytes) override;
  void SendSync(Instant now, std::span<const uint8_t> bytes) override;
  bool SendStream(Instant now, std::span<const uint8_t> bytes) override;
  void TakeRole(Instant now) override;
  void DropRole(Instant now) override;
  void Reannounce(Instant now) override;
  void Reboot(Instant now) override;
  void OnRoleChange(const ha::RoleChange& change) override;
  void OnConfig(Instant now, uint64_t generation,
                std::span<const uint8_t> config) override;
  void FillRandom(std::span<uint8_t> bytes) override;

  // PairStream::Owner.
  std::vector<uint8_t> Hello() override;
  bool OnHello(std::span<const uint8_t> message) override;
  void OnUp() override;
  void OnDown(bool died) override;
  bool OnMessage(std::span<const uint8_t> message) override;
  void OnRoom() override;

  Reactor& reactor_;
  const Options options_;
  Owner& owner_;
  std::vector<Port*> checks_;  // Each owns itself while it is polled.
  Port* sync_ = nullptr;
  std::unique_ptr<PairStream> stream_;
  Stats stats_;
  std::vector<bool> links_;
  ha::Node node_;
  uint64_t strangers_told_ = 0;  // Messages, and until when no more are told.
  Instant strangers_next_ = Instant::FromNanos(0);
  bool heard_ = false;     // The partner, at the last Arm().
  bool complete_ = false;  // As it was last said.
  Alarm alarm_;
  std::array<uint8_t, 2048> buffer_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PAIR_H_
