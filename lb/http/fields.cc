#include "lb/http/fields.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "io/base/check.h"

namespace ballast::http {
namespace {

struct Known {
  absl::string_view name;
  FieldId id;
};

constexpr Known kKnown[] = {
    {"Connection", FieldId::kConnection},
    {"Content-Length", FieldId::kContentLength},
    {"Cookie", FieldId::kCookie},
    {"Date", FieldId::kDate},
    {"Expect", FieldId::kExpect},
    {"Forwarded", FieldId::kForwarded},
    {"Host", FieldId::kHost},
    {"HTTP2-Settings", FieldId::kHttp2Settings},
    {"Keep-Alive", FieldId::kKeepAlive},
    {"Proxy-Connection", FieldId::kProxyConnection},
    {"Set-Cookie", FieldId::kSetCookie},
    {"TE", FieldId::kTe},
    {"Trailer", FieldId::kTrailer},
    {"Transfer-Encoding", FieldId::kTransferEncoding},
    {"Upgrade", FieldId::kUpgrade},
    {"Via", FieldId::kVia},
};

constexpr std::array<bool, 256> TokenTable() {
  std::array<bool, 256> table{};
  for (unsigned char c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^',
                       '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kToken = TokenTable();

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

FieldId FieldIdOf(absl::string_view name) {
  for (const Known& known : kKnown) {
    if (absl::EqualsIgnoreCase(known.name, name)) return known.id;
  }
  return FieldId::kOther;
}

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kToken[static_cast<unsigned char>(c)];
  });
}

bool IsFieldValue(absl::string_view text) {
  if (!text.empty() && (IsBlank(text.front()) || IsBlank(text.back()))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u >= 0x20 && u != 0x7f) || u == '\t';
  });
}

bool Fields::Is(const Entry& entry, absl::string_view name) const {
  return entry.name_size == name.size() &&
         absl::EqualsIgnoreCase(
             absl::string_view(text_).substr(entry.name, entry.name_size),
             name);
}

std::optional<absl::string_view> Fields::Find(FieldId id) const {
  for (const Entry& e : entries_) {
    if (e.id == id) {
      return absl::string_view(text_).substr(e.value, e.value_size);
    }
  }
  return std::nullopt;
}

std::optional<absl::string_view> Fields::Find(absl::string_view name) const {
  for (const Entry& e : entries_) {
    if (Is(e, name)) {
      return absl::string_view(text_).substr(e.value, e.value_size);
    }
  }
  return std::nullopt;
}

size_t Fields::Count(FieldId id) const {
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(),
                    [id](const Entry& e) { return e.id == id; }));
}

uint32_t Fields::Append(absl::string_view text) {
  const auto at = static_cast<uint32_t>(text_.size());
  // The text may be part of the buffer itself.
  text_.append(std::string(text));
  return at;
}

void Fields::Add(absl::string_view name, absl::string_view value) {
  BALLAST_CHECK(IsToken(name) && name.size() <= 0xffff && IsFieldValue(value));
  const FieldId id = FieldIdOf(name);
  const auto name_size = static_cast<uint16_t>(name.size());
  const auto value_size = static_cast<uint32_t>(value.size());
  const std::string copy(value);  // It may lie in the buffer, too.
  const uint32_t name_at = Append(name);
  entries_.push_back({name_at, Append(copy), value_size, name_size, id});
}

void Fields::Set(absl::string_view name, absl::string_view value) {
  BALLAST_CHECK(IsToken(name) && IsFieldValue(value));
  const auto same = [&](const Entry& e) { return Is(e, name); };
  const auto first = std::find_if(entries_.begin(), entries_.end(), same);
  if (first == entries_.end()) {
    Add(name, value);
    return;
  }
  entries_.erase(std::remove_if(first + 1, entries_.end(), same),
                 entries_.end());
  first->value_size = static_cast<uint32_t>(value.size());
  first->value = Append(value);
}

size_t Fields::Remove(absl::string_view name) {
  const auto gone = std::remove_if(entries_.begin(), entries_.end(),
                                   [&](const Entry& e) { return Is(e, name); });
  const auto count = static_cast<size_t>(entries_.end() - gone);
  entries_.erase(gone, entries_.end());
  return count;
}

size_t Fields::Remove(FieldId id) {
  BALLAST_CHECK(id != FieldId::kOther);
  const auto gone = std::remove_if(entries_.begin(), entries_.end(),
                                   [&](const Entry& e) { return e.id == id; });
  const auto count = static_cast<size_t>(entries_.end() - gone);
  entries_.erase(gone, entries_.end());
  return count;
}

namespace internal {

absl::string_view NextElement(absl::string_view* list) {
  const size_t comma = list->find(',');
  absl::string_view element = list->substr(0, comma);
  list->remove_prefix(comma == absl::string_view::npos ? list->size()
                                                       : comma + 1);
  while (!element.empty() && IsBlank(element.front())) element.remove_prefix(1);
  while (!element.empty() && IsBlank(element.back())) element.remove_suffix(1);
  return element;
}

}  // namespace internal
}  // namespace ballast::http
