#include "lb/config/load.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ballast::config {
namespace {

// Protobuf's own recursion limit bounds the nesting; this bounds the report.
constexpr int kReportedMax = 20;

class ErrorLines : public google::protobuf::io::ErrorCollector {
 public:
  // Protobuf counts lines and columns from 0, and has line -1 for what belongs
  // to none.
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (++count_ > kReportedMax) return;
    if (!text_.empty()) text_ += '\n';
    if (line >= 0) {
      absl::StrAppend(&text_, "line ", line + 1, ", column ", column + 1, ": ");
    }
    text_ += message;
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int count_ = 0;
};

absl::StatusOr<proto::Config> ParseTextproto(absl::string_view text) {
  proto::Config config;
  ErrorLines errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  google::protobuf::io::ArrayInputStream stream(text.data(),
                                                static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &config)) {
    return absl::InvalidArgumentError(errors.text());
  }
  return config;
}

absl::StatusOr<proto::Config> ParseJson(absl::string_view text) {
  proto::Config config;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &config);
  if (!status.ok()) {
    return absl::InvalidArgumentError(std::string(status.message()));
  }
  return config;
}

bool LooksLikeJson(absl::string_view text) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  return start != absl::string_view::npos && text[start] == '{';
}

}  // namespace

absl::StatusOr<proto::Config> ParseConfig(absl::string_view text,
                                          Format format) {
  if (text.size() > kConfigBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(text.size(), " bytes of configuration, must be at most ",
                     kConfigBytesMax));
  }
  const bool json = format == Format::kJson ||
                    (format == Format::kAuto && LooksLikeJson(text));
  return json ? ParseJson(text) : ParseTextproto(text);
}

}  // namespace ballast::config
