// Enums of the configuration, which are open in proto3: a number no name stands
// for can arrive.
#ifndef LB_CONFIG_KNOWN_H_
#define LB_CONFIG_KNOWN_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/config/problems.h"

namespace ballast::config {

// `value`, where 0 to known_max have names; else the problem is reported.
template <typename Enum>
Enum Known(const std::string& path, int value, int known_max,
           Problems& problems) {
  if (value < 0 || value > known_max) {
    problems.Error(path, absl::StrCat(value, ", is none of its names"));
    return Enum{};
  }
  return static_cast<Enum>(value);
}

}  // namespace ballast::config

#endif  // LB_CONFIG_KNOWN_H_
