// Property: a value has no line ends and no blanks around it, is the same by
// either form of the name, and does not change with what follows the message.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "persist/sip_field.h"

namespace {

std::optional<std::string> FieldOf(std::span<const uint8_t> message,
                                   absl::string_view name) {
  std::string scratch = "left over";
  const auto value = ballast::persist::SipField(message, name, scratch);
  if (!value.has_value()) return std::nullopt;
  return std::string(*value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> message(data, size);
  std::vector<uint8_t> longer(data, data + size);
  longer.insert(longer.end(), {'\r', '\n', 'i', ':', 'x', '\r', '\n'});
  for (const char* name : {"Call-ID", "To", "Via", "Contact", "x-none"}) {
    const auto value = FieldOf(message, name);
    if (!value.has_value()) continue;
    BALLAST_CHECK(value->find_first_of("\r\n") == std::string::npos);
    BALLAST_CHECK(value->empty() ||
                  (value->front() != ' ' && value->back() != ' ' &&
                   value->front() != '\t' && value->back() != '\t'));
    if (name == absl::string_view("Call-ID")) {
      BALLAST_CHECK(FieldOf(message, "i") == value);
    }
    // (A message that ends in a field may be continued.)
    if (size >= 4 &&
        absl::string_view(reinterpret_cast<const char*>(data), size)
                .find("\r\n\r\n", 4) != absl::string_view::npos) {
      BALLAST_CHECK(FieldOf(longer, name) == value);
    }
  }
  return 0;
}
