// IP addresses, prefixes, endpoints and MAC addresses: values that copy,
// compare and hash. No system call.
//
// An Address is IPv4 or IPv6 in one type: 16 bytes in network order, IPv4 kept
// in its IPv4-mapped form (::ffff:a.b.c.d), so a mapped IPv6 address and the
// IPv4 address are one and the same value.
#ifndef IO_BASE_ADDRESS_H_
#define IO_BASE_ADDRESS_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast {

class Address {
 public:
  // The unspecified IPv6 address "::".
  constexpr Address() = default;

  // `bits` in host order: V4(0x0A000001) is 10.0.0.1.
  static constexpr Address V4(uint32_t bits) {
    Address address;
    address.bytes_[10] = address.bytes_[11] = 0xff;
    for (size_t i = 0; i < 4; ++i) {
      address.bytes_[12 + i] = static_cast<uint8_t>(bits >> (24 - 8 * i));
    }
    return address;
  }
  static constexpr Address V6(const std::array<uint8_t, 16>& bytes) {
    Address address;
    address.bytes_ = bytes;
    return address;
  }
  // 4 or 16 bytes in network order; anything else is our bug.
  static Address FromBytes(std::span<const uint8_t> bytes);
  // "192.0.2.1" or "2001:db8::1", no prefix, no zone.
  static absl::StatusOr<Address> Parse(absl::string_view text);

  constexpr bool is_v4() const {
    for (size_t i = 0; i < 10; ++i) {
      if (bytes_[i] != 0) return false;
    }
    return bytes_[10] == 0xff && bytes_[11] == 0xff;
  }
  // Host order; only for IPv4.
  constexpr uint32_t v4_bits() const {
    return uint32_t{bytes_[12]} << 24 | uint32_t{bytes_[13]} << 16 |
           uint32_t{bytes_[14]} << 8 | bytes_[15];
  }
  constexpr const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  // As on the wire: 4 bytes for IPv4, 16 for IPv6.
  std::span<const uint8_t> wire() const {
    return is_v4() ? std::span<const uint8_t>(bytes_).subspan(12)
                   : std::span<const uint8_t>(bytes_);
  }
  bool is_unspecified() const;
  bool is_multicast() const;
  bool is_loopback() const;
  bool is_link_local() const;
  std::string ToString() const;

  friend constexpr auto operator<=>(const Address&, const Address&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Address& a) {
    return H::combine(std::move(h), a.bytes_);
  }

 private:
  std::array<uint8_t, 16> bytes_{};
};

// A network: an address and how many of its leading bits count. Lengths are of
// the family: 0..32 or 0..128.
struct Prefix {
  Address address;
  uint8_t length = 0;

  // "10.0.0.0/8", "2001:db8::/32"; a bare address is a host prefix. Host bits
  // are kept, so that an interface's "10.0.0.1/24" survives.
  static absl::StatusOr<Prefix> Parse(absl::string_view text);
  bool Contains(const Address& other) const;
  std::string ToString() const;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

// An address and a port.
struct Endpoint {
  Address address;
  uint16_t port = 0;

  // "10.0.0.1:80" or "[2001:db8::1]:80".
  static absl::StatusOr<Endpoint> Parse(absl::string_view text);
  std::string ToString() const;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Endpoint& e) {
    return H::combine(std::move(h), e.address, e.port);
  }
};

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  static absl::StatusOr<MacAddress> Parse(absl::string_view text);
  static constexpr MacAddress Broadcast() {
    return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  }
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  bool is_zero() const { return *this == MacAddress{}; }
  std::string ToString() const;
  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const MacAddress& m) {
    return H::combine(std::move(h), m.bytes);
  }
};

}  // namespace ballast

#endif  // IO_BASE_ADDRESS_H_
