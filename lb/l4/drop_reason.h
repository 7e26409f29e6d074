// Why the L4 path dropped a packet: the one list, shared by everything in
// lb/l4 and shown to operators under DropReasonName(). Every drop is counted
// under exactly one of these.
#ifndef LB_L4_DROP_REASON_H_
#define LB_L4_DROP_REASON_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace ballast::l4 {

enum class DropReason : uint8_t {
  // Not dropped.
  kNone = 0,

  // Found by Parse().
  // Shorter than an Ethernet header, or a group address as source MAC.
  kMalformedEthernet,
  // Not Ethernet/IPv4, too short, or an impossible sender.
  kMalformedArp,
  // A version, length, extension header or fragment field that cannot be.
  kMalformedIp,
  // The IPv4 header checksum is wrong.
  kBadIpChecksum,
  // An IPv6 jumbogram or IPv4 "BIG TCP" frame: longer than 65,535 bytes.
  kJumbogram,
  // IPv4 source route option, or an IPv6 routing header with segments left.
  kSourceRouted,
  // A TCP, UDP or ICMP header cut short, with impossible lengths or flags.
  kMalformedTransport,
  // A neighbour discovery message that RFC 4861 §7.1 says to discard.
  kMalformedNeighbourDiscovery,
  // Source is multicast, broadcast, loopback, unspecified or IPv4-mapped.
  kSourceInvalid,
  // Destination is loopback, unspecified or IPv4-mapped.
  kDestinationInvalid,
  // Source and destination address are equal ("land").
  kSourceIsDestination,
  // Multicast or broadcast, by IP address or by MAC.
  kMulticast,
  // An ICMP error that quotes a packet its receiver cannot have sent.
  kIcmpMismatch,

  // Found by the director.
  // For a MAC address or a network that is not ours to handle.
  kForeign,
  // No such kind of packet is forwarded (nor punted).
  kProtocolUnsupported,
  // TTL or hop limit used up.
  kTtlExceeded,
  // Larger than the next link's MTU and not to be fragmented.
  kTooBig,
  // A later fragment whose first fragment was not seen.
  kFragmentUnknown,
  // An ICMP error about a flow that does not exist.
  kIcmpUnmatched,
  // A floating address, but no service on this port and protocol.
  kNoService,
  // The service has no server that could take a new flow.
  kNoServer,
  // The service is disabled and the flow is new.
  kServiceDisabled,
  // The connection table is full and the flow has no stateless fallback.
  kConnectionTableFull,
  // The server's packets could not be told from those of an open flow: the same
  // client address and port through another service.
  kFlowAmbiguous,
  // A TCP packet in mid-flow that belongs to no connection.
  kNotSyn,
  // No route to the next hop.
  kNoRoute,
  // The next hop did not answer ARP or neighbour discovery.
  kNeighbourUnresolved,
  // Too many packets already wait for this next hop.
  kNeighbourQueueFull,
  // Floating addresses are the other unit's now.
  kStandby,
  // This unit was not scheduled for so long that the other may have taken over.
  kLeaseExpired,
  // Refused with a TCP reset.
  kReset,
  // A server's reset of a new flow, kept from the client: its next SYN goes to
  // another server.
  kServerRefused,
  // No room to write the answer into (frame without head- or tailroom).
  kNoRoom,
  // An answer was due (ICMP error, echo) but over the rate limit.
  kRateLimited,
  // The output did not take the frame.
  kSendQueueFull,

  kCount,  // Not a reason.
};

inline constexpr size_t kDropReasonCount =
    static_cast<size_t>(DropReason::kCount);

// One counter per reason: `counters[static_cast<size_t>(reason)]`.
using DropCounters = std::array<uint64_t, kDropReasonCount>;

// The reason in snake_case, as statistics and logs show it.
constexpr const char* DropReasonName(DropReason reason) {
  switch (reason) {
    case DropReason::kNone:
      return "none";
    case DropReason::kMalformedEthernet:
      return "malformed_ethernet";
    case DropReason::kMalformedArp:
      return "malformed_arp";
    case DropReason::kMalformedIp:
      return "malformed_ip";
    case DropReason::kBadIpChecksum:
      return "bad_ip_checksum";
    case DropReason::kJumbogram:
      return "jumbogram";
    case DropReason::kSourceRouted:
      return "source_routed";
    case DropReason::kMalformedTransport:
      return "malformed_transport";
    case DropReason::kMalformedNeighbourDiscovery:
      return "malformed_neighbour_discovery";
    case DropReason::kSourceInvalid:
      return "source_invalid";
    case DropReason::kDestinationInvalid:
      return "destination_invalid";
    case DropReason::kSourceIsDestination:
      return "source_is_destination";
    case DropReason::kMulticast:
      return "multicast";
    case DropReason::kIcmpMismatch:
      return "icmp_mismatch";
    case DropReason::kForeign:
      return "foreign";
    case DropReason::kProtocolUnsupported:
      return "protocol_unsupported";
    case DropReason::kTtlExceeded:
      return "ttl_exceeded";
    case DropReason::kTooBig:
      return "too_big";
    case DropReason::kFragmentUnknown:
      return "fragment_unknown";
    case DropReason::kIcmpUnmatched:
      return "icmp_unmatched";
    case DropReason::kNoService:
      return "no_service";
    case DropReason::kNoServer:
      return "no_server";
    case DropReason::kServiceDisabled:
      return "service_disabled";
    case DropReason::kConnectionTableFull:
      return "connection_table_full";
    case DropReason::kFlowAmbiguous:
      return "flow_ambiguous";
    case DropReason::kNotSyn:
      return "not_syn";
    case DropReason::kNoRoute:
      return "no_route";
    case DropReason::kNeighbourUnresolved:
      return "neighbour_unresolved";
    case DropReason::kNeighbourQueueFull:
      return "neighbour_queue_full";
    case DropReason::kStandby:
      return "standby";
    case DropReason::kLeaseExpired:
      return "lease_expired";
    case DropReason::kReset:
      return "reset";
    case DropReason::kServerRefused:
      return "server_refused";
    case DropReason::kNoRoom:
      return "no_room";
    case DropReason::kRateLimited:
      return "rate_limited";
    case DropReason::kSendQueueFull:
      return "send_queue_full";
    case DropReason::kCount:
      break;
  }
  return "?";
}

}  // namespace ballast::l4

#endif  // LB_L4_DROP_REASON_H_
