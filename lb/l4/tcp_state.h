// The TCP state of a forwarded connection as the Linux director (IPVS) keeps
// it: which packet moves it where, how long it may stay idle, and what its
// sync records say of it.
//
// Units    timeouts in seconds. TCP flags: byte 13 of the header.
// Cost     NextTcpState: one load from a 240-byte table.
// Threads  constants only.
// Source   Linux net/netfilter/ipvs/ip_vs_proto_tcp.c, its tables without the
//          "secure_tcp" variants. Numbers are the ones sync records carry.
#ifndef LB_L4_TCP_STATE_H_
#define LB_L4_TCP_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace ballast::l4 {

enum class TcpState : uint8_t {
  kNone = 0,
  kEstablished,
  kSynSent,
  kSynReceived,
  kFinWait,
  kTimeWait,
  kClose,
  kCloseWait,
  kLastAck,
  kListen,
  kSynAck,
};
inline constexpr size_t kTcpStateCount = 11;

// Whose packet, and what the director gets to see of the connection.
enum class TcpView : uint8_t {
  kFromClient = 0,      // NAT.
  kFromServer = 1,      // NAT.
  kFromClientOnly = 2,  // Direct return: the server's packets never pass here.
};

namespace tcp_state_internal {

inline constexpr uint8_t kFinFlag = 0x01;
inline constexpr uint8_t kSynFlag = 0x02;
inline constexpr uint8_t kRstFlag = 0x04;
inline constexpr uint8_t kAckFlag = 0x10;

// Which of the four flags decides, in this order; kNothing if none is set.
enum Event { kReset, kSyn, kFin, kAck, kNothing };
inline constexpr size_t kEventCount = 5;

// [view][event][state], states 0..10.
inline constexpr uint8_t kNext[3][kEventCount][kTcpStateCount] = {
    {{6, 6, 6, 3, 6, 6, 6, 6, 8, 9, 3},    // From client: RST.
     {3, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3},    // SYN.
     {6, 7, 2, 5, 5, 5, 6, 7, 8, 9, 5},    // FIN.
     {1, 1, 2, 1, 4, 5, 6, 7, 6, 9, 1},    // ACK.
     {6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}},   // None.
    {{6, 6, 2, 6, 6, 5, 6, 6, 6, 6, 6},    // From server: RST.
     {2, 1, 2, 3, 2, 2, 2, 2, 2, 9, 3},    // SYN.
     {5, 4, 2, 5, 4, 5, 6, 5, 8, 9, 5},    // FIN.
     {1, 1, 2, 1, 4, 5, 6, 7, 8, 1, 1},    // ACK.
     {6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}},   // None.
    {{6, 6, 6, 3, 6, 6, 6, 6, 8, 9, 6},    // Server never seen: RST.
     {3, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3},    // SYN.
     {6, 4, 2, 5, 4, 5, 6, 7, 8, 9, 5},    // FIN.
     {1, 1, 2, 1, 4, 5, 6, 7, 6, 9, 1},    // ACK.
     {6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}}};  // None.

// The low five flag bits to an Event.
inline constexpr std::array<uint8_t, 32> kEventOfFlags = [] {
  std::array<uint8_t, 32> events{};
  for (size_t flags = 0; flags < events.size(); ++flags) {
    events[flags] = (flags & kRstFlag) != 0   ? kReset
                    : (flags & kSynFlag) != 0 ? kSyn
                    : (flags & kFinFlag) != 0 ? kFin
                    : (flags & kAckFlag) != 0 ? kAck
                                              : kNothing;
  }
  return events;
}();

inline constexpr std::array<uint16_t, kTcpStateCount> kTimeout = {
    2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120};

}  // namespace tcp_state_internal

// The state after a packet with `tcp_flags`.
constexpr TcpState NextTcpState(TcpView view, uint8_t tcp_flags,
                                TcpState state) {
  using namespace tcp_state_internal;  // NOLINT: private to this header.
  return static_cast<TcpState>(kNext[static_cast<size_t>(
      view)][kEventOfFlags[tcp_flags & 31]][static_cast<size_t>(state)]);
}

// IPVS's own timeout of each state; ESTABLISHED is 900 there.
constexpr uint32_t IpvsTcpTimeout(TcpState state) {
  return tcp_state_internal::kTimeout[static_cast<size_t>(state)];
}
inline constexpr uint32_t kIpvsUdpTimeout = 300;

// How long a connection may be idle before it is forgotten.
// `service_idle` is the service's idle timeout with the global default already
// put in for 0; it stands in for ESTABLISHED and for UDP. 0: IPVS's own.
constexpr uint32_t TcpIdleTimeout(TcpState state, uint32_t service_idle) {
  return state == TcpState::kEstablished && service_idle != 0
             ? service_idle
             : IpvsTcpTimeout(state);
}
constexpr uint32_t UdpIdleTimeout(uint32_t service_idle) {
  return service_idle != 0 ? service_idle : kIpvsUdpTimeout;
}

// Whether IPVS sends sync records for a connection in this state.
constexpr bool IsSyncedTcpState(TcpState state) {
  switch (state) {
    case TcpState::kEstablished:
    case TcpState::kFinWait:
    case TcpState::kTimeWait:
    case TcpState::kClose:
    case TcpState::kCloseWait:
      return true;
    default:
      return false;
  }
}

// Whether a state change to `state` makes the connection inactive, as counted
// by least-connection scheduling and said by sync records (flag 0x0100).
constexpr bool IsInactiveTcpState(TcpState state) {
  switch (state) {
    case TcpState::kEstablished:
    case TcpState::kSynSent:
    case TcpState::kSynReceived:
    case TcpState::kSynAck:
      return false;
    default:
      return true;
  }
}

// As `ipvsadm -Lc` prints it.
constexpr const char* TcpStateName(TcpState state) {
  constexpr std::array<const char*, kTcpStateCount> kNames = {
      "NONE",  "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT",
      "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "SYNACK"};
  return static_cast<size_t>(state) < kTcpStateCount
             ? kNames[static_cast<size_t>(state)]
             : "?";
}

}  // namespace ballast::l4

#endif  // LB_L4_TCP_STATE_H_
