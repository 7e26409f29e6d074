// What writing and reading of conntrackd's wire format share: its attributes.
#ifndef HA_CONNTRACK_WIRE_INTERNAL_H_
#define HA_CONNTRACK_WIRE_INTERNAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ballast::ha::conntrack_internal {

inline constexpr uint8_t kVersion = 1;

enum Protocol : uint8_t {
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kDccp = 33,
  kIcmpV6 = 58,
  kSctp = 132,
};

inline bool IsIcmp(uint8_t protocol) {
  return protocol == kIcmp || protocol == kIcmpV6;
}
inline bool HasPorts(uint8_t protocol) {
  return protocol == kTcp || protocol == kUdp || protocol == kSctp ||
         protocol == kDccp;
}

enum AttributeType : uint8_t {
  kIpv4 = 0,
  kIpv6,
  kL4Proto,
  kPort,
  kTcpState,
  kStatus,
  kTimeout,
  kMark,
  kMasterIpv4,
  kMasterIpv6,
  kMasterL4Proto,
  kMasterPort,
  kSnatIpv4,
  kDnatIpv4,
  kSpatPort,
  kDpatPort,
  kNatSeqAdj,
  kSctpState,
  kSctpVtagOrig,
  kSctpVtagRepl,
  kDccpState,
  kDccpRole,
  kIcmpType,
  kIcmpCode,
  kIcmpId,
  kTcpWscaleOrig,
  kTcpWscaleRepl,
  kHelperName,
  kLabels,
  kSnatIpv6,
  kDnatIpv6,
  kSynproxy,
};
inline constexpr size_t kAttributeCount = 32;

// Where conntrackd writes it; a reader takes any order.
//   0..  address, status, protocol   10..  the protocol's own
//   30.. timeout, mark, master       40..  NAT and the rest
struct AttributeRule {
  uint8_t size_min;
  uint8_t size_max;
  uint8_t unit;  // The size is a multiple of it.
  uint8_t rank;
  bool opaque;  // Kept as bytes.
};
inline constexpr std::array<AttributeRule, kAttributeCount> kRules = {{
    {8, 8, 1, 0, false},     // kIpv4
    {32, 32, 1, 0, false},   // kIpv6
    {1, 1, 1, 2, false},     // kL4Proto
    {4, 4, 1, 10, false},    // kPort
    {1, 1, 1, 11, false},    // kTcpState
    {4, 4, 1, 1, false},     // kStatus
    {4, 4, 1, 30, false},    // kTimeout
    {4, 4, 1, 31, false},    // kMark
    {8, 8, 1, 32, true},     // kMasterIpv4
    {32, 32, 1, 32, true},   // kMasterIpv6
    {1, 1, 1, 33, true},     // kMasterL4Proto
    {4, 4, 1, 34, true},     // kMasterPort
    {4, 4, 1, 40, false},    // kSnatIpv4
    {4, 4, 1, 41, false},    // kDnatIpv4
    {2, 2, 1, 42, false},    // kSpatPort
    {2, 2, 1, 43, false},    // kDpatPort
    {24, 24, 1, 44, true},   // kNatSeqAdj
    {1, 1, 1, 12, true},     // kSctpState
    {4, 4, 1, 13, true},     // kSctpVtagOrig
    {4, 4, 1, 14, true},     // kSctpVtagRepl
    {1, 1, 1, 15, true},     // kDccpState
    {1, 1, 1, 16, true},     // kDccpRole
    {1, 1, 1, 17, false},    // kIcmpType
    {1, 1, 1, 18, false},    // kIcmpCode
    {2, 2, 1, 19, false},    // kIcmpId
    {1, 1, 1, 20, true},     // kTcpWscaleOrig
    {1, 1, 1, 21, true},     // kTcpWscaleRepl
    {1, 12, 1, 45, true},    // kHelperName: attribute 16 at most.
    {4, 64, 4, 46, true},    // kLabels: Linux has 16 bytes at most.
    {16, 16, 1, 40, false},  // kSnatIpv6
    {16, 16, 1, 41, false},  // kDnatIpv6
    {12, 12, 1, 47, true},   // kSynproxy
}};

inline bool IsWellFormed(uint8_t type, std::span<const uint8_t> data) {
  const AttributeRule& rule = kRules[type];
  return data.size() >= rule.size_min && data.size() <= rule.size_max &&
         data.size() % rule.unit == 0 &&
         // The peer reads a name up to its final zero.
         (type != kHelperName || data.back() == 0);
}

inline size_t Align(size_t size) { return (size + 3) & ~size_t{3}; }

// The sender's own order, as little endian machines have it.
inline uint16_t Swap(uint16_t value) { return __builtin_bswap16(value); }

}  // namespace ballast::ha::conntrack_internal

#endif  // HA_CONNTRACK_WIRE_INTERNAL_H_
