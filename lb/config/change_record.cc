#include "lb/config/change_record.h"

#include <google/protobuf/util/json_util.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/config/change_record.pb.h"
#include "lb/config/utf8.h"

namespace ballast::config {
namespace {

constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E3SZ";
constexpr absl::string_view kPrefix = "# ballast ";

std::string Bounded(absl::string_view text) {
  std::string bounded;
  for (size_t i = 0; i < text.size();) {
    const size_t size = Utf8Size(text.substr(i));
    const size_t taken = size == 0 ? 1 : size;
    if (bounded.size() + taken > kRecordTextMax) break;
    if (size == 0) {
      bounded += '?';
    } else {
      bounded.append(text.data() + i, size);
    }
    i += taken;
  }
  return bounded;
}

}  // namespace

std::string FormatRecord(const ChangeRecord& record) {
  proto::ChangeRecord message;
  message.set_generation(record.generation);
  message.set_when(
      absl::FormatTime(kTimeFormat, record.when, absl::UTCTimeZone()));
  message.set_user(Bounded(record.user));
  message.set_from(Bounded(record.from));
  message.set_what(Bounded(record.what));
  message.set_refused(Bounded(record.refused));
  message.set_without_secrets(record.without_secrets);
  std::string line;
  BALLAST_CHECK(
      google::protobuf::util::MessageToJsonString(message, &line).ok());
  return line;
}

absl::StatusOr<ChangeRecord> ParseRecord(absl::string_view line) {
  if (line.size() > kRecordLineMax) {
    return absl::InvalidArgumentError(absl::StrCat("a record of ", line.size(),
                                                   " bytes, must be at most ",
                                                   kRecordLineMax));
  }
  proto::ChangeRecord message;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // Of a later version.
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(line.data(), line.size()), &message,
      options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no record: ", std::string(status.message())));
  }
  ChangeRecord record;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, message.when(), &record.when,
                       &error)) {
    return absl::InvalidArgumentError(absl::StrCat("when: ", error));
  }
  record.generation = message.generation();
  record.user = message.user();
  record.from = message.from();
  record.what = message.what();
  record.refused = message.refused();
  record.without_secrets = message.without_secrets();
  return record;
}

std::string FormatKept(const ChangeRecord& record, absl::string_view text) {
  return absl::StrCat(kPrefix, FormatRecord(record), "\n", text);
}

absl::StatusOr<Kept> ParseKept(absl::string_view bytes) {
  Kept kept;
  const size_t end = bytes.find('\n');
  absl::string_view line = bytes.substr(0, end);
  if (end == absl::string_view::npos || !absl::ConsumePrefix(&line, kPrefix)) {
    return absl::InvalidArgumentError("its first line is no record");
  }
  BALLAST_ASSIGN_OR_RETURN(kept.record, ParseRecord(line));
  kept.text = bytes.substr(end + 1);
  return kept;
}

}  // namespace ballast::config
