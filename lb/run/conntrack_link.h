// Connections shared with a conntrackd over UDP: ha::ConntrackPeer on a socket,
// as configuration's connection_sync says.
//
// It begins as a standby, which takes what the peer tells and tells nothing.
// Datagrams of anybody else than the peer are counted.
//
// Errors   Open() names the socket that cannot be had. What cannot be sent is
//          counted, and counts as lost on the way.
// Threads  the reactor's.
#ifndef LB_RUN_CONNTRACK_LINK_H_
#define LB_RUN_CONNTRACK_LINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "ha/conntrack_peer.h"
#include "ha/state_table.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/udp_unicast.h"
#include "lb/config/connection_sync.h"
#include "lb/log_record.h"
#include "lb/run/alarm.h"
#include "lb/run/polled_socket.h"
#include "lb/statistics.h"

namespace ballast::run {

class ConntrackLink : private ha::ConntrackPeer::Host {
 public:
  // `reactor` and `table` outlive it. What the peer tells must not come back as
  // a change of the table (ConntrackPeer's P2).
  static absl::StatusOr<std::unique_ptr<ConntrackLink>> Open(
      Reactor& reactor, const config::ConnectionSync& options,
      ha::StateTable& table, const Log& log);
  // Another can be opened at once.
  ~ConntrackLink() override;

  // See ha::ConntrackPeer.
  void Lead();
  void Follow();
  void Resync();

  void Collect(ConnectionSyncStatistics* statistics) const;

 private:
  ConntrackLink(Reactor& reactor, const config::ConnectionSync& options,
                ha::StateTable& table, const Log& log);

  void OnDatagram(const ReceivedDatagram& datagram);
  void OnAlarm();
  void WatchPeer(Instant now);
  void Arm();
  // ha::ConntrackPeer::Host.
  void SendConntrack(Instant now, std::span<const uint8_t> bytes) override;

  const config::ConnectionSync options_;
  const Log log_;
  std::unique_ptr<PolledSocket<UdpUnicast>> socket_;
  ha::ConntrackPeer peer_;
  uint64_t send_failed_ = 0;
  uint64_t other_sender_ = 0;
  Instant heard_at_;    // The peer; or when this began.
  bool heard_ = false;  // And not silent since.
  bool silence_told_ = false;
  Alarm alarm_;
};

}  // namespace ballast::run

#endif  // LB_RUN_CONNTRACK_LINK_H_
