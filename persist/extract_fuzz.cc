// Property: whatever a request holds, each mode has a key that lies in the
// request or in the scratch string, and the same one for the same request with
// its field names in other letters; cookies that were read and written anew are
// read the same.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "persist/active_cookie.h"
#include "persist/cookie.h"
#include "persist/extract.h"

namespace ballast::persist {
namespace {

constexpr SipKey kSecret = {1, 2};

std::string KeyOf(Mode mode, const std::string& target,
                  const FieldList& fields) {
  const Settings settings{.mode = mode, .name = "sid", .query_item = "q"};
  const ActiveCookies cookies(1, std::span(&kSecret, 1));
  std::string scratch = "left over";
  const RequestView request{.method = "GET",
                            .target = target,
                            .host = target,
                            .fields = fields,
                            .client = Address::V4(1)};
  const Extraction found = ExtractKey(settings, &cookies, request, scratch);
  BALLAST_CHECK(found.outcome != Extraction::Outcome::kFallback ||
                HasSourceIpForm(mode));
  BALLAST_CHECK((found.outcome == Extraction::Outcome::kNone) ==
                (found.key.kind == Mode::kNone));
  BALLAST_CHECK(found.outcome != Extraction::Outcome::kKey ||
                found.key.kind == KindOf(mode));
  return std::string(found.key.bytes);
}

void CheckCookies(absl::string_view field) {
  std::vector<std::pair<std::string, std::string>> first, second;
  std::string written;
  ForEachCookie(field, [&](absl::string_view name, absl::string_view value) {
    BALLAST_CHECK(value.find_first_of("; \n\r") != 0);
    first.emplace_back(std::string(name), std::string(value));
    absl::StrAppend(&written, name, "=", value, "; ");
    return true;
  });
  ForEachCookie(written, [&](absl::string_view name, absl::string_view value) {
    second.emplace_back(std::string(name), std::string(value));
    return true;
  });
  BALLAST_CHECK(first == second);
  if (const auto cookie = ParseSetCookie(field)) {
    BALLAST_CHECK(!first.empty() && cookie->name == first[0].first);
  }
}

}  // namespace
}  // namespace ballast::persist

// Lines: the target, then "name:value".
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::persist;
  absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto next_line = [&] {
    const size_t end = std::min(text.find('\n'), text.size());
    const absl::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  const std::string target(next_line());
  std::vector<FieldList::Field> fields, upper;
  while (!text.empty()) {
    const absl::string_view line = next_line();
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string name(line.substr(0, colon));
    const std::string value(line.substr(std::min(colon + 1, line.size())));
    CheckCookies(value);
    upper.emplace_back(absl::AsciiStrToUpper(name), value);
    fields.emplace_back(name, value);
  }
  const FieldList list(fields), upper_list(upper);
  for (int i = 0; i < kModeCount; ++i) {
    const Mode mode = static_cast<Mode>(i);
    BALLAST_CHECK(KeyOf(mode, target, list) == KeyOf(mode, target, upper_list));
  }
  std::string scratch;
  const Settings settings{.mode = Mode::kServerCookie, .name = "sid"};
  LearnKey(settings, list, scratch);
  return 0;
}
