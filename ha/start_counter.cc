#include "ha/start_counter.h"

#include <algorithm>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "io/base/check.h"
#include "io/base/siphash.h"

namespace ballast::ha {
namespace {

constexpr absl::string_view kTitle = "ballast starts 1";

// Differences of any two stamps a file can hold fit a Duration, not an int64.
absl::Duration Age(const StartStamp& start, const StartStamp& now) {
  const absl::Duration age = start.kernel_boot == now.kernel_boot
                                 ? absl::Nanoseconds(now.since_boot_ns) -
                                       absl::Nanoseconds(start.since_boot_ns)
                                 : absl::Nanoseconds(now.calendar_ns) -
                                       absl::Nanoseconds(start.calendar_ns);
  return std::max(age, absl::ZeroDuration());
}

uint64_t Sum(absl::string_view text) {
  return SipHash24(
      {}, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("remembered starts: ", what));
}

}  // namespace

StartVerdict CountStart(const StartHistory& history, const StartStamp& now,
                        const StartLimits& limits) {
  BALLAST_CHECK(limits.limit <= kStartsMax);
  StartVerdict verdict;
  if (!history.stable) {  // H11, and it holds for a free unit as well.
    for (const StartStamp& start : history.starts) {
      if (Age(start, now) < limits.window) {
        verdict.history.starts.push_back(start);
      }
    }
    verdict.pacified = history.pacified;  // H10
  }
  auto& starts = verdict.history.starts;
  starts.push_back(now);
  verdict.count = starts.size();
  verdict.pacified |= verdict.count >= limits.limit;  // H9
  if (limits.limit == 0) verdict.pacified = false;
  if (starts.size() > kStartsMax) {
    starts.erase(starts.begin(),
                 starts.end() - static_cast<ptrdiff_t>(kStartsMax));
  }
  verdict.history.pacified = verdict.pacified;
  return verdict;
}

bool RecordUptime(StartHistory& history, absl::Duration uptime,
                  const StartLimits& limits) {
  if (history.stable || uptime < limits.window) return false;
  history.stable = true;
  return true;
}

std::string FormatStartHistory(const StartHistory& history) {
  BALLAST_CHECK(history.starts.size() <= kStartsMax);
  std::string text =
      absl::StrCat(kTitle, "\npacified ", history.pacified ? 1 : 0, "\nstable ",
                   history.stable ? 1 : 0, "\n");
  for (const StartStamp& start : history.starts) {
    const absl::string_view boot(
        reinterpret_cast<const char*>(start.kernel_boot.data()),
        start.kernel_boot.size());
    absl::StrAppend(&text, "start ", absl::BytesToHexString(boot), " ",
                    start.since_boot_ns, " ", start.calendar_ns, "\n");
  }
  absl::StrAppend(&text, "sum ", absl::StrFormat("%016x", Sum(text)), "\n");
  return text;
}

absl::StatusOr<StartHistory> ParseStartHistory(absl::string_view text) {
  StartHistory history;
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  // Title, two flags, the sum, and nothing after its newline.
  if (lines.size() < 5 || lines.size() > 5 + kStartsMax) {
    return Damaged(absl::StrCat(lines.size(), " lines"));
  }
  if (lines[0] != kTitle) return Damaged("unknown first line");
  if (lines[1] != "pacified 0" && lines[1] != "pacified 1") {
    return Damaged("line 2 is not pacified 0 or 1");
  }
  if (lines[2] != "stable 0" && lines[2] != "stable 1") {
    return Damaged("line 3 is not stable 0 or 1");
  }
  history.pacified = lines[1].back() == '1';
  history.stable = lines[2].back() == '1';
  for (size_t i = 3; i + 2 < lines.size(); ++i) {
    const std::vector<absl::string_view> words = absl::StrSplit(lines[i], ' ');
    StartStamp start;
    if (words.size() != 4 || words[0] != "start" || words[1].size() != 32 ||
        !std::all_of(words[1].begin(), words[1].end(),
                     [](char c) { return absl::ascii_isxdigit(c); }) ||
        !absl::SimpleAtoi(words[2], &start.since_boot_ns) ||
        start.since_boot_ns < 0 ||
        !absl::SimpleAtoi(words[3], &start.calendar_ns)) {
      return Damaged(absl::StrCat("line ", i + 1, " is not a start"));
    }
    const std::string boot = absl::HexStringToBytes(words[1]);
    std::copy(boot.begin(), boot.end(), start.kernel_boot.begin());
    history.starts.push_back(start);
  }
  // Written again it must be the same, sum included: one form of each file.
  if (FormatStartHistory(history) != text) return Damaged("wrong sum");
  return history;
}

}  // namespace ballast::ha
