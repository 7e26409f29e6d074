#include "examples/ctl/convert/haproxy_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ballast::ctl {
namespace {

constexpr absl::string_view kSections[] = {
    "global",   "defaults", "frontend",    "backend",     "listen",
    "userlist", "peers",    "resolvers",   "mailers",     "cache",
    "program",  "ring",     "log-forward", "http-errors", "fcgi-app"};

std::vector<std::string> Words(absl::string_view line, int number,
                               Ledger& ledger) {
  std::vector<std::string> words;
  bool open = false;  // The last word may go on.
  char quote = 0;
  const auto add = [&](char c) {
    if (!open) words.emplace_back();
    open = true;
    words.back().push_back(c);
  };
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote == '"' && i + 1 < line.size()) {
        add(line[++i]);
      } else {
        add(c);
      }
    } else if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      open = false;
    } else if (c == '#') {
      break;
    } else if (c == '"' || c == '\'') {
      quote = c;
      if (!open) words.emplace_back();
      open = true;
    } else if (c == '\\' && i + 1 < line.size()) {
      add(line[++i]);
    } else {
      add(c);
    }
  }
  if (quote != 0) ledger.Lose(number, line, "a quote does not end");
  return words;
}

}  // namespace

std::string HaproxyLine::Rest(size_t number) const {
  return absl::StrJoin(
      words.begin() + static_cast<ptrdiff_t>(std::min(number, words.size())),
      words.end(), " ");
}

std::vector<HaproxySection> ReadHaproxySections(Ledger& ledger) {
  std::vector<HaproxySection> sections;
  for (int number = 1; number <= ledger.line_count(); ++number) {
    HaproxyLine line = {number, Words(ledger.line(number), number, ledger)};
    if (line.words.empty()) {
      ledger.Use(number);
    } else if (std::find(std::begin(kSections), std::end(kSections),
                         line.words[0]) != std::end(kSections)) {
      sections.push_back({std::move(line), {}});
    } else if (sections.empty()) {
      ledger.Lose(number, line.words[0], "is in no section");
    } else {
      sections.back().lines.push_back(std::move(line));
    }
  }
  return sections;
}

std::optional<uint64_t> ReadHaproxyTime(absl::string_view word) {
  const size_t end =
      std::min(word.find_first_not_of("0123456789"), word.size());
  const absl::string_view unit = word.substr(end);
  uint64_t number;
  if (end == 0 || end > 9 || !absl::SimpleAtoi(word.substr(0, end), &number)) {
    return std::nullopt;
  }
  if (unit == "us") return number / 1000;
  if (unit.empty() || unit == "ms") return number;
  if (unit == "s") return number * 1000;
  if (unit == "m") return number * 60'000;
  if (unit == "h") return number * 3'600'000;
  if (unit == "d") return number * 86'400'000;
  return std::nullopt;
}

std::optional<uint32_t> ReadHaproxySeconds(absl::string_view word) {
  const auto time = ReadHaproxyTime(word);
  if (!time) return std::nullopt;
  return static_cast<uint32_t>(
      std::clamp<uint64_t>((*time + 999) / 1000, 1, 1'000'000'000));
}

}  // namespace ballast::ctl
