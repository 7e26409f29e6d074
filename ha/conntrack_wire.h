// The wire format by which conntrackd daemons (conntrack-tools 1.4) tell each
// other about connections that a firewall tracks.
//
// A datagram holds one message after the other, each a header and, of a
// connection, attributes. ReadConntrackDatagram() takes datagrams apart, with
// conntrackd's checks or stricter ones, each counted by name;
// WriteConntrackEntry() and WriteConntrackControl() write single messages.
//
// Units    ports and ids in host order, timeouts in seconds. On the wire the
//          ports of NAT and ICMP ids stand in the sender's own order: little
//          endian here, as on every machine this is built for. All else is big
//          endian.
// Kept     attributes that a load balancer has no use for are checked for
//          their size and kept as bytes, so that what was read is written
//          again the same. Expectations are counted and not looked into.
// Cost     no allocation but for such attributes.
// Threads  none of their own.
// Source   conntrack-tools 1.4.7, checked against captures of it in testdata/.
#ifndef HA_CONNTRACK_WIRE_H_
#define HA_CONNTRACK_WIRE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "io/base/address.h"

namespace ballast::ha {

inline constexpr size_t kConntrackHeaderSize = 8;
inline constexpr size_t kConntrackControlSize = 16;
// Of one message that WriteConntrackEntry() writes.
inline constexpr size_t kConntrackMessageMax = 512;

enum class ConntrackType : uint8_t {
  kNew = 0,
  kUpdate = 1,
  kDelete = 2,
  kExpectationNew = 3,
  kExpectationUpdate = 4,
  kExpectationDelete = 5,
  kControl = 10,
};

// Bits of a message's flags.
enum ConntrackFlag : uint8_t {
  kConntrackResync = 0x02,  // "Send me everything."
  kConntrackNack = 0x04,    // "Send from..to again."
  kConntrackAck = 0x08,     // "Got from..to."
  kConntrackAlive = 0x10,
  kConntrackHello = 0x20,  // "I have started." On any message.
  kConntrackHelloBack = 0x40,
};
inline constexpr uint8_t kConntrackHelloMask =
    kConntrackHello | kConntrackHelloBack;

// Linux's states of TCP; not IPVS's.
enum class ConntrackTcpState : uint8_t {
  kNone = 0,
  kSynSent,
  kSynReceived,
  kEstablished,
  kFinWait,
  kCloseWait,
  kLastAck,
  kTimeWait,
  kClose,
  kSynSent2,
};
inline constexpr size_t kConntrackTcpStateCount = 10;

// Bits of ConntrackEntry::status.
enum ConntrackStatus : uint32_t {
  kStatusExpected = 0x001,
  kStatusSeenReply = 0x002,
  kStatusAssured = 0x004,
  kStatusConfirmed = 0x008,
  kStatusSourceNat = 0x010,
  kStatusDestinationNat = 0x020,
  kStatusSequenceAdjust = 0x040,
  kStatusSourceNatDone = 0x080,
  kStatusDestinationNatDone = 0x100,
  kStatusDying = 0x200,
};

// What names a connection: its first packet, before any NAT. Of ICMP and
// ICMPv6 the source port is the id, the destination port type * 256 + code.
struct ConntrackTuple {
  Address source;
  Address destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;

  bool v6() const { return !source.is_v4(); }
  friend bool operator==(const ConntrackTuple&,
                         const ConntrackTuple&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ConntrackTuple& t) {
    return H::combine(std::move(h), t.source, t.destination, t.source_port,
                      t.destination_port, t.protocol);
  }
};

struct ConntrackEntry {
  ConntrackTuple tuple;
  std::optional<uint32_t> status;  // ConntrackStatus.
  std::optional<uint32_t> timeout_s;
  std::optional<uint32_t> mark;
  std::optional<uint8_t> tcp_state;  // ConntrackTcpState.
  // Where NAT changes the tuple: the new source; the new destination.
  std::optional<Address> nat_source;
  std::optional<Address> nat_destination;
  std::optional<uint16_t> nat_source_port;
  std::optional<uint16_t> nat_destination_port;

  // By type, without their header; in the order in which they are written.
  struct Attribute {
    uint8_t type = 0;
    std::string data;
    friend bool operator==(const Attribute&, const Attribute&) = default;
  };
  std::vector<Attribute> others;

  friend bool operator==(const ConntrackEntry&,
                         const ConntrackEntry&) = default;
};

// -- Reading -----------------------------------------------------------------

enum class ConntrackReadError : uint8_t {
  kNone,
  kTruncated,  // Fewer bytes left than the message has to have.
  kSize,       // Stated below 8, or beyond the datagram.
  // Of these the message is left out, and reading goes on behind it.
  kVersion,
  kType,
  kFlags,  // Of a type they don't belong to, or none that is known.
  kRange,  // ACK or NACK that ends before it begins.
  // Of these the numbers count, not what the message says.
  kAttributeUnknown,
  kAttributeSize,  // Of its type; beyond the message; a name without end.
  kAttributeTwice,
  kFamily,   // IPv4 and IPv6 in one.
  kNoTuple,  // Without it no connection is named.
  kState,    // Of TCP, above the ones there are.
};
inline constexpr size_t kConntrackReadErrorCount = 13;
const char* ConntrackReadErrorName(ConntrackReadError error);

struct ConntrackMessage {
  ConntrackType type = ConntrackType::kControl;
  uint8_t flags = 0;
  uint32_t sequence = 0;
  uint32_t from = 0;  // ACK, NACK, RESYNC.
  uint32_t to = 0;
  // kNone: `entry` holds (types 0 to 2). Else why it does not.
  ConntrackReadError refused = ConntrackReadError::kNone;
  ConntrackEntry entry;

  bool is_data() const { return type != ConntrackType::kControl; }
  bool has_entry() const {
    return type <= ConntrackType::kDelete &&
           refused == ConntrackReadError::kNone;
  }
};

struct ConntrackReader {
  // By ConntrackReadError: messages left out, or refused in part.
  std::array<uint64_t, kConntrackReadErrorCount> errors{};
  uint64_t datagrams = 0;
  uint64_t messages = 0;  // Given out.
  uint64_t expectations = 0;
};

// Gives each message whose header is good to `take`, in order; the object is
// used again for the next.
void ReadConntrackDatagram(
    std::span<const uint8_t> datagram, ConntrackReader& reader,
    absl::FunctionRef<void(const ConntrackMessage&)> take);

// -- Writing -----------------------------------------------------------------

// Whether it can be sent: it has a tuple, of one family with its NAT, its
// protocol's attributes, and no opaque one that a peer would refuse. (A peer
// that is sent no tuple stores that, and dies of listing it.)
bool IsSendable(const ConntrackEntry& entry);

// `type` is a connection's. The message's size; 0, and nothing written, if it
// is not sendable, has no room in `out`, or would exceed kConntrackMessageMax.
size_t WriteConntrackEntry(ConntrackType type, uint8_t flags, uint32_t sequence,
                           const ConntrackEntry& entry, std::span<uint8_t> out);

// ACK, NACK and RESYNC have a range, others don't. 0: no room.
size_t WriteConntrackControl(uint8_t flags, uint32_t sequence, uint32_t from,
                             uint32_t to, std::span<uint8_t> out);

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_WIRE_H_
