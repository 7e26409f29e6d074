#include "lb/config/format.h"

#include <google/protobuf/text_format.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "io/base/check.h"

namespace ballast::config {

std::string FormatConfig(const proto::Config& config,
                         absl::string_view comment) {
  std::string text;
  if (!comment.empty()) {
    for (const absl::string_view line : absl::StrSplit(comment, '\n')) {
      absl::StrAppend(&text, "#", line.empty() ? "" : " ", line, "\n");
    }
  }
  google::protobuf::TextFormat::Printer printer;
  printer.SetHideUnknownFields(true);
  std::string fields;
  BALLAST_CHECK(printer.PrintToString(config, &fields));
  return text + fields;
}

}  // namespace ballast::config
