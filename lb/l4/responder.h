// ARP and IPv6 neighbour discovery for floating addresses: what others say,
// the answers, and what we announce. Pure: bytes in, bytes out; who owns which
// address is the caller's to know.
//
// Input   frames that Parse() took as kArp, kNeighbourSolicitation or
//         kNeighbourAdvertisement, which it checked whole.
// Output  complete frames, MAC addresses too; false, frame unchanged, if the
//         frame is none of these or its room (length and tailroom) is less than
//         kNeighbourFrameSize.
// Source  RFC 826, RFC 5227 (probe, announcement, conflict), RFC 5944 §4.6
//         (gratuitous reply), RFC 4861 §4.3, §4.4, §7.2, RFC 4862 §5.4.
#ifndef LB_L4_RESPONDER_H_
#define LB_L4_RESPONDER_H_

#include <cstdint>
#include <optional>

#include "io/base/address.h"
#include "io/base/frame.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {

// Bytes of the longest frame made here: a neighbour advertisement with its
// link-layer address option.
inline constexpr uint32_t kNeighbourFrameSize = 86;

// What a neighbour's message says. Unspecified addresses: nothing.
struct NeighbourMessage {
  MacAddress sender_mac;
  // The sender has this address. If it is ours and sender_mac is not, that is a
  // conflict (RFC 5227 §2.4, RFC 4862 §5.4.4).
  Address claims;
  // The sender would like this address and asks whether anybody has it. A
  // conflict while we do the same (RFC 5227 §2.1.1, RFC 4862 §5.4.3).
  Address probes;
  // The sender wants the MAC address of this one; probes too want an answer
  // from whoever has it.
  Address asks_for;
};

// nullopt for anything but ARP and neighbour discovery.
std::optional<NeighbourMessage> ReadNeighbour(const Frame& frame,
                                              const Packet& packet);

// Turns an ARP request into the reply that its target is at `mac`.
[[nodiscard]] bool MakeArpReply(Frame& frame, const Packet& packet,
                                const MacAddress& mac);
// Turns a solicitation into the advertisement that its target is at `mac`:
// solicited, to the sender; to a duplicate address detection unsolicited, to
// all nodes. Router and override flags are set: we forward (RFC 4861 §7.2.4),
// and a cached address of the partner's must go.
[[nodiscard]] bool MakeNeighbourAdvertisement(Frame& frame,
                                              const Packet& packet,
                                              const MacAddress& mac);

// The following write into an empty frame (length 0).

// Asks whether somebody has `address` without claiming it: an ARP probe, or a
// solicitation for duplicate address detection.
[[nodiscard]] bool BuildProbe(Frame& frame, const Address& address,
                              const MacAddress& mac);

// Some hosts update their cache on one form of gratuitous ARP only.
enum class ArpForm : uint8_t { kRequest, kReply };
// Tells everybody that `address` is at `mac`: a gratuitous ARP, or an
// unsolicited neighbour advertisement to all nodes.
[[nodiscard]] bool BuildAnnouncement(Frame& frame, const Address& address,
                                     const MacAddress& mac,
                                     ArpForm form = ArpForm::kRequest);

}  // namespace ballast::l4

#endif  // LB_L4_RESPONDER_H_
