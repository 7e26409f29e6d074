// One connection of the director: everything a packet of it needs, in one
// cache line for IPv4.
//
// The table owns the fields marked [table]; everybody else may read them, and
// may write last_seen_ms. The rest is the director's.
//
// Units    ports in host order, addresses as on the wire (flow_tuple.h);
//          *_ms on the table's clock (ClockMs), which wraps after 49 days.
// Threads  one table, one thread.
#ifndef LB_L4_CONNECTION_H_
#define LB_L4_CONNECTION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "io/base/instant.h"
#include "lb/l4/flow_tuple.h"
#include "lb/l4/tcp_state.h"

namespace ballast::l4 {

// Bits of Connection::flags.
enum ConnectionFlag : uint16_t {
  // Direct return: only client -> VIP packets are looked up. Fixed at Insert.
  kDirect = 1 << 0,
  // Not counted as active by least-connection scheduling; sync flag 0x0100.
  kInactive = 1 << 1,
  // Came by sync and no packet has been seen here yet: idle since the takeover
  // at the earliest, and for timeout_s.
  kSynced = 1 << 2,
  // Ended by us: further packets are answered with RST.
  kReset = 1 << 3,
  // Chosen by a persistence entry, or made one.
  kPersistent = 1 << 4,
  // No packet from the server seen; sync flag 0x0080.
  kNoOutputSeen = 1 << 5,
  // client_next_seq and client_ack hold values of a real packet.
  kSequenceKnown = 1 << 6,
  // Came by sync, however long ago; sync flag 0x0020.
  kFromPeer = 1 << 7,
  // To another server than the connection that has its client's tuple, which is
  // that one's alone: client -> VIP packets do not find this one, FindTo()
  // does. Fixed at Insert.
  kBeside = 1 << 8,
  // Free for the director.
  kDirectorFlag1 = 1 << 9,
  kDirectorFlag2 = 1 << 10,
  kDirectorFlag3 = 1 << 11,
};

// IPv4 lines must not straddle; IPv6 ones are packed to save memory.
template <typename A>
struct alignas(sizeof(A) == 4 ? 64 : 8) Connection {
  // In this order, so that both tuples are a run of addresses and a run of
  // ports: server, client and client, vip.
  A server{};
  A client{};
  A vip{};
  uint16_t server_port = 0;
  uint16_t client_port = 0;
  uint16_t vip_port = 0;
  uint8_t protocol = 0;
  TcpState state = TcpState::kNone;  // kNone for ever if not TCP.
  uint16_t flags = 0;                // ConnectionFlag.
  uint16_t client_hop_epoch = 0;     // When client_hop was looked up.
  uint16_t server_slot = 0;          // The director's, over all services.
  uint16_t origin = 0;               // Unit that created it.
  uint16_t client_hop = 0;           // Next hop towards the client.
  uint16_t generation = 0;           // [table] How often the line was reused.
  // Set by whoever sees a packet; expiry counts from here.
  uint32_t last_seen_ms = 0;
  uint32_t wheel_next = 0;       // [table]
  uint32_t wheel_prev = 0;       // [table] 0: the line is free.
  uint32_t client_packets = 0;   // From the client, for the sync policy.
  uint32_t client_next_seq = 0;  // After the client's last packet: the
  uint32_t client_ack = 0;       // numbers a RST to server or client carries.
  uint32_t sync_end_ms = 0;      // ipvs-sync rule: end of the last record.
  uint8_t sync_memory = 0;       // Its last_state, and its retries << 4.
  uint8_t told_epoch = 0;        // Of the Teller's when it was told; 0: never.
  // Timeout a sync record named, in seconds, 65535 for longer; 0: by state.
  uint16_t timeout_s = 0;

  bool Has(ConnectionFlag flag) const { return (flags & flag) != 0; }
  void Set(ConnectionFlag flag) { flags |= flag; }
  void Clear(ConnectionFlag flag) { flags &= static_cast<uint16_t>(~flag); }

  // Packets from the client, and from the server under NAT.
  FlowTuple<A> Forward() const {
    return {client, vip, client_port, vip_port, protocol};
  }
  FlowTuple<A> Reverse() const {
    return {server, client, server_port, client_port, protocol};
  }
  // How a tuple compares: 0 is equal. Both are worked out without a branch,
  // since a server's packets come as often as a client's.
  struct Difference {
    uint64_t forward;  // Never 0 for kBeside.
    uint64_t reverse;  // Never 0 for direct return.

    bool IsNone() const { return std::min(forward, reverse) == 0; }
    bool IsReverse() const { return reverse == 0; }
  };
  Difference DifferenceTo(const FlowTuple<A>& t) const {
    const uint64_t protocols = protocol ^ t.protocol;
    return {Compare(&client, &client_port, t) | protocols | (flags & kBeside),
            Compare(&server, &server_port, t) | protocols | (flags & kDirect)};
  }
  // Whether it is of the same client, service and server.
  bool IsBetweenTheSame(const Connection& other) const {
    const uint64_t protocols = protocol ^ other.protocol;
    return (Compare(&client, &client_port, other.Forward()) |
            Compare(&server, &server_port, other.Reverse()) | protocols) == 0;
  }

 private:
  // 0 if two addresses and two ports from here on are the tuple's.
  static uint64_t Compare(const A* addresses, const uint16_t* ports,
                          const FlowTuple<A>& t) {
    uint64_t mine[2 * sizeof(A) / 8];
    uint64_t its[2 * sizeof(A) / 8];
    std::memcpy(mine, addresses, sizeof(mine));
    std::memcpy(its, &t.source, sizeof(its));
    uint32_t my_ports;
    uint32_t its_ports;
    std::memcpy(&my_ports, ports, 4);
    std::memcpy(&its_ports, &t.source_port, 4);
    uint64_t difference = my_ports ^ its_ports;
    for (size_t i = 0; i < std::size(mine); ++i) difference |= mine[i] ^ its[i];
    return difference;
  }
};
static_assert(sizeof(Connection<AddressV4>) == 64);
static_assert(sizeof(Connection<AddressV6>) == 104);

// A connection that may have gone since: 24 bits of index and 16 of
// generation. A stale one is taken for live only if its line was reused an
// exact multiple of 65,536 times. 0 is no connection.
struct ConnectionHandle {
  uint64_t bits = 0;

  uint32_t index() const { return static_cast<uint32_t>(bits & 0xffffff); }
  uint16_t generation() const { return static_cast<uint16_t>(bits >> 24); }
  explicit operator bool() const { return bits != 0; }
  friend bool operator==(const ConnectionHandle&,
                         const ConnectionHandle&) = default;
};

// The table's clock: milliseconds of the monotonic clock, modulo 2^32.
inline uint32_t ClockMs(Instant now) {
  return static_cast<uint32_t>(static_cast<uint64_t>(now.nanos()) / 1'000'000);
}

}  // namespace ballast::l4

#endif  // LB_L4_CONNECTION_H_
