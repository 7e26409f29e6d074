#include "lb/run/config_store.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "lb/config/format.h"
#include "lb/config/load.h"

namespace ballast::run {
namespace {

constexpr char kComment[] =
    "Written by the program for the change in the line above. Comments last "
    "until the\nnext such change; the history keeps the file before it.";

std::span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

absl::Status Unavailable(const absl::Status& why) {
  return absl::UnavailableError(why.message());
}

}  // namespace

absl::StatusOr<ConfigFile> ReadConfigFile(const std::string& path) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(path, config::kConfigBytesMax));
  ConfigFile file;
  file.text.assign(bytes.begin(), bytes.end());
  auto parsed = config::ParseConfig(file.text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":\n", parsed.status().message()));
  }
  file.config = *std::move(parsed);
  return file;
}

absl::StatusOr<std::unique_ptr<ConfigStore>> ConfigStore::Open(
    std::string path, std::string text, const std::string& state_dir,
    const config::HistoryLimits& limits, Log log) {
  std::string folder;
  if (!state_dir.empty()) folder = absl::StrCat(state_dir, "/history");
  std::unique_ptr<ConfigStore> store(
      new ConfigStore(std::move(path), std::move(text), !folder.empty(), log));
  BALLAST_ASSIGN_OR_RETURN(
      store->revisions_,
      RevisionStore::Open(std::move(folder), limits, std::move(log)));
  return store;
}

absl::Status ConfigStore::KeepBefore(const std::string& found) {
  const bool edited = found != text_;
  // What was never read, or whose revision is in memory, is nowhere else.
  if (!edited && (lasts_ || written_)) return absl::OkStatus();
  const std::string path = absl::StrCat(path_, ".before");
  BALLAST_RETURN_IF_ERROR(WriteFileAtomically(path, BytesOf(found)));
  if (edited) {
    log_({LogLevel::kWarning, "configuration_edited",
          absl::StrCat(path_, ": was edited and not read again: kept as ",
                       path)});
  }
  return absl::OkStatus();
}

absl::Status ConfigStore::Write(const config::ChangeRecord& record,
                                const config::proto::Config& config) {
  std::string text =
      config::FormatKept(record, config::FormatConfig(config, kComment));
  if (text.size() > config::kConfigBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("configuration: ", text.size(),
                     " bytes as text, must be "
                     "at most ",
                     config::kConfigBytesMax));
  }
  before_.reset();
  const auto found = ReadFile(path_, config::kConfigBytesMax);
  if (found.ok()) {
    before_.emplace(found->begin(), found->end());
    if (absl::Status status = KeepBefore(*before_); !status.ok()) {
      return Unavailable(status);
    }
  } else if (!absl::IsNotFound(found.status())) {
    return Unavailable(found.status());
  }
  absl::Status status = WriteFileAtomically(path_, BytesOf(text));
  if (status.ok()) status = revisions_->Add(record, text);
  if (!status.ok()) {
    // The file may be the new one, though not for sure.
    if (const absl::Status restored = Restore(); !restored.ok()) {
      log_({LogLevel::kError, "configuration_file_error",
            std::string(restored.message())});
    }
    return Unavailable(status);
  }
  text_before_ = std::exchange(text_, std::move(text));
  written_ = true;
  return absl::OkStatus();
}

absl::Status ConfigStore::Restore() {
  const auto found = ReadFile(path_, config::kConfigBytesMax);
  if (found.ok() && before_.has_value() &&
      std::equal(
          found->begin(), found->end(), before_->begin(), before_->end(),
          [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); })) {
    return absl::OkStatus();
  }
  if (!before_.has_value()) return RemoveFile(path_);
  return WriteFileAtomically(path_, BytesOf(*before_));
}

absl::Status ConfigStore::TakeBack() {
  revisions_->TakeBack();
  text_ = std::move(text_before_);
  return Restore();
}

absl::Status ConfigStore::Keep(const config::ChangeRecord& record,
                               std::string text) {
  text_ = std::move(text);
  written_ = false;
  const auto newest = revisions_->NewestText();
  if (newest.ok() && *newest == text_) return absl::OkStatus();
  if (const absl::Status status = revisions_->Add(record, text_);
      !status.ok()) {
    return Unavailable(status);
  }
  return absl::OkStatus();
}

}  // namespace ballast::run
