// The configuration's file, and the revisions before it: what the disk has of a
// change.
//
//   Write()     the file, then its revision. Both are on the disk when it
//               returns, or neither: a process or a machine that ends at any
//               step in between finds the old or the new file, whole.
//   TakeBack()  the same backwards, for a change that could not be applied.
//
// A file that was edited and not read again since is kept as FILE.before when
// it is written over; and so are the comments of one that only memory has a
// revision of.
//
// Errors   kUnavailable: the disk did not take it. kInvalidArgument: too long
//          to be read again.
// Threads  one; one object for a file and a folder.
#ifndef LB_RUN_CONFIG_STORE_H_
#define LB_RUN_CONFIG_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"
#include "lb/config/change_record.h"
#include "lb/config/model.h"
#include "lb/log_record.h"
#include "lb/run/revision_store.h"

namespace ballast::run {

struct ConfigFile {
  config::proto::Config config;
  std::string text;
};
// Errors name the path, and what the parser says (lb/config/load.h).
absl::StatusOr<ConfigFile> ReadConfigFile(const std::string& path);

class ConfigStore {
 public:
  // `text` is the file's. `state_dir` empty: revisions in memory.
  static absl::StatusOr<std::unique_ptr<ConfigStore>> Open(
      std::string path, std::string text, const std::string& state_dir,
      const config::HistoryLimits& limits, Log log);

  absl::Status Write(const config::ChangeRecord& record,
                     const config::proto::Config& config);
  absl::Status TakeBack();

  // The file has been read: `text` is its own. Its revision, unless that is the
  // last one already.
  absl::Status Keep(const config::ChangeRecord& record, std::string text);

  const std::string& path() const { return path_; }
  RevisionStore& revisions() { return *revisions_; }
  const RevisionStore& revisions() const { return *revisions_; }

 private:
  ConfigStore(std::string path, std::string text, bool lasts, Log log)
      : path_(std::move(path)),
        text_(std::move(text)),
        lasts_(lasts),
        log_(std::move(log)) {}
  absl::Status KeepBefore(const std::string& found);
  // What it was, or nothing.
  absl::Status Restore();

  const std::string path_;
  std::string text_;                   // Of the file, as last read or written.
  const bool lasts_;                   // Revisions are on the disk.
  bool written_ = false;               // By this object.
  std::optional<std::string> before_;  // The file before Write().
  std::string text_before_;
  const Log log_;
  std::unique_ptr<RevisionStore> revisions_;
};

}  // namespace ballast::run

#endif  // LB_RUN_CONFIG_STORE_H_
