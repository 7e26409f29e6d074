#include "lb/l4/flow_hash.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "io/base/address.h"
#include "io/base/siphash.h"
#include "lb/l4/flow_tuple.h"

namespace ballast::l4 {
namespace {

// Expected values were made with another implementation: CPython 3.11, whose
// hash(bytes) is SipHash-1-3. The message is source and destination as on the
// wire, then struct.pack("<HHB", source port, destination port, protocol). The
// keys are CPython's for PYTHONHASHSEED=0, 1 and 4242.
struct Vector {
  SipKey key;
  const char* source;
  const char* destination;
  uint16_t source_port;
  uint16_t destination_port;
  uint8_t protocol;
  uint64_t hash;
};

constexpr SipKey kSeed0 = {0, 0};
constexpr SipKey kSeed1 = {0xaed66ce184be2329, 0xebe9bbf1f1499052};
constexpr SipKey kSeed4242 = {0x41f6394f25dd9b43, 0xc64ae48da2032d08};

const Vector kV4[] = {
    {kSeed0, "10.0.0.10", "10.0.0.100", 30001, 80, 6, 0xfad80dc4ed2a0092},
    {kSeed0, "255.255.255.255", "255.255.255.255", 65535, 65535, 255,
     0x5282cefa6bc1a1ad},
    {kSeed0, "0.0.0.0", "0.0.0.0", 0, 0, 0, 0x7d83ed2e5423c1fc},
    {kSeed1, "10.0.0.10", "10.0.0.100", 30001, 80, 6, 0xf8d6763f67d7c64a},
    {kSeed1, "192.0.2.1", "198.51.100.7", 65535, 53, 17, 0x1882e185432550e9},
    {kSeed4242, "192.0.2.1", "198.51.100.7", 65535, 53, 17, 0x02f61e7404e4af25},
    {kSeed4242, "255.255.255.255", "255.255.255.255", 65535, 65535, 255,
     0x4c22d34772d11e1e},
};
const Vector kV6[] = {
    {kSeed0, "fd00::10", "fd00::100", 34000, 80, 6, 0x906b9ed4510f86ae},
    {kSeed1, "2001:db8::1", "2001:db8:0:1::ffff", 1, 65535, 17,
     0x15ef52217da2e77a},
    {kSeed4242, "fd00::10", "fd00::100", 34000, 80, 6, 0x199450a20a07f2c2},
    {kSeed4242, "2001:db8::1", "2001:db8:0:1::ffff", 1, 65535, 17,
     0x37f5b34e70bea06b},
};

template <typename A>
uint64_t HashOf(const Vector& v) {
  FlowTuple<A> tuple;
  tuple.source = PackAddress<A>(*Address::Parse(v.source));
  tuple.destination = PackAddress<A>(*Address::Parse(v.destination));
  tuple.source_port = v.source_port;
  tuple.destination_port = v.destination_port;
  tuple.protocol = v.protocol;
  return FlowHasher(v.key)(tuple);
}

TEST(FlowHashTest, V4IsSipHash13OfTheTuple) {
  for (const Vector& v : kV4) EXPECT_EQ(HashOf<AddressV4>(v), v.hash);
}

TEST(FlowHashTest, V6IsSipHash13OfTheTuple) {
  for (const Vector& v : kV6) EXPECT_EQ(HashOf<AddressV6>(v), v.hash);
}

TEST(FlowTupleTest, PackedAddressesUnpackToThemselves) {
  const Address v4 = *Address::Parse("192.0.2.1");
  EXPECT_EQ(UnpackAddress(PackAddress<AddressV4>(v4)), v4);
  const Address v6 = *Address::Parse("2001:db8::1");
  EXPECT_EQ(UnpackAddress(PackAddress<AddressV6>(v6)), v6);
}

}  // namespace
}  // namespace ballast::l4
