#include "examples/ipvs_replay.h"

namespace ballast {
namespace {

using l4::TcpState;
using l4::TcpView;

constexpr uint8_t kTcp = 6;
constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kRst = 0x04;

uint32_t TimeoutSeconds(uint8_t protocol, TcpState state) {
  return protocol == kTcp ? l4::IpvsTcpTimeout(state) : l4::kIpvsUdpTimeout;
}

// Whether a SYN makes a new connection of an old one's ports: IPVS's
// conn_reuse_mode 1.
bool GivesWay(TcpState state) {
  return state == TcpState::kTimeWait || state == TcpState::kClose;
}

uint32_t Milliseconds(int64_t us) { return static_cast<uint32_t>(us / 1000); }

}  // namespace

IpvsReplay::Connection* IpvsReplay::Find(const Key& key, int64_t now_us) {
  const auto found = connections_.find(key);
  if (found == connections_.end()) return nullptr;
  Connection& connection = found->second;
  const int64_t timeout_us =
      int64_t{TimeoutSeconds(key.first.first, connection.state)} * 1000000;
  if (now_us - connection.last_packet_us >= timeout_us) {
    connections_.erase(found);
    return nullptr;
  }
  connection.last_packet_us = now_us;
  return &connection;
}

std::optional<IpvsDecision> IpvsReplay::OnPacket(
    const ha::CapturedPacket& packet) {
  const auto segment = ha::SegmentOf(packet);
  if (!segment) return std::nullopt;
  const Endpoint source{packet.source, segment->source_port};
  const Endpoint destination{packet.destination, segment->destination_port};
  const uint8_t protocol = packet.protocol;
  const bool tcp = protocol == kTcp;

  if (const auto service = settings_.nat.find({protocol, source});
      service != settings_.nat.end()) {
    if (!service->second) return std::nullopt;
    Connection* connection =
        Find({service->first, destination}, packet.when_us);
    if (connection != nullptr && tcp) {
      connection->state = l4::NextTcpState(
          TcpView::kFromServer, segment->tcp_flags, connection->state);
    }
    return std::nullopt;
  }

  const auto service = settings_.nat.find({protocol, destination});
  if (service == settings_.nat.end()) return std::nullopt;
  const Key key{service->first, source};
  const bool opens = !tcp || ((segment->tcp_flags & kSyn) != 0 &&
                              (segment->tcp_flags & kRst) == 0);
  Connection* connection = Find(key, packet.when_us);
  if (connection != nullptr && tcp && opens && settings_.conn_reuse_mode != 0 &&
      GivesWay(connection->state)) {
    connections_.erase(key);
    connection = nullptr;
  }
  if (connection == nullptr) {
    if (!opens) return std::nullopt;
    connection = &connections_[key];
    connection->entry = ++entries_;
    connection->last_packet_us = packet.when_us;
    connection->memory.end_ms = Milliseconds(packet.when_us);
  }

  if (tcp) {
    connection->state = l4::NextTcpState(
        service->second ? TcpView::kFromClient : TcpView::kFromClientOnly,
        segment->tcp_flags, connection->state);
  }
  ++connection->client_packets;
  IpvsDecision decision{
      .protocol = protocol,
      .client = source,
      .virtual_port = destination.port,
      .entry = connection->entry,
      .client_packets = connection->client_packets,
      .state = static_cast<uint8_t>(connection->state),
      .last_synced_state = connection->memory.last_state,
      .timeout_s = TimeoutSeconds(protocol, connection->state)};
  decision.synced = ha::AskSyncPolicy(
      settings_.sync,
      {.now_ms = Milliseconds(packet.when_us),
       .timeout_ms = decision.timeout_s * 1000,
       .count_before = connection->client_packets - 1,
       .count_after = connection->client_packets,
       .state = decision.state,
       .has_states = tcp,
       .state_synced = l4::IsSyncedTcpState(connection->state),
       .state_established = connection->state == TcpState::kEstablished},
      connection->memory);
  return decision;
}

}  // namespace ballast
