// What names of header fields and cookies are made of (RFC 9110 §5.6.2).
#ifndef LB_CONFIG_TOKEN_H_
#define LB_CONFIG_TOKEN_H_

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace ballast::config {

inline bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("!#$%&'*+-.^_`|~", c);
  });
}

}  // namespace ballast::config

#endif  // LB_CONFIG_TOKEN_H_
