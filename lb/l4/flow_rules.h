// Small questions about a flow or a packet of it, which flow_path.h's rules are
// made of.
#ifndef LB_L4_FLOW_RULES_H_
#define LB_L4_FLOW_RULES_H_

#include "lb/l4/connection.h"
#include "lb/l4/packet.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {

// IPVS calls these active; least connection and limits count them.
inline bool IsActive(TcpState state) {
  switch (state) {
    case TcpState::kEstablished:
    case TcpState::kSynSent:
    case TcpState::kSynReceived:
    case TcpState::kSynAck:
      return true;
    default:
      return false;
  }
}

// F2: a SYN on such a flow is a new flow, not a retransmission. With direct
// return the client's FIN is all that is ever seen of an end; IPVS does the
// same with conn_reuse_mode 2.
template <typename Entry>
bool IsOver(const Entry& entry) {
  return entry.state == TcpState::kTimeWait ||
         entry.state == TcpState::kClose ||
         (entry.state == TcpState::kFinWait && entry.Has(kDirect));
}

// Whether `flow` is no reason to refuse `other`, whose server's packets could
// not be told from its own: it is over, or another way to see the same.
template <typename Entry>
bool GivesWay(const Entry& flow, const Entry& other) {
  return IsOver(flow) || (flow.Has(kBeside) && flow.IsBetweenTheSame(other));
}

// A server that is sent what it sent itself would not take it, nor answer by
// way of us.
template <typename A>
bool IsToItself(const Connection<A>& connection) {
  return !connection.Has(kDirect) && connection.client == connection.server;
}

inline bool IsInitialSyn(const Packet& packet) {
  return (packet.tcp_flags & (kTcpSyn | kTcpAck | kTcpRst)) == kTcpSyn;
}

}  // namespace ballast::l4

#endif  // LB_L4_FLOW_RULES_H_
