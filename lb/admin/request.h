// One request to the unit's management and its reply, without HTTP around them:
// values. The parameters of a call, however they came.
#ifndef LB_ADMIN_REQUEST_H_
#define LB_ADMIN_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast::admin {

enum class Method : uint8_t { kGet, kPost, kOther };

struct Request {
  Method method = Method::kGet;
  std::string path;   // As it came, without the query.
  std::string query;  // Without the '?'.
  std::string body;
  // Fields of the head; empty: none.
  std::string content_type;
  std::string authorization;
  std::string fetch_site;       // Sec-Fetch-Site: only browsers send it.
  std::string ballast_request;  // X-Ballast-Request: see v1.proto.
  Address peer;
};

struct Reply {
  uint16_t status = 200;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
};

// Names and values in the order they came; names compare without regard to
// letter case, and the first of a name counts.
class Parameters {
 public:
  static constexpr size_t kCountMax = 256;
  static constexpr size_t kNameMax = 64;
  static constexpr size_t kValueMax = 64 * 1024;

  struct Entry {
    std::string name;
    std::string value;
  };

  void Add(absl::string_view name, absl::string_view value) {
    if (Find(name).has_value()) return;
    entries_.push_back({std::string(name), std::string(value)});
  }
  std::optional<absl::string_view> Find(absl::string_view name) const {
    for (const Entry& entry : entries_) {
      if (absl::EqualsIgnoreCase(entry.name, name)) return entry.value;
    }
    return std::nullopt;
  }
  bool Has(absl::string_view name) const { return Find(name).has_value(); }
  // Empty if there is none.
  absl::string_view Get(absl::string_view name) const {
    return Find(name).value_or("");
  }

  size_t size() const { return entries_.size(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<Entry> entries_;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_REQUEST_H_
