// The 5-tuple of a packet or flow, as a value that compares and hashes.
#ifndef IO_BASE_FLOW_KEY_H_
#define IO_BASE_FLOW_KEY_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"

namespace ballast {

// IP protocol numbers, the ones the balancer handles.
enum class Protocol : uint8_t {
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kIcmpV6 = 58,
};

inline const char* ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kIcmp:
      return "icmp";
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kUdp:
      return "udp";
    case Protocol::kIcmpV6:
      return "icmpv6";
  }
  return "?";
}

struct FlowKey {
  Endpoint source;
  Endpoint destination;
  Protocol protocol = Protocol::kTcp;

  // The same flow seen from its other end.
  FlowKey Reversed() const { return {destination, source, protocol}; }
  std::string ToString() const {
    return absl::StrCat(ProtocolName(protocol), " ", source.ToString(), " -> ",
                        destination.ToString());
  }
  friend auto operator<=>(const FlowKey&, const FlowKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FlowKey& k) {
    return H::combine(std::move(h), k.source, k.destination, k.protocol);
  }
};

}  // namespace ballast

#endif  // IO_BASE_FLOW_KEY_H_
