// What validation finds wrong with a configuration, collected so that an
// operator sees all of it at once.
//
// Each problem names its field by path, "virtual_services[2].port", and says
// which value it got and which it wants.
#ifndef LB_CONFIG_PROBLEMS_H_
#define LB_CONFIG_PROBLEMS_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ballast::config {

struct Problem {
  std::string path;     // Never empty.
  std::string message;  // "70000, must be 0 to 65535"

  std::string ToString() const { return absl::StrCat(path, ": ", message); }
  friend bool operator==(const Problem&, const Problem&) = default;
};

// A string of the configuration as a message shows it: quoted, odd bytes
// escaped, cut short.
inline std::string Quoted(absl::string_view text) {
  constexpr size_t kShownMax = 64;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kShownMax)),
                      text.size() > kShownMax ? "...\"" : "\"");
}

class Problems {
 public:
  void Error(std::string path, std::string message) {
    errors_.push_back({std::move(path), std::move(message)});
  }
  void Warn(std::string path, std::string message) {
    warnings_.push_back({std::move(path), std::move(message)});
  }

  // `value`, or having reported it, the nearest of min and max.
  uint32_t InRange(const std::string& path, uint32_t value, uint32_t min,
                   uint32_t max) {
    if (value < min || value > max) {
      Error(path, absl::StrCat(value, ", must be ", min, " to ", max));
    }
    return std::clamp(value, min, max);
  }
  // The same where 0 is allowed too, and means `fallback`, as does what was
  // reported.
  uint32_t InRangeOr(const std::string& path, uint32_t value, uint32_t min,
                     uint32_t max, uint32_t fallback) {
    if (value == 0) return fallback;
    if (value < min || value > max) {
      Error(path, absl::StrCat(value, ", must be 0 or ", min, " to ", max));
      return fallback;
    }
    return value;
  }
  absl::Duration SecondsOr(const std::string& path, uint32_t value,
                           uint32_t min, uint32_t max, uint32_t fallback) {
    return absl::Seconds(InRangeOr(path, value, min, max, fallback));
  }

  const std::vector<Problem>& errors() const { return errors_; }
  const std::vector<Problem>& warnings() const { return warnings_; }

 private:
  std::vector<Problem> errors_;
  std::vector<Problem> warnings_;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_PROBLEMS_H_
