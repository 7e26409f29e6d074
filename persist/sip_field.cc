#include "persist/sip_field.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace ballast::persist {
namespace {

struct CompactForm {
  char letter;
  absl::string_view name;
};

// RFC 3261 §7.3.3, 3515, 3841, 3892, 4028, 4474, 6665.
constexpr std::array<CompactForm, 20> kCompactForms = {{
    {'a', "Accept-Contact"},
    {'b', "Referred-By"},
    {'c', "Content-Type"},
    {'d', "Request-Disposition"},
    {'e', "Content-Encoding"},
    {'f', "From"},
    {'i', "Call-ID"},
    {'j', "Reject-Contact"},
    {'k', "Supported"},
    {'l', "Content-Length"},
    {'m', "Contact"},
    {'n', "Identity-Info"},
    {'o', "Event"},
    {'r', "Refer-To"},
    {'s', "Subject"},
    {'t', "To"},
    {'u', "Allow-Events"},
    {'v', "Via"},
    {'x', "Session-Expires"},
    {'y', "Identity"},
}};

absl::string_view LongForm(absl::string_view name) {
  if (name.size() != 1) return name;
  const char letter = absl::ascii_tolower(static_cast<unsigned char>(name[0]));
  for (const CompactForm& form : kCompactForms) {
    if (form.letter == letter) return form.name;
  }
  return name;
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

absl::string_view Trim(absl::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool HasLineEnd(absl::string_view line) {
  return line.find_first_of("\r\n") != absl::string_view::npos;
}

// "INVITE sip:a@b SIP/2.0" or "SIP/2.0 200 OK", of whatever version.
bool IsStartLine(absl::string_view line) {
  if (absl::StartsWithIgnoreCase(line, "SIP/")) return true;
  const absl::string_view trimmed = Trim(line);
  const size_t version = trimmed.rfind(' ');
  return version != absl::string_view::npos &&
         absl::StartsWithIgnoreCase(trimmed.substr(version + 1), "SIP/");
}

// The next line, without its CRLF; nullopt: no whole line is left.
std::optional<absl::string_view> NextLine(absl::string_view& rest) {
  const size_t end = rest.find("\r\n");
  if (end == absl::string_view::npos) return std::nullopt;
  const absl::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

// The rest of a value whose first line is `value`. nullopt: malformed.
std::optional<absl::string_view> Unfolded(absl::string_view value,
                                          absl::string_view rest,
                                          std::string& scratch) {
  value = Trim(value);
  if (rest.empty() || !IsBlank(rest[0])) return value;
  scratch.assign(value.data(), value.size());
  while (!rest.empty() && IsBlank(rest[0])) {
    const auto line = NextLine(rest);
    if (!line.has_value() || HasLineEnd(*line)) return std::nullopt;
    const absl::string_view more = Trim(*line);
    if (!scratch.empty() && !more.empty()) scratch.push_back(' ');
    scratch.append(more.data(), more.size());
  }
  return scratch;
}

}  // namespace

std::optional<absl::string_view> SipField(std::span<const uint8_t> datagram,
                                          absl::string_view name,
                                          std::string& scratch) {
  absl::string_view rest(reinterpret_cast<const char*>(datagram.data()),
                         std::min(datagram.size(), kSipHeaderMax));
  const absl::string_view wanted = LongForm(name);
  // Empty lines before a message are to be ignored (RFC 3261 §7.5).
  while (absl::StartsWith(rest, "\r\n")) rest.remove_prefix(2);
  const auto start = NextLine(rest);
  if (!start.has_value() || HasLineEnd(*start) || !IsStartLine(*start)) {
    return std::nullopt;
  }
  for (size_t fields = 0; fields < kSipFieldsMax;) {
    const auto line = NextLine(rest);
    if (!line.has_value() || line->empty() || HasLineEnd(*line)) {
      return std::nullopt;
    }
    if (IsBlank((*line)[0])) {
      if (fields == 0) return std::nullopt;  // It continues nothing.
      continue;
    }
    ++fields;
    const size_t colon = line->find(':');
    if (colon == absl::string_view::npos) return std::nullopt;
    const absl::string_view field = Trim(line->substr(0, colon));
    if (field.empty()) return std::nullopt;
    if (absl::EqualsIgnoreCase(LongForm(field), wanted)) {
      return Unfolded(line->substr(colon + 1), rest, scratch);
    }
  }
  return std::nullopt;
}

}  // namespace ballast::persist
