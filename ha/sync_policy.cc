#include "ha/sync_policy.h"

#include <algorithm>

namespace ballast::ha {
namespace {

// IPVS keeps retries in two bits.
constexpr uint32_t kRetriesMax = 3;

// How many of the counts 0..count are `threshold` modulo `period`.
uint32_t Marks(uint32_t count, uint32_t period, uint32_t threshold) {
  return count < threshold ? 0 : (count - threshold) / period + 1;
}

// Whether a count in (before, after] is `threshold` modulo `period`.
bool CrossedMark(uint32_t before, uint32_t after, uint32_t period,
                 uint32_t threshold) {
  if (threshold >= period) return false;
  const uint32_t marks = Marks(after, period, threshold);
  if (after > before) return marks != Marks(before, period, threshold);
  // The count wrapped: what was left of the old round, and 0..after.
  return marks != 0 || Marks(UINT32_MAX, period, threshold) !=
                           Marks(before, period, threshold);
}

}  // namespace

bool AskSyncPolicy(const SyncSettings& settings, const SyncQuestion& question,
                   SyncMemory& memory) {
  const uint32_t packets = question.count_after - question.count_before;
  if (packets == 0) return false;

  const uint32_t new_end = question.now_ms + question.timeout_ms;
  const auto yes = [&](uint8_t retries) {
    memory = {new_end, question.state, retries};
    return true;
  };

  if (question.has_states && !question.is_template) {
    if (!question.state_synced) return false;  // Step 4.
    if (question.state != memory.last_state && !question.state_established) {
      return yes(0);  // Step 5.
    }
  }

  uint8_t retries = 0;
  if (settings.refresh_s > 0) {  // Step 6.
    const int64_t refresh_ms = int64_t{settings.refresh_s} * 1000;
    const int64_t limit_ms =
        std::min(refresh_ms, std::max<int64_t>(question.timeout_ms / 2, 10000));
    // Signed: the clock wraps, and a shorter timeout moves the end back.
    const int64_t shift_ms = static_cast<int32_t>(new_end - memory.end_ms);
    if (shift_ms < limit_ms && shift_ms > -limit_ms) {
      if (memory.retries >= std::min(settings.retries, kRetriesMax)) {
        return false;  // 6a.
      }
      // Step 6b: the last record is said to have gone out a timeout before the
      // end, and shift_ms is how long that is ago.
      if (shift_ms < refresh_ms / 8) return false;
      retries = memory.retries + 1;  // 6c.
    }
  }

  if (settings.period > 0) {  // Step 7.
    if (!question.is_template &&
        !CrossedMark(question.count_before, question.count_after,
                     settings.period, settings.threshold)) {
      return false;
    }
  } else if (settings.refresh_s == 0) {  // Step 7'.
    const uint32_t distance = settings.threshold - question.count_before;
    if (distance == 0 || distance > packets) return false;
  }
  return yes(retries);  // Step 8.
}

}  // namespace ballast::ha
