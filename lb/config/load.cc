#include "lb/config/load.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lb/config/utf8.h"

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

// Text format lets a string be any bytes, but Protobuf's binary form, in which
// a configuration goes to the partner, does not.
absl::Status CheckStrings(const google::protobuf::Message& message,
                          const std::string& prefix) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool repeated = field->is_repeated();
    const int count = repeated ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const std::string path =
          repeated ? absl::StrCat(prefix, field->name(), "[", i, "]")
                   : absl::StrCat(prefix, field->name());
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const absl::Status status = CheckStrings(
            repeated ? reflection.GetRepeatedMessage(message, field, i)
                     : reflection.GetMessage(message, field),
            absl::StrCat(path, "."));
        if (!status.ok()) return status;
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
                 !IsUtf8(repeated
                             ? reflection.GetRepeatedString(message, field, i)
                             : reflection.GetString(message, field))) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": is not UTF-8"));
      }
    }
  }
  return absl::OkStatus();
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
  absl::StatusOr<proto::Config> config =
      json ? ParseJson(text) : ParseTextproto(text);
  if (config.ok()) {
    if (absl::Status status = CheckStrings(*config, ""); !status.ok()) {
      return status;
    }
  }
  return config;
}

}  // namespace ballast::config
