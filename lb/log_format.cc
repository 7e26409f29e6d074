#include "lb/log_format.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "lb/config/utf8.h"

namespace ballast {
namespace {

// Of output, each; together with names and punctuation below the line's bound.
constexpr size_t kMessageMax = 2400, kFieldMax = 150, kNameMax = 32;
static_assert(kMessageMax + kLogFieldsMax * (kFieldMax + kNameMax + 6) + 160 <=
              kLogLineBytesMax);

constexpr absl::string_view kCut = "...", kReplacement = "\xef\xbf\xbd";

// Appends `text`, each character as `escape` (character → text) makes it, in at
// most `max` bytes.
template <typename Escape>
void Append(absl::string_view text, size_t max, Escape escape,
            std::string* out) {
  const size_t begin = out->size();
  size_t cut = begin;  // Up to where there is room for kCut after it.
  while (!text.empty()) {
    const size_t size = config::Utf8Size(text);
    absl::StrAppend(out,
                    size == 0 ? kReplacement : escape(text.substr(0, size)));
    if (out->size() - begin > max) {
      out->resize(cut);
      out->append(kCut.data(), kCut.size());
      return;
    }
    if (out->size() - begin + kCut.size() <= max) cut = out->size();
    text.remove_prefix(std::max<size_t>(size, 1));
  }
}

bool IsControl(absl::string_view character) {
  const uint8_t byte = static_cast<uint8_t>(character[0]);
  // C0, DEL; C1 (U+0080 to U+009F), which terminals obey too.
  return byte < 0x20 || byte == 0x7f ||
         (byte == 0xc2 && static_cast<uint8_t>(character[1]) < 0xa0);
}

std::string ForJson(absl::string_view character) {
  if (character == "\"" || character == "\\") {
    return absl::StrCat("\\", character);
  }
  if (character == "\n") return "\\n";
  if (!IsControl(character)) return std::string(character);
  return absl::StrFormat("\\u%04x",
                         static_cast<uint8_t>(character[character.size() - 1]));
}

std::string ForText(absl::string_view character) {
  if (character == "\n") return "\n  ";
  return IsControl(character) ? "?" : std::string(character);
}

}  // namespace

absl::string_view LogLevelName(LogLevel level) {
  return level == LogLevel::kInfo      ? "info"
         : level == LogLevel::kWarning ? "warning"
                                       : "error";
}

std::string TextLogLine(const LogRecord& record, absl::Time at,
                        absl::TimeZone zone) {
  std::string line = absl::FormatTime("%H:%M:%E3S ", at, zone);
  if (record.level != LogLevel::kInfo) {
    absl::StrAppend(&line, LogLevelName(record.level), ": ");
  }
  Append(record.message, kMessageMax, ForText, &line);
  line += '\n';
  return line;
}

std::string JsonLogLine(const LogRecord& record, absl::Time at) {
  std::string line = absl::StrCat(
      "{\"time\":\"",
      absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", at, absl::UTCTimeZone()),
      "\",\"level\":\"", LogLevelName(record.level), "\"");
  const auto field = [&](absl::string_view name, absl::string_view value,
                         size_t max) {
    absl::StrAppend(&line, ",\"");
    Append(name, kNameMax, ForJson, &line);
    absl::StrAppend(&line, "\":\"");
    Append(value, max, ForJson, &line);
    absl::StrAppend(&line, "\"");
  };
  field("event", record.event, kNameMax);
  field("message", record.message, kMessageMax);
  const size_t count = std::min(record.about.size(), kLogFieldsMax);
  for (size_t i = 0; i < count; ++i) {
    field(record.about[i].first, record.about[i].second, kFieldMax);
  }
  line += "}\n";
  return line;
}

}  // namespace ballast
