#include "persist/cookie.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace ballast::persist {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

absl::string_view Trim(absl::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// Up to the next ';', which is taken too.
absl::string_view NextPart(absl::string_view& rest) {
  const size_t end = std::min(rest.find(';'), rest.size());
  const absl::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

struct Pair {
  absl::string_view name;
  absl::string_view value;
};

std::optional<Pair> ParsePair(absl::string_view text) {
  const size_t equals = text.find('=');
  if (equals == absl::string_view::npos) return std::nullopt;
  const Pair pair = {Trim(text.substr(0, equals)),
                     Trim(text.substr(equals + 1))};
  if (pair.name.empty() || pair.name.size() + pair.value.size() > kCookieMax) {
    return std::nullopt;
  }
  for (const absl::string_view part : {pair.name, pair.value}) {
    for (const char c : part) {
      if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t') {
        return std::nullopt;
      }
    }
  }
  return pair;
}

// RFC 6265 §5.2.2: whether it is a Max-Age of zero or less. nullopt: none.
std::optional<bool> MaxAgeIsOver(absl::string_view attribute) {
  const size_t equals = attribute.find('=');
  if (equals == absl::string_view::npos ||
      !absl::EqualsIgnoreCase(Trim(attribute.substr(0, equals)), "max-age")) {
    return std::nullopt;
  }
  const absl::string_view number = Trim(attribute.substr(equals + 1));
  const bool negative = absl::StartsWith(number, "-");
  const absl::string_view digits = number.substr(negative ? 1 : 0);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), [](char c) {
        return c >= '0' && c <= '9';
      })) {
    return std::nullopt;
  }
  return negative || digits.find_first_not_of('0') == absl::string_view::npos;
}

}  // namespace

void ForEachCookie(
    absl::string_view field,
    absl::FunctionRef<bool(absl::string_view name, absl::string_view value)>
        visit) {
  for (size_t i = 0; i < kCookiesMax && !field.empty(); ++i) {
    const auto pair = ParsePair(NextPart(field));
    if (pair.has_value() && !visit(pair->name, pair->value)) return;
  }
}

std::optional<SetCookie> ParseSetCookie(absl::string_view field) {
  const auto pair = ParsePair(NextPart(field));
  if (!pair.has_value()) return std::nullopt;
  SetCookie cookie = {pair->name, pair->value};
  // The last one counts (§5.3, step 3).
  for (size_t i = 0; i < kCookiesMax && !field.empty(); ++i) {
    if (const auto over = MaxAgeIsOver(NextPart(field))) cookie.forget = *over;
  }
  return cookie;
}

}  // namespace ballast::persist
