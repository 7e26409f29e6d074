// Who did what from where and when: a line of the audit. And a configuration
// with such a line above it: a revision of the history, or a backup.
//
//   {"generation":"12","when":"2026-11-22T14:22:22.125Z","user":"admin",
//    "from":"192.0.2.7","what":"addvs 192.0.2.10:80"}                (one line)
//
//   # ballast {"generation":"12", ...}
//   text of the configuration, as its file had it
//
// The first line is a comment of the text format, so a backup is itself a file
// that `ballastd --config` reads. A field that is empty is left out; texts are
// cut at kRecordTextMax bytes, and bytes that are no UTF-8 become "?".
//
// Errors   kInvalidArgument: not such a line.
// Threads  pure functions.
#ifndef LB_CONFIG_CHANGE_RECORD_H_
#define LB_CONFIG_CHANGE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ballast::config {

inline constexpr size_t kRecordTextMax = 1024;
// Of a line: each byte of its four texts may become six.
inline constexpr size_t kRecordLineMax = 32 * 1024;

struct ChangeRecord {
  uint64_t generation = 0;  // After the change.
  absl::Time when;          // Kept to the millisecond.
  std::string user;
  std::string from;
  std::string what;
  std::string refused;  // Why. Empty: it was done.
  bool without_secrets = false;

  friend bool operator==(const ChangeRecord&, const ChangeRecord&) = default;
};

// JSON, without the newline.
std::string FormatRecord(const ChangeRecord& record);
absl::StatusOr<ChangeRecord> ParseRecord(absl::string_view line);

// The comment line, and below it whatever the text is.
std::string FormatKept(const ChangeRecord& record, absl::string_view text);

struct Kept {
  ChangeRecord record;
  absl::string_view text;  // Of what was parsed.
};
absl::StatusOr<Kept> ParseKept(absl::string_view bytes);

}  // namespace ballast::config

#endif  // LB_CONFIG_CHANGE_RECORD_H_
