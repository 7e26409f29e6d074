// The configurations that were in force, newest last: in a folder, each a file
// of its own (config::FormatKept), or without one in memory.
//
// Bounds   config::HistoryLimits: the oldest go first, the last two stay.
// Errors   Add() leaves nothing of a revision that the disk did not take. A
//          file that is none of ours is left alone; one that is damaged is not
//          listed, and the log says so.
// Cost     Add() a sync of the file and one of the folder.
// Threads  one; one object for a folder.
#ifndef LB_RUN_REVISION_STORE_H_
#define LB_RUN_REVISION_STORE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/config/change_record.h"
#include "lb/config/model.h"
#include "lb/log_record.h"

namespace ballast::run {

class RevisionStore {
 public:
  // `folder` is made; empty: in memory.
  static absl::StatusOr<std::unique_ptr<RevisionStore>> Open(
      std::string folder, const config::HistoryLimits& limits, Log log);

  // `text` as the configuration's file has it.
  absl::Status Add(const config::ChangeRecord& record, absl::string_view text);
  // Of the last Add().
  void TakeBack();

  // Newest first.
  std::vector<config::ChangeRecord> List() const;
  // Of the newest one with that generation.
  //   kNotFound  none is kept
  absl::StatusOr<std::string> TextOf(uint64_t generation) const;
  // Of the newest one of all.
  absl::StatusOr<std::string> NewestText() const;
  bool empty() const { return revisions_.empty(); }
  const config::ChangeRecord& newest() const {
    return revisions_.back().record;
  }

  void SetLimits(const config::HistoryLimits& limits);

 private:
  struct Revision {
    uint64_t number = 0;  // Of its file; ascending.
    uint64_t bytes = 0;
    config::ChangeRecord record;
    std::string kept;  // Without a folder.
  };

  RevisionStore(std::string folder, const config::HistoryLimits& limits,
                Log log)
      : folder_(std::move(folder)), limits_(limits), log_(std::move(log)) {}
  absl::Status ReadFolder();
  absl::StatusOr<std::string> TextOf(const Revision& revision) const;
  std::string PathOf(uint64_t number) const;
  void Forget();
  void RemoveFileOf(uint64_t number);

  const std::string folder_;
  config::HistoryLimits limits_;
  const Log log_;
  std::deque<Revision> revisions_;
  uint64_t bytes_ = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_REVISION_STORE_H_
