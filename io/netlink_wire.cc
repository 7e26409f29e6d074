#include "io/netlink_wire.h"

#include <algorithm>
#include <cerrno>

#include "io/base/check.h"

namespace ballast {
namespace {

std::span<const uint8_t> After(std::span<const uint8_t> bytes, size_t length) {
  // The last one's padding may be missing.
  return bytes.subspan(std::min<size_t>(NLMSG_ALIGN(length), bytes.size()));
}

}  // namespace

std::optional<NetlinkMessage> NextNetlinkMessage(
    std::span<const uint8_t>& bytes) {
  NetlinkMessage message;
  if (bytes.size() < sizeof(nlmsghdr)) return std::nullopt;
  std::memcpy(&message.header, bytes.data(), sizeof(nlmsghdr));
  const size_t length = message.header.nlmsg_len;
  if (length < sizeof(nlmsghdr) || length > bytes.size()) return std::nullopt;
  message.payload = bytes.subspan(NLMSG_HDRLEN, length - NLMSG_HDRLEN);
  bytes = After(bytes, length);
  return message;
}

absl::string_view NetlinkAttribute::AsString() const {
  const absl::string_view text(reinterpret_cast<const char*>(value.data()),
                               value.size());
  return text.substr(0, text.find('\0'));
}

std::optional<NetlinkAttribute> NextNetlinkAttribute(
    std::span<const uint8_t>& bytes) {
  nlattr header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const size_t length = header.nla_len;
  if (length < sizeof(header) || length > bytes.size()) return std::nullopt;
  NetlinkAttribute attribute;
  attribute.type = header.nla_type & NLA_TYPE_MASK;
  attribute.value = bytes.subspan(NLA_HDRLEN, length - NLA_HDRLEN);
  bytes = After(bytes, length);
  return attribute;
}

NetlinkAnswer ReadNetlinkAnswer(const NetlinkMessage& message) {
  NetlinkAnswer answer;
  std::span<const uint8_t> rest = message.payload;
  const auto error = TakeNetlinkStruct<int32_t>(rest);
  if (!error) return {EBADMSG, "short answer"};
  // A dump's end carries a count of no meaning, or a negated errno value.
  answer.error = *error < 0 && *error > -4096 ? -*error : 0;
  if (answer.error == 0 || (message.header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) {
    return answer;
  }
  // Behind it: the request's header (whole request unless capped), then
  // attributes. A dump's end has no request in it.
  if (message.header.nlmsg_type == NLMSG_ERROR) {
    const auto request = TakeNetlinkStruct<nlmsghdr>(rest);
    if (!request) return answer;
    if ((message.header.nlmsg_flags & NLM_F_CAPPED) == 0) {
      const size_t body = NLMSG_ALIGN(request->nlmsg_len) - NLMSG_HDRLEN;
      if (request->nlmsg_len < sizeof(nlmsghdr) || body > rest.size()) {
        return answer;
      }
      rest = rest.subspan(body);
    }
  }
  while (const auto attribute = NextNetlinkAttribute(rest)) {
    if (attribute->type == NLMSGERR_ATTR_MSG) {
      answer.explanation = attribute->AsString();
    }
  }
  return answer;
}

void NetlinkBuilder::Begin(uint16_t type, uint16_t flags, uint32_t sequence) {
  BALLAST_CHECK(nests_.empty());
  message_at_ = bytes_.size();
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | flags;
  header.nlmsg_seq = sequence;
  Append(&header, sizeof(header));
}

NetlinkBuilder& NetlinkBuilder::Bytes(uint16_t type,
                                      std::span<const uint8_t> value) {
  BALLAST_CHECK(value.size() <= UINT16_MAX - NLA_HDRLEN);
  nlattr header{};
  header.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
  header.nla_type = type;
  Append(&header, sizeof(header));
  Append(value.data(), value.size());
  return *this;
}

NetlinkBuilder& NetlinkBuilder::String(uint16_t type, absl::string_view value) {
  std::vector<uint8_t> text(value.begin(), value.end());
  text.push_back(0);
  return Bytes(type, text);
}

NetlinkBuilder& NetlinkBuilder::Nest(uint16_t type) {
  nests_.push_back(bytes_.size());
  return Bytes(type | NLA_F_NESTED, {});
}

NetlinkBuilder& NetlinkBuilder::End() {
  BALLAST_CHECK(!nests_.empty());
  const size_t length = bytes_.size() - nests_.back();
  BALLAST_CHECK(length <= UINT16_MAX);
  const auto length16 = static_cast<uint16_t>(length);
  std::memcpy(bytes_.data() + nests_.back() + offsetof(nlattr, nla_len),
              &length16, sizeof(length16));
  nests_.pop_back();
  return *this;
}

void NetlinkBuilder::set_sequence(uint32_t sequence) {
  std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence,
              sizeof(sequence));
}

uint16_t NetlinkBuilder::type() const {
  uint16_t type;
  std::memcpy(&type, bytes_.data() + offsetof(nlmsghdr, nlmsg_type),
              sizeof(type));
  return type;
}

void NetlinkBuilder::Append(const void* data, size_t size) {
  const size_t at = bytes_.size();
  bytes_.resize(at + NLMSG_ALIGN(size), 0);
  if (size > 0) std::memcpy(bytes_.data() + at, data, size);
  FixMessageLength();
}

void NetlinkBuilder::FixMessageLength() {
  const auto length = static_cast<uint32_t>(bytes_.size() - message_at_);
  std::memcpy(bytes_.data() + message_at_ + offsetof(nlmsghdr, nlmsg_len),
              &length, sizeof(length));
}

}  // namespace ballast
