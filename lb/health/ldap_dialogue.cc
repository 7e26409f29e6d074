#include "lb/health/ldap_dialogue.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"

namespace ballast::health {
namespace {

// LDAPMessage { messageID 1, bindRequest { version 3, name "", simple "" } }
constexpr absl::string_view kBind(
    "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", 14);
// LDAPMessage { messageID 2, unbindRequest NULL }
constexpr absl::string_view kUnbind("\x30\x05\x02\x01\x02\x42\x00", 7);

constexpr uint8_t kSequence = 0x30;
constexpr uint8_t kInteger = 0x02;
constexpr uint8_t kBindResponse = 0x61;
constexpr uint8_t kEnumerated = 0x0a;

constexpr int kBusy = 51;
constexpr int kUnavailable = 52;
constexpr int kUnwillingToPerform = 53;

// A longer message says more than a result.
constexpr size_t kMessageMax = 8192;

enum class Parse { kMore, kBad, kDone };

// Reads elements from the front of bytes that may yet be incomplete.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}

  // Enters an element with `tag`; `length` of its contents.
  Parse Enter(uint8_t tag, size_t* length) {
    if (rest_.empty()) return Parse::kMore;
    if (Byte(0) != tag) return Parse::kBad;
    if (rest_.size() < 2) return Parse::kMore;
    *length = Byte(1);
    size_t head = 2;
    if (*length >= 0x80) {
      const size_t octets = *length - 0x80;
      if (octets == 0 || octets > 4) return Parse::kBad;
      if (rest_.size() < 2 + octets) return Parse::kMore;
      *length = 0;
      for (size_t i = 0; i < octets; ++i) *length = *length << 8 | Byte(2 + i);
      head += octets;
    }
    if (*length > kMessageMax) return Parse::kBad;
    rest_.remove_prefix(head);
    return Parse::kDone;
  }
  // An element with `tag` of one byte's value.
  Parse Number(uint8_t tag, int* value) {
    size_t length;
    if (const Parse parse = Enter(tag, &length); parse != Parse::kDone) {
      return parse;
    }
    if (length != 1) return Parse::kBad;
    if (rest_.empty()) return Parse::kMore;
    *value = Byte(0);
    rest_.remove_prefix(1);
    return Parse::kDone;
  }

 private:
  uint8_t Byte(size_t at) const { return static_cast<uint8_t>(rest_[at]); }

  absl::string_view rest_;
};

Parse ReadResult(absl::string_view bytes, int* result) {
  Reader reader(bytes);
  size_t length;
  int id;
  Parse parse = reader.Enter(kSequence, &length);
  if (parse == Parse::kDone) parse = reader.Number(kInteger, &id);
  if (parse == Parse::kDone && id != 1) return Parse::kBad;
  if (parse == Parse::kDone) parse = reader.Enter(kBindResponse, &length);
  if (parse == Parse::kDone) parse = reader.Number(kEnumerated, result);
  return parse;
}

}  // namespace

Dialogue::Step LdapDialogue::OnOpen() { return Say(std::string(kBind)); }

Dialogue::Step LdapDialogue::OnBytes(absl::string_view bytes) {
  absl::StrAppend(&heard_, bytes.substr(0, kMessageMax - heard_.size()));
  int result = 0;
  switch (ReadResult(heard_, &result)) {
    case Parse::kMore:
      return {};
    case Parse::kBad:
      return Down("not an answer to an LDAP bind");
    case Parse::kDone:
      break;
  }
  if (result == kBusy || result == kUnavailable ||
      result == kUnwillingToPerform) {
    return Down(absl::StrCat("LDAP result ", result));
  }
  return Up(std::string(kUnbind));
}

}  // namespace ballast::health
