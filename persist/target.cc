#include "persist/target.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ballast::persist {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Itself if there is nothing to decode.
absl::string_view Decoded(absl::string_view text, std::string& scratch) {
  if (text.find('%') == absl::string_view::npos) return text;
  scratch.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      scratch.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 +
                                          HexDigit(text[i + 2])));
      i += 2;
    } else {
      scratch.push_back(text[i]);
    }
  }
  return scratch;
}

}  // namespace

absl::string_view PathAndQuery(absl::string_view target, std::string& scratch) {
  target = target.substr(0, target.find('#'));
  if (target.empty() || target[0] == '/') return target;
  const size_t scheme = target.find("://");
  // A query may hold one, too.
  if (scheme == absl::string_view::npos || scheme > target.find('?')) {
    return target;
  }
  const size_t path = target.find_first_of("/?", scheme + 3);
  if (path == absl::string_view::npos) return "/";
  if (target[path] == '/') return target.substr(path);
  scratch.clear();
  absl::StrAppend(&scratch, "/", target.substr(path));
  return scratch;
}

std::optional<absl::string_view> QueryItem(absl::string_view target,
                                           absl::string_view name,
                                           std::string& scratch) {
  target = target.substr(0, target.find('#'));
  const size_t query = target.find('?');
  if (query == absl::string_view::npos) return std::nullopt;
  absl::string_view rest = target.substr(query + 1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const absl::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(item.find('='), item.size());
    if (Decoded(item.substr(0, equals), scratch) != name) continue;
    return Decoded(item.substr(std::min(equals + 1, item.size())), scratch);
  }
  return std::nullopt;
}

}  // namespace ballast::persist
