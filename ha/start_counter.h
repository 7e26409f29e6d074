// Restarted too often? The unit is pacified then: it takes no part in the pair
// until it has shown that it can stay up (H9-H12 of the LoadMaster behaviour
// document §2.3).
//
// Pure: what was remembered of earlier starts and the stamp of this one go in,
// the verdict and what to remember come out. The owner keeps the file: reads it
// at the start, writes what CountStart() returns before it does anything else,
// and calls RecordUptime() while it runs.
//
//   H9   starts younger than `window` are counted, this one included; `limit`
//        of them pacify ("more than 3 reboots in 5 minutes": the 4th)
//   H10  a pacified unit that starts again before it was up for `window` stays
//        pacified
//   H11  one that was up for `window` and then starts is free, and what was
//        remembered is forgotten. Waiting alone frees nobody
//
// Stamps   the age of a start is told by the clock since the kernel's boot if
//          it is the same boot, which nothing can set; after a reboot by
//          calendar time, which can step: an age below zero counts as zero, so
//          that a clock set back hides no restart. How long a run lasted is
//          never taken from stamps (a unit may have been off in between) but
//          from the run itself: once up for `window` it says so in the file,
//          and then nothing before it counts. That also keeps a machine without
//          a battery clock, all of whose boots look alike, from being pacified
//          by reboots that are days apart.
// Threads  one.
#ifndef HA_START_COUNTER_H_
#define HA_START_COUNTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ballast::ha {

struct StartStamp {
  std::array<uint8_t, 16> kernel_boot{};  // Linux: its random boot_id.
  int64_t since_boot_ns = 0;              // CLOCK_BOOTTIME; >= 0.
  int64_t calendar_ns = 0;                // Since 1970.

  friend bool operator==(const StartStamp&, const StartStamp&) = default;
};

// At most so many starts are remembered, and can be a limit.
inline constexpr size_t kStartsMax = 64;

// What the file holds.
struct StartHistory {
  std::vector<StartStamp>
      starts;             // Oldest first; the last is the latest run's.
  bool pacified = false;  // The latest run is, or was.
  bool stable = false;    // The latest run was up for the window.

  friend bool operator==(const StartHistory&, const StartHistory&) = default;
};

struct StartLimits {
  size_t limit = 4;  // 0: off; at most kStartsMax.
  absl::Duration window = absl::Seconds(300);
};

struct StartVerdict {
  bool pacified = false;
  size_t count = 0;  // Starts within the window, this one included.
  StartHistory history;
};
StartVerdict CountStart(const StartHistory& history, const StartStamp& now,
                        const StartLimits& limits);

// The latest run has been up for so long. True: the history changed, and is to
// be written. Call it when the window is over; more often does no harm.
bool RecordUptime(StartHistory& history, absl::Duration uptime,
                  const StartLimits& limits);

// The file: text, one line a fact, the last a checksum against accidents
// (SipHash-2-4, key 0, of all before it).
//   ballast starts 1
//   pacified 0
//   stable 1
//   start <boot id, 32 hex digits> <since boot, ns> <calendar, ns>
//   sum <16 hex digits>
std::string FormatStartHistory(const StartHistory& history);
// kDataLoss says what is wrong; the owner logs it and begins with an empty
// history: a file that was cut short must not keep a unit out of service.
absl::StatusOr<StartHistory> ParseStartHistory(absl::string_view text);

}  // namespace ballast::ha

#endif  // HA_START_COUNTER_H_
