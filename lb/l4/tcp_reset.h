// TCP resets: the answer to a segment that belongs to no connection, and the
// end of a connection that the balancer itself must close.
//
// A reset is believed only with the right numbers (RFC 9293 §3.5.3, RFC 5961
// §3.2: exactly the next sequence number its receiver expects), so each
// function says where it takes them from.
//
// After  headers whole, checksums finished, offload empty, MAC addresses
//        swapped (reply) or left for SetMacs() (built). An IP packet without
//        options or data, TTL 64.
#ifndef LB_L4_TCP_RESET_H_
#define LB_L4_TCP_RESET_H_

#include <cstdint>

#include "io/base/address.h"
#include "io/base/frame.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {

// Bytes of the longest frame built here: Ethernet, IPv6, TCP.
inline constexpr uint32_t kResetFrameSize = 14 + 40 + 20;

// Turns a TCP segment into the reset that answers it, as a host without such a
// connection sends it (RFC 9293 §3.10.7.1): with an ACK in the segment, its
// acknowledgment number as sequence number; without, sequence 0 and an
// acknowledgment of all it occupied. False, frame unchanged, for a segment that
// is itself a reset, and for anything but a whole TCP segment.
[[nodiscard]] bool MakeResetReply(Frame& frame, const Packet& packet);

// Writes a reset into an empty frame (length 0; `data` and tailroom its own),
// MAC addresses zero. Addresses of one family. False, frame unchanged, if the
// room is too small.
struct ResetFields {
  Endpoint source;
  Endpoint destination;
  uint32_t sequence = 0;        // What `destination` expects next.
  uint32_t acknowledgment = 0;  // What `source` expects next; sent with ACK.
};
[[nodiscard]] bool BuildReset(Frame& frame, const ResetFields& fields);

// A balanced connection to be ended at both ends.
struct ResetPair {
  Address client;
  Address vip;
  Address server;
  uint16_t client_port = 0;
  uint16_t vip_port = 0;
  uint16_t server_port = 0;
  // Direct server return: the server has the VIP and its port itself.
  bool direct = false;
  uint32_t client_next = 0;  // Next sequence number the client will send.
  uint32_t client_ack = 0;   // The client's latest acknowledgment number.
};
// As from the VIP to the client, and as from the client to the server.
[[nodiscard]] bool BuildResetToClient(Frame& frame, const ResetPair& pair);
[[nodiscard]] bool BuildResetToServer(Frame& frame, const ResetPair& pair);

}  // namespace ballast::l4

#endif  // LB_L4_TCP_RESET_H_
