#include "io/base/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

// Quotes what was given, cut so that a message cannot be flooded.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", text.substr(0, 64), "\"");
}

}  // namespace

Address Address::FromBytes(std::span<const uint8_t> bytes) {
  BALLAST_CHECK(bytes.size() == 4 || bytes.size() == 16);
  Address address;
  if (bytes.size() == 4) address = V4(0);
  std::copy(bytes.begin(), bytes.end(), address.bytes_.end() - bytes.size());
  return address;
}

absl::StatusOr<Address> Address::Parse(absl::string_view text) {
  const std::string copy(text.substr(0, 64));
  std::array<uint8_t, 16> bytes;
  if (inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) {
    return FromBytes(std::span(bytes).first(4));
  }
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return V6(bytes);
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(text), " is not an IPv4 or IPv6 address"));
}

bool Address::is_unspecified() const {
  return *this == Address() || *this == V4(0);
}

bool Address::is_multicast() const {
  return is_v4() ? (bytes_[12] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

bool Address::is_loopback() const {
  if (is_v4()) return bytes_[12] == 127;
  Address loopback;
  loopback.bytes_[15] = 1;
  return *this == loopback;
}

bool Address::is_link_local() const {
  return is_v4() ? bytes_[12] == 169 && bytes_[13] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string Address::ToString() const {
  char text[INET6_ADDRSTRLEN];
  const auto bytes = wire();
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
  return text;
}

absl::StatusOr<Prefix> Prefix::Parse(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('/', 1));
  BALLAST_ASSIGN_OR_RETURN(const Address address, Address::Parse(parts.first));
  const uint32_t length_max = address.is_v4() ? 32 : 128;
  uint32_t length = length_max;
  if (parts.first.size() != text.size() &&
      (!absl::SimpleAtoi(parts.second, &length) || length > length_max ||
       parts.second.size() > 3)) {
    return absl::InvalidArgumentError(absl::StrCat(
        Quoted(text), ": prefix length must be 0 to ", length_max));
  }
  return Prefix{address, static_cast<uint8_t>(length)};
}

bool Prefix::Contains(const Address& other) const {
  if (address.is_v4() != other.is_v4()) return false;
  const auto a = address.wire();
  const auto b = other.wire();
  const size_t whole = length / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  if (length % 8 == 0) return true;
  const int mask = 0xff << (8 - length % 8);
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

std::string Prefix::ToString() const {
  return absl::StrCat(address.ToString(), "/", length);
}

absl::StatusOr<Endpoint> Endpoint::Parse(absl::string_view text) {
  const size_t colon = text.rfind(':');
  absl::string_view host = text.substr(0, colon);
  const bool bracketed =
      host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  uint32_t port;
  if (colon == absl::string_view::npos ||
      bracketed != (host.find(':') != absl::string_view::npos) ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text), " is not ADDRESS:PORT or [ADDRESS]:PORT"));
  }
  BALLAST_ASSIGN_OR_RETURN(const Address address, Address::Parse(host));
  return Endpoint{address, static_cast<uint16_t>(port)};
}

std::string Endpoint::ToString() const {
  return address.is_v4() ? absl::StrCat(address.ToString(), ":", port)
                         : absl::StrCat("[", address.ToString(), "]:", port);
}

absl::StatusOr<MacAddress> MacAddress::Parse(absl::string_view text) {
  MacAddress mac;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  bool good = parts.size() == mac.bytes.size();
  for (size_t i = 0; good && i < parts.size(); ++i) {
    uint32_t byte;
    good = parts[i].size() == 2 && absl::SimpleHexAtoi(parts[i], &byte);
    if (good) mac.bytes[i] = static_cast<uint8_t>(byte);
  }
  if (!good) {
    return absl::InvalidArgumentError(absl::StrCat(
        Quoted(text), " is not a MAC address such as 02:00:5e:00:01:0a"));
  }
  return mac;
}

std::string MacAddress::ToString() const {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1],
                         bytes[2], bytes[3], bytes[4], bytes[5]);
}

}  // namespace ballast
