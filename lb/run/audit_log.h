// Who changed what, and who was refused: lines of JSON (config::FormatRecord)
// in FOLDER/audit.log, the last one last; when that is full it becomes
// audit.log.1, and so on. Without a folder in memory.
//
// Bounds   config::HistoryLimits; in memory audit_bytes.
// Errors   a line the disk did not take is counted and logged: what it is about
//          goes on.
// Cost     a write, which is not synced: the end of the process loses no line,
//          a power failure may lose the last ones. (What was accepted is in the
//          history, which is.)
// Threads  one; one object for a folder.
#ifndef LB_RUN_AUDIT_LOG_H_
#define LB_RUN_AUDIT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "lb/config/change_record.h"
#include "lb/config/model.h"
#include "lb/log_record.h"

namespace ballast::run {

class AuditLog {
 public:
  // `folder` is there; empty: in memory.
  AuditLog(std::string folder, const config::HistoryLimits& limits, Log log);

  void Add(const config::ChangeRecord& record);
  // The last lines, each with its newline, the last one last: at most
  // `lines_max`, and 96 KiB.
  std::string Tail(size_t lines_max) const;
  // Lines that the disk did not take.
  uint64_t lost() const { return lost_; }

  void SetLimits(const config::HistoryLimits& limits) { limits_ = limits; }

 private:
  std::string Path(uint32_t number) const;
  void Rotate();

  const std::string folder_;
  config::HistoryLimits limits_;
  const Log log_;
  uint64_t bytes_ = 0;  // Of the file written to, or in memory.
  uint64_t lost_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace ballast::run

#endif  // LB_RUN_AUDIT_LOG_H_
