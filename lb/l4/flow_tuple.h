// Addresses and 5-tuples in the form the packet path keeps them: as wide as
// the family needs, loaded straight from the header.
//
// AddressV4 and AddressV6 hold the wire's bytes (memcpy from the header, no
// swap). Ports are in host order.
#ifndef LB_L4_FLOW_TUPLE_H_
#define LB_L4_FLOW_TUPLE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "io/base/address.h"
#include "io/base/check.h"

namespace ballast::l4 {

using AddressV4 = uint32_t;

struct AddressV6 {
  uint64_t high = 0;  // Bytes 0..7 of the wire, as loaded.
  uint64_t low = 0;   // Bytes 8..15.

  friend bool operator==(const AddressV6&, const AddressV6&) = default;
};
static_assert(sizeof(AddressV6) == 16);

// From a header's address field: 4 or 16 readable bytes.
template <typename A>
A LoadPacked(const uint8_t* wire) {
  A address;
  std::memcpy(&address, wire, sizeof(A));
  return address;
}
template <typename A>
void StorePacked(uint8_t* wire, const A& address) {
  std::memcpy(wire, &address, sizeof(A));
}

// To and from the general value. The family must fit.
template <typename A>
A PackAddress(const Address& address) {
  BALLAST_CHECK(address.wire().size() == sizeof(A));
  return LoadPacked<A>(address.wire().data());
}
template <typename A>
Address UnpackAddress(const A& address) {
  uint8_t wire[sizeof(A)];
  StorePacked(wire, address);
  return Address::FromBytes(wire);
}

// As the packet carries it.
template <typename A>
struct FlowTuple {
  A source{};
  A destination{};
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;

  friend bool operator==(const FlowTuple&, const FlowTuple&) = default;
};
static_assert(offsetof(FlowTuple<AddressV4>, source_port) == 8);
static_assert(offsetof(FlowTuple<AddressV6>, source_port) == 32);

}  // namespace ballast::l4

#endif  // LB_L4_FLOW_TUPLE_H_
