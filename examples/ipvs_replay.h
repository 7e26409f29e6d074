// Captured client packets, through a director's connection states and our sync
// policy, with the timeouts of IPVS: what would this director have told its
// partner, and when?
//
// Connections begin with a SYN (TCP) or any packet (UDP), are counted and
// followed as IPVS does, and are forgotten when they were idle for the timeout
// of their state. Where the servers answer directly (no NAT) their packets
// change nothing, as the director would not see them.
#ifndef EXAMPLES_IPVS_REPLAY_H_
#define EXAMPLES_IPVS_REPLAY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "examples/ipvs_settings.h"
#include "ha/capture.h"
#include "ha/sync_policy.h"
#include "io/base/address.h"
#include "lb/l4/tcp_state.h"

namespace ballast {

// One question to the policy, and its answer.
struct IpvsDecision {
  uint8_t protocol = 0;
  Endpoint client;
  uint16_t virtual_port = 0;
  uint64_t entry = 0;  // Connections by their first packet, from 1.
  uint32_t client_packets = 0;
  uint8_t state = 0;  // After this packet.
  uint8_t last_synced_state = 0;
  uint32_t timeout_s = 0;
  bool synced = false;
};

class IpvsReplay {
 public:
  explicit IpvsReplay(IpvsSettings settings) : settings_(std::move(settings)) {}

  // Packets in the order in which they were captured. nullopt: none of a client
  // to a service, or of no connection.
  std::optional<IpvsDecision> OnPacket(const ha::CapturedPacket& packet);

 private:
  struct Connection {
    uint64_t entry = 0;
    uint32_t client_packets = 0;
    l4::TcpState state = l4::TcpState::kNone;
    int64_t last_packet_us = 0;
    ha::SyncMemory memory;
  };
  using Key = std::pair<IpvsServiceKey, Endpoint>;  // Service and client.

  // The connection that a packet belongs to, if it is still there.
  Connection* Find(const Key& key, int64_t now_us);

  IpvsSettings settings_;
  std::map<Key, Connection> connections_;
  uint64_t entries_ = 0;
};

}  // namespace ballast

#endif  // EXAMPLES_IPVS_REPLAY_H_
