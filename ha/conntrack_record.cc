#include "ha/conntrack_record.h"

#include <array>

namespace ballast::ha {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

using State = ConntrackTcpState;

// By IPVS's number: NONE, ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT, TIME_WAIT,
// CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, SYNACK.
constexpr std::array<State, 11> kLinuxState = {
    State::kNone,        State::kEstablished, State::kSynSent,
    State::kSynReceived, State::kFinWait,     State::kTimeWait,
    State::kClose,       State::kCloseWait,   State::kLastAck,
    State::kNone,        State::kSynReceived};
// By Linux's number.
constexpr std::array<uint8_t, kConntrackTcpStateCount> kIpvsState = {
    0, 2, 3, 1, 4, 7, 8, 5, 6, 2};
constexpr uint8_t kIpvsEstablished = 1;

// As Linux has it once the destination is translated.
uint32_t StatusOf(const SyncRecord& record) {
  uint32_t status = kStatusConfirmed | kStatusDestinationNat |
                    kStatusSourceNatDone | kStatusDestinationNatDone;
  if (record.protocol == kTcp) {
    const State state = kLinuxState[record.state];
    if (state == State::kNone || state == State::kSynSent) return status;
    status |= kStatusSeenReply;
    return state == State::kSynReceived ? status : status | kStatusAssured;
  }
  return (record.flags & kNoOutput) != 0
             ? status
             : status | kStatusSeenReply | kStatusAssured;
}

}  // namespace

std::optional<ConntrackEntry> EntryOf(const SyncRecord& record) {
  ConntrackEntry entry;
  entry.tuple = {record.client.address, record.virtual_service.address,
                 record.client.port, record.virtual_service.port,
                 record.protocol};
  if ((record.protocol != kTcp && record.protocol != kUdp) ||
      record.kind == SyncRecord::Kind::kTemplate) {
    return std::nullopt;
  }
  if (record.kind == SyncRecord::Kind::kGone) return entry;
  if ((record.flags & kForwardMask) != kForwardNat ||
      (record.flags & (kOnePacket | kNoClientPort)) != 0 ||
      record.state >= kLinuxState.size()) {
    return std::nullopt;
  }
  entry.status = StatusOf(record);
  if (record.timeout_s != 0) entry.timeout_s = record.timeout_s;
  if (record.protocol == kTcp) {
    entry.tcp_state = static_cast<uint8_t>(kLinuxState[record.state]);
  }
  if (record.server.address != record.virtual_service.address) {
    entry.nat_destination = record.server.address;
  }
  if (record.server.port != record.virtual_service.port) {
    entry.nat_destination_port = record.server.port;
  }
  return entry;
}

const char* ConntrackUnmatchedName(ConntrackUnmatched reason) {
  static constexpr std::array<const char*, kConntrackUnmatchedCount> kNames = {
      "none", "protocol", "no_server", "source_nat"};
  return kNames[static_cast<size_t>(reason)];
}

ConntrackUnmatched RecordOf(ConntrackType type, const ConntrackEntry& entry,
                            SyncRecord& record) {
  const ConntrackTuple& tuple = entry.tuple;
  if (tuple.protocol != kTcp && tuple.protocol != kUdp) {
    return ConntrackUnmatched::kProtocol;
  }
  record = {};
  record.protocol = tuple.protocol;
  record.v6 = tuple.v6();
  record.client = {tuple.source, tuple.source_port};
  record.virtual_service = {tuple.destination, tuple.destination_port};
  if (type == ConntrackType::kDelete) {
    record.kind = SyncRecord::Kind::kGone;
    return ConntrackUnmatched::kNone;
  }
  if (entry.nat_source || entry.nat_source_port) {
    return ConntrackUnmatched::kSourceNat;
  }
  if (!entry.nat_destination && !entry.nat_destination_port) {
    return ConntrackUnmatched::kNoServer;
  }
  record.server = {entry.nat_destination.value_or(tuple.destination),
                   entry.nat_destination_port.value_or(tuple.destination_port)};
  record.flags = kForwardNat | kFromSync;
  record.timeout_s = entry.timeout_s.value_or(0);
  if (tuple.protocol == kTcp) {
    // A peer that does not say is taken to have one that works.
    record.state =
        entry.tcp_state ? kIpvsState[*entry.tcp_state] : kIpvsEstablished;
  }
  if (tuple.protocol != kTcp || record.state != kIpvsEstablished) {
    record.flags |= kInactive;
  }
  return ConntrackUnmatched::kNone;
}

}  // namespace ballast::ha
