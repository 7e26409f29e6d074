#include "lb/run/revision_store.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "lb/config/load.h"

namespace ballast::run {
namespace {

constexpr absl::string_view kSuffix = ".textproto";
// What no limit makes it forget: one to go back to.
constexpr size_t kRevisionsMin = 2;
constexpr size_t kFileMax = config::kConfigBytesMax + config::kRecordLineMax;

absl::string_view Text(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<RevisionStore>> RevisionStore::Open(
    std::string folder, const config::HistoryLimits& limits, Log log) {
  std::unique_ptr<RevisionStore> store(
      new RevisionStore(std::move(folder), limits, std::move(log)));
  if (!store->folder_.empty()) {
    BALLAST_RETURN_IF_ERROR(MakeFolder(store->folder_));
    BALLAST_RETURN_IF_ERROR(store->ReadFolder());
  }
  return store;
}

absl::Status RevisionStore::ReadFolder() {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           ListFolder(folder_));
  for (const std::string& name : names) {
    absl::string_view digits = name;
    Revision revision;
    if (!absl::ConsumeSuffix(&digits, kSuffix) ||
        !absl::SimpleAtoi(digits, &revision.number) ||
        PathOf(revision.number) != absl::StrCat(folder_, "/", name)) {
      continue;
    }
    const std::string path = PathOf(revision.number);
    const auto begin = ReadFileStart(path, config::kRecordLineMax);
    const auto size = FileSize(path);
    if (!begin.ok() || !size.ok()) continue;
    const auto kept = config::ParseKept(Text(*begin));
    if (!kept.ok()) {
      log_({LogLevel::kWarning, "history_unreadable",
            absl::StrCat(path, ": ", kept.status().message(),
                         ": not in the history")});
      continue;
    }
    revision.record = kept->record;
    revision.bytes = *size;
    bytes_ += *size;
    revisions_.push_back(std::move(revision));
  }
  std::sort(
      revisions_.begin(), revisions_.end(),
      [](const Revision& a, const Revision& b) { return a.number < b.number; });
  Forget();
  return absl::OkStatus();
}

std::string RevisionStore::PathOf(uint64_t number) const {
  return absl::StrFormat("%s/%012d%s", folder_, number, kSuffix);
}

absl::Status RevisionStore::Add(const config::ChangeRecord& record,
                                absl::string_view text) {
  Revision revision;
  revision.number = revisions_.empty() ? 1 : revisions_.back().number + 1;
  revision.record = record;
  std::string kept = config::FormatKept(record, text);
  revision.bytes = kept.size();
  if (folder_.empty()) {
    revision.kept = std::move(kept);
  } else if (absl::Status status = WriteFileAtomically(
                 PathOf(revision.number),
                 {reinterpret_cast<const uint8_t*>(kept.data()), kept.size()});
             !status.ok()) {
    // It may be there, though not for sure.
    RemoveFileOf(revision.number);
    return status;
  }
  bytes_ += revision.bytes;
  revisions_.push_back(std::move(revision));
  Forget();
  return absl::OkStatus();
}

void RevisionStore::TakeBack() {
  if (revisions_.empty()) return;
  if (!folder_.empty()) RemoveFileOf(revisions_.back().number);
  bytes_ -= revisions_.back().bytes;
  revisions_.pop_back();
}

void RevisionStore::Forget() {
  while (revisions_.size() > kRevisionsMin &&
         (revisions_.size() > limits_.revisions ||
          bytes_ > limits_.revision_bytes)) {
    if (!folder_.empty()) RemoveFileOf(revisions_.front().number);
    bytes_ -= revisions_.front().bytes;
    revisions_.pop_front();
  }
}

void RevisionStore::RemoveFileOf(uint64_t number) {
  if (const auto removed = RemoveFile(PathOf(number)); !removed.ok()) {
    log_({LogLevel::kWarning, "history_error", std::string(removed.message())});
  }
}

std::vector<config::ChangeRecord> RevisionStore::List() const {
  std::vector<config::ChangeRecord> records;
  for (auto it = revisions_.rbegin(); it != revisions_.rend(); ++it) {
    records.push_back(it->record);
  }
  return records;
}

absl::StatusOr<std::string> RevisionStore::TextOf(uint64_t generation) const {
  for (auto it = revisions_.rbegin(); it != revisions_.rend(); ++it) {
    if (it->record.generation == generation) return TextOf(*it);
  }
  return absl::NotFoundError(
      absl::StrCat("generation ", generation, ": not in the history"));
}

absl::StatusOr<std::string> RevisionStore::NewestText() const {
  if (empty()) return absl::NotFoundError("the history is empty");
  return TextOf(revisions_.back());
}

absl::StatusOr<std::string> RevisionStore::TextOf(
    const Revision& revision) const {
  std::vector<uint8_t> bytes;
  absl::string_view kept = revision.kept;
  if (!folder_.empty()) {
    BALLAST_ASSIGN_OR_RETURN(bytes,
                             ReadFile(PathOf(revision.number), kFileMax));
    kept = Text(bytes);
  }
  BALLAST_ASSIGN_OR_RETURN(const config::Kept parsed, config::ParseKept(kept));
  return std::string(parsed.text);
}

void RevisionStore::SetLimits(const config::HistoryLimits& limits) {
  limits_ = limits;
  Forget();
}

}  // namespace ballast::run
