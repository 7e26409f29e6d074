// HAProxy's configuration text: sections of lines of words. Pure.
//
// Source   HAProxy 2.6 configuration manual, 2.2 "Quoting and escaping", 2.4
//          "Time format".
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_TEXT_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"

namespace ballast::ctl {

struct HaproxyLine {
  int line = 0;
  std::vector<std::string> words;  // At least one.

  // The word at that place; empty if there is none.
  std::string word(size_t number) const {
    return number < words.size() ? words[number] : std::string();
  }
  // The words from there on, with a blank between.
  std::string Rest(size_t number) const;
  std::string ToString() const { return Rest(0); }
};

struct HaproxySection {
  HaproxyLine head;  // "frontend www".
  std::vector<HaproxyLine> lines;
};

// Uses lines that are empty or comments; reports those before any section.
std::vector<HaproxySection> ReadHaproxySections(Ledger& ledger);

// "30s", "1m", "500" (milliseconds): in milliseconds.
std::optional<uint64_t> ReadHaproxyTime(absl::string_view word);

// In whole seconds, at least one.
std::optional<uint32_t> ReadHaproxySeconds(absl::string_view word);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_TEXT_H_
