// Netlink messages as bytes: building requests, and walking what the kernel
// sent. Pure: no system call. Everything is in the machine's byte order but
// what a protocol says is big-endian (addresses).
//
// A walker stops at the first header that does not fit its bytes; nothing is
// read outside the span.
// Source  netlink(7), Linux include/uapi/linux/netlink.h: messages and
//         attributes start at multiples of 4.
#ifndef IO_NETLINK_WIRE_H_
#define IO_NETLINK_WIRE_H_

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"

namespace ballast {

struct NetlinkMessage {
  nlmsghdr header;
  std::span<const uint8_t> payload;
};

// The next whole message at the front of `bytes`, which is moved behind it;
// nullopt at the end and at anything malformed.
std::optional<NetlinkMessage> NextNetlinkMessage(
    std::span<const uint8_t>& bytes);

struct NetlinkAttribute {
  uint16_t type;  // Without the nested and byte-order flags.
  std::span<const uint8_t> value;

  // nullopt when the value is not exactly of T's size.
  template <typename T>
  std::optional<T> As() const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (value.size() != sizeof(T)) return std::nullopt;
    T v;
    std::memcpy(&v, value.data(), sizeof(T));
    return v;
  }
  // Up to the first NUL, or the end.
  absl::string_view AsString() const;
};

std::optional<NetlinkAttribute> NextNetlinkAttribute(
    std::span<const uint8_t>& bytes);

// Takes the fixed structure a payload opens with and steps over it (padded to
// 4 bytes); nullopt when there are too few bytes.
template <typename T>
std::optional<T> TakeNetlinkStruct(std::span<const uint8_t>& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T v;
  std::memcpy(&v, bytes.data(), sizeof(T));
  const size_t step = NLMSG_ALIGN(sizeof(T));
  bytes = bytes.subspan(step < bytes.size() ? step : bytes.size());
  return v;
}

// What an acknowledgement, a refusal (NLMSG_ERROR) or the end of a dump
// (NLMSG_DONE) says.
struct NetlinkAnswer {
  int error = 0;                  // An errno value; 0 is success.
  absl::string_view explanation;  // The kernel's own; into the message.
};
NetlinkAnswer ReadNetlinkAnswer(const NetlinkMessage& message);

// Builds one message or several one after another (a batch).
class NetlinkBuilder {
 public:
  // Opens a message; the one before is complete. NLM_F_REQUEST is added.
  NetlinkBuilder(uint16_t type, uint16_t flags) { Begin(type, flags); }
  void Begin(uint16_t type, uint16_t flags, uint32_t sequence = 0);

  // The fixed structure behind the header (ifinfomsg, rtmsg, ...).
  template <typename T>
  NetlinkBuilder& Struct(const T& v) {
    static_assert(std::is_trivially_copyable_v<T>);
    Append(&v, sizeof(T));
    return *this;
  }
  NetlinkBuilder& Bytes(uint16_t type, std::span<const uint8_t> value);
  // With its closing NUL.
  NetlinkBuilder& String(uint16_t type, absl::string_view value);
  template <typename T>
  NetlinkBuilder& Value(uint16_t type, const T& v) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Bytes(type, {reinterpret_cast<const uint8_t*>(&v), sizeof(T)});
  }
  NetlinkBuilder& Flag(uint16_t type) { return Bytes(type, {}); }

  // Attributes until the matching End() go inside.
  NetlinkBuilder& Nest(uint16_t type);
  NetlinkBuilder& End();

  // Finished bytes; the first message's sequence number is settable.
  std::span<const uint8_t> bytes() const { return bytes_; }
  void set_sequence(uint32_t sequence);
  uint16_t type() const;

 private:
  void Append(const void* data, size_t size);
  void FixMessageLength();

  std::vector<uint8_t> bytes_;
  size_t message_at_ = 0;
  std::vector<size_t> nests_;  // Where the open ones begin.
};

}  // namespace ballast

#endif  // IO_NETLINK_WIRE_H_
