// Property: what parses as an address, prefix, endpoint or MAC prints to a text
// that parses to the very same value.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/check.h"

namespace ballast {
namespace {

template <typename T>
void RoundTrip(absl::string_view text) {
  if (const auto value = T::Parse(text); value.ok()) {
    BALLAST_CHECK(*T::Parse(value->ToString()) == *value);
  }
}

}  // namespace
}  // namespace ballast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  ballast::RoundTrip<ballast::Address>(text);
  ballast::RoundTrip<ballast::Prefix>(text);
  ballast::RoundTrip<ballast::Endpoint>(text);
  ballast::RoundTrip<ballast::MacAddress>(text);
  return 0;
}
