#include "lb/run/host_reading.h"

#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ballast::run {
namespace {

std::vector<absl::string_view> WordsOf(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

// The words from `first` on; no more than there are numbers.
std::vector<uint64_t> NumbersOf(const std::vector<absl::string_view>& words,
                                size_t first) {
  // So that no sum of them wraps.
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max() / 16;
  std::vector<uint64_t> numbers;
  for (size_t i = first; i < words.size(); ++i) {
    uint64_t number;
    if (!absl::SimpleAtoi(words[i], &number) || number > kMax) break;
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

std::vector<CpuTicks> ReadCpuTicks(absl::string_view stat) {
  std::vector<CpuTicks> cpus;
  for (const absl::string_view line : absl::StrSplit(stat, '\n')) {
    const auto words = WordsOf(line);
    if (words.empty() || !absl::StartsWith(words[0], "cpu")) continue;
    if (cpus.size() > kCpusMax) break;
    const auto ticks = NumbersOf(words, 1);
    // user nice system idle iowait irq softirq steal; guests' time is in user.
    if (ticks.size() < 8) continue;
    cpus.push_back({.name = words[0] == "cpu" ? "total" : std::string(words[0]),
                    .user = ticks[0] + ticks[1],
                    .system = ticks[2],
                    .idle = ticks[3],
                    .io_wait = ticks[4],
                    .interrupts = ticks[5],
                    .soft_interrupts = ticks[6],
                    .stolen = ticks[7]});
  }
  return cpus;
}

MemoryBytes ReadMemory(absl::string_view meminfo) {
  MemoryBytes memory;
  for (const absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    const auto words = WordsOf(line);
    const auto kib = NumbersOf(words, 1);
    if (kib.empty() || kib[0] > std::numeric_limits<uint64_t>::max() / 1024) {
      continue;
    }
    if (words[0] == "MemTotal:") memory.total = kib[0] * 1024;
    if (words[0] == "MemAvailable:") memory.available = kib[0] * 1024;
  }
  if (memory.available > memory.total) memory.available = memory.total;
  return memory;
}

std::vector<LinkBytes> ReadLinks(absl::string_view net_dev) {
  std::vector<LinkBytes> links;
  for (const absl::string_view line : absl::StrSplit(net_dev, '\n')) {
    const size_t colon = line.rfind(':');
    if (colon == absl::string_view::npos || links.size() == kLinksMax) continue;
    const auto name = WordsOf(line.substr(0, colon));
    // Received: bytes and seven more; then the same of what was sent.
    const auto counts = NumbersOf(WordsOf(line.substr(colon + 1)), 0);
    if (name.size() != 1 || name[0] == "lo" || counts.size() < 9) continue;
    links.push_back({std::string(name[0]), counts[0], counts[8]});
  }
  return links;
}

}  // namespace ballast::run
