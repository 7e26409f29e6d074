#include "lb/run/audit_log.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/file.h"

namespace ballast::run {
namespace {

constexpr size_t kTailMax = 96 * 1024;

std::string EndOf(const std::string& path) {
  const auto bytes = ReadFileEnd(path, kTailMax);
  if (!bytes.ok()) return "";
  std::string text(bytes->begin(), bytes->end());
  // A line that was cut, or whose writing was.
  if (text.size() == kTailMax) text.erase(0, text.find('\n') + 1);
  text.resize(text.rfind('\n') + 1);
  return text;
}

}  // namespace

AuditLog::AuditLog(std::string folder, const config::HistoryLimits& limits,
                   Log log)
    : folder_(std::move(folder)), limits_(limits), log_(std::move(log)) {
  if (folder_.empty()) return;
  bytes_ = FileSize(Path(0)).value_or(0);
  // The last process may have died within a line.
  const auto last = ReadFileEnd(Path(0), 1);
  if (last.ok() && last->size() == 1 && (*last)[0] != '\n') {
    const uint8_t newline = '\n';
    if (AppendToFile(Path(0), {&newline, 1}).ok()) ++bytes_;
  }
}

std::string AuditLog::Path(uint32_t number) const {
  return number == 0 ? absl::StrCat(folder_, "/audit.log")
                     : absl::StrCat(folder_, "/audit.log.", number);
}

void AuditLog::Rotate() {
  bytes_ = 0;
  for (uint32_t number = limits_.audit_files; number > 0; --number) {
    const absl::Status status = RenameFile(Path(number - 1), Path(number));
    if (!status.ok() && !absl::IsNotFound(status)) {
      log_({LogLevel::kWarning, "audit_error", std::string(status.message())});
    }
  }
  if (limits_.audit_files > 0) return;
  if (const auto removed = RemoveFile(Path(0)); !removed.ok()) {
    log_({LogLevel::kWarning, "audit_error", std::string(removed.message())});
  }
}

void AuditLog::Add(const config::ChangeRecord& record) {
  std::string line = absl::StrCat(config::FormatRecord(record), "\n");
  const size_t size = line.size();
  if (folder_.empty()) {
    lines_.push_back(std::move(line));
    bytes_ += size;
    while (bytes_ > limits_.audit_bytes && lines_.size() > 1) {
      bytes_ -= lines_.front().size();
      lines_.pop_front();
    }
    return;
  }
  if (bytes_ > 0 && bytes_ + size > limits_.audit_bytes) Rotate();
  const absl::Status written = AppendToFile(
      Path(0), {reinterpret_cast<const uint8_t*>(line.data()), size});
  if (!written.ok()) {
    ++lost_;
    line.pop_back();
    log_({LogLevel::kError, "audit_lost",
          absl::StrCat(written.message(), ": not in the audit: ", line)});
    return;
  }
  bytes_ += size;
}

std::string AuditLog::Tail(size_t lines_max) const {
  std::string text;
  if (folder_.empty()) {
    for (auto it = lines_.rbegin(); it != lines_.rend(); ++it) {
      if (text.size() + it->size() > kTailMax) break;
      text.insert(0, *it);
    }
  } else {
    text = EndOf(Path(0));
    for (uint32_t number = 1;
         number <= limits_.audit_files && text.size() < kTailMax; ++number) {
      std::string before = EndOf(Path(number));
      if (before.empty()) break;
      const size_t room = kTailMax - text.size();
      if (before.size() > room) {
        // Whole lines, of those that have room the last.
        const size_t cut = before.find('\n', before.size() - room);
        before.erase(0, cut == std::string::npos ? before.size() : cut + 1);
        if (before.empty()) break;
      }
      text.insert(0, before);
    }
  }
  size_t begin = text.size();
  for (size_t lines = 0; lines < lines_max && begin > 0; ++lines) {
    const size_t newline =
        begin < 2 ? std::string::npos : text.rfind('\n', begin - 2);
    begin = newline == std::string::npos ? 0 : newline + 1;
  }
  return text.substr(begin);
}

}  // namespace ballast::run
