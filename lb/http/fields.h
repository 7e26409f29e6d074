// The fields of one message: one buffer, and spans into it. Order is kept;
// names compare without regard to case.
//
// Cost     a lookup by FieldId compares one byte a field; by name, lengths
//          first. An edit appends to the buffer. Cleared and filled again, it
//          allocates nothing once it has grown.
// Errors   a name that is no token, or a value with a control character, given
//          to an edit is our bug: it would make two messages of one. Ask
//          IsToken() and IsFieldValue() about text of unknown origin.
// Threads  one.
#ifndef LB_HTTP_FIELDS_H_
#define LB_HTTP_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ballast::http {

// Fields that this library itself looks at. The rest is kOther.
enum class FieldId : uint8_t {
  kOther,
  kConnection,
  kContentLength,
  kCookie,
  kDate,
  kExpect,
  kForwarded,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kProxyConnection,
  kSetCookie,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kVia,
};

FieldId FieldIdOf(absl::string_view name);

// tchar only, and not empty (RFC 9110 §5.6.2).
bool IsToken(absl::string_view text);
// No control character but HTAB, no blank at either end (RFC 9110 §5.5).
bool IsFieldValue(absl::string_view text);

struct Field {
  absl::string_view name;
  absl::string_view value;  // Without blanks around it.
  FieldId id = FieldId::kOther;
};

class Fields {
 public:
  static constexpr size_t kKeptBytes = 4096;
  static constexpr size_t kKeptFields = 64;

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // Valid until the next edit.
  Field operator[](size_t i) const {
    const Entry& e = entries_[i];
    return {absl::string_view(text_).substr(e.name, e.name_size),
            absl::string_view(text_).substr(e.value, e.value_size), e.id};
  }
  FieldId id(size_t i) const { return entries_[i].id; }

  // The first of that name.
  std::optional<absl::string_view> Find(FieldId id) const;
  std::optional<absl::string_view> Find(absl::string_view name) const;
  size_t Count(FieldId id) const;
  // Calls f(element) for every non-empty element of the comma-separated lists
  // of that field, without blanks (RFC 9110 §5.6.1). Not for values with
  // quoted strings.
  template <typename F>
  void ForEachElement(FieldId id, F f) const;

  void Add(absl::string_view name, absl::string_view value);
  // The first of that name gets the value, others of it go; adds one if none.
  void Set(absl::string_view name, absl::string_view value);
  // How many there were.
  size_t Remove(absl::string_view name);
  size_t Remove(FieldId id);  // Not kOther.

  // Keeps what a common head needs, and gives back what a large one took.
  void Clear() {
    text_.clear();
    entries_.clear();
    if (text_.capacity() > kKeptBytes) std::string().swap(text_);
    if (entries_.capacity() > kKeptFields) std::vector<Entry>().swap(entries_);
  }

  // For readers: the bytes of a head, and fields that lie in them.
  std::string& text() { return text_; }
  const std::string& text() const { return text_; }
  void AddSpan(FieldId id, uint32_t name, uint32_t name_size, uint32_t value,
               uint32_t value_size) {
    entries_.push_back(
        {name, value, value_size, static_cast<uint16_t>(name_size), id});
  }

 private:
  struct Entry {
    uint32_t name;  // Offsets into text_.
    uint32_t value;
    uint32_t value_size;
    uint16_t name_size;
    FieldId id;
  };

  bool Is(const Entry& entry, absl::string_view name) const;
  uint32_t Append(absl::string_view text);

  std::string text_;
  std::vector<Entry> entries_;
};

namespace internal {
absl::string_view NextElement(absl::string_view* list);
}  // namespace internal

template <typename F>
void Fields::ForEachElement(FieldId id, F f) const {
  for (const Entry& e : entries_) {
    if (e.id != id) continue;
    auto list = absl::string_view(text_).substr(e.value, e.value_size);
    while (!list.empty()) {
      const absl::string_view element = internal::NextElement(&list);
      if (!element.empty()) f(element);
    }
  }
}

}  // namespace ballast::http

#endif  // LB_HTTP_FIELDS_H_
