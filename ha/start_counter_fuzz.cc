// Properties: what parses is written as the very same bytes; any history that
// parses, with any stamp, gives one that can be written and read again.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "ha/start_counter.h"
#include "io/base/check.h"

namespace {

using namespace ballast::ha;

void Exercise(const StartHistory& history, const StartStamp& now) {
  for (const size_t limit : {size_t{0}, size_t{4}, kStartsMax}) {
    const StartVerdict verdict = CountStart(history, now, {.limit = limit});
    BALLAST_CHECK(verdict.count >= 1);
    BALLAST_CHECK(verdict.pacified == verdict.history.pacified);
    const auto again = ParseStartHistory(FormatStartHistory(verdict.history));
    BALLAST_CHECK(again.ok() && *again == verdict.history);
  }
}

// Histories straight from the bytes: mutations seldom guess a checksum.
StartHistory FromBytes(const uint8_t* data, size_t size) {
  StartHistory history;
  for (size_t i = 0; i + 17 <= size && history.starts.size() < kStartsMax;
       i += 17) {
    StartStamp start;
    start.kernel_boot.fill(data[i] & 3);
    uint64_t words[2] = {};
    for (size_t k = 0; k < 16; ++k) {
      words[k / 8] = words[k / 8] << 8 | data[i + 1 + k];
    }
    start.since_boot_ns = static_cast<int64_t>(words[0] >> 1);
    start.calendar_ns = static_cast<int64_t>(words[1]);
    history.starts.push_back(start);
  }
  history.pacified = size % 2 == 1;
  history.stable = size % 3 == 1;
  return history;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto history = ParseStartHistory(text); history.ok()) {
    BALLAST_CHECK(FormatStartHistory(*history) == text);
    Exercise(*history, StartStamp());
  }
  const StartHistory history = FromBytes(data, size);
  Exercise(history,
           history.starts.empty() ? StartStamp() : history.starts.front());
  return 0;
}
