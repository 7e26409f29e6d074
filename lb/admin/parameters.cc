#include "lb/admin/parameters.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "io/base/status_macros.h"
#include "lb/config/utf8.h"

namespace ballast::admin {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::StatusOr<std::string> Decode(absl::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
      if (low < 0) {
        return absl::InvalidArgumentError(
            "a % that two hex digits do not follow");
      }
      decoded += static_cast<char>(high << 4 | low);
      i += 2;
    }
  }
  return decoded;
}

// Line ends and tabs stand in some values.
bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
}

absl::Status AddChecked(absl::string_view name, absl::string_view value,
                        Parameters* parameters) {
  if (parameters->size() >= Parameters::kCountMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", Parameters::kCountMax, " parameters"));
  }
  if (name.size() > Parameters::kNameMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a parameter's name of ", name.size(),
                     " bytes, must be at most ", Parameters::kNameMax));
  }
  for (const absl::string_view text : {name, value}) {
    if (!config::IsUtf8(text) ||
        std::any_of(text.begin(), text.end(), IsControl)) {
      return absl::InvalidArgumentError(
          "a parameter that is not UTF-8, or has a control character");
    }
  }
  if (value.size() > Parameters::kValueMax) {
    return absl::ResourceExhaustedError(absl::StrCat(name, ": ", value.size(),
                                                     " bytes, must be at most ",
                                                     Parameters::kValueMax));
  }
  parameters->Add(name, value);
  return absl::OkStatus();
}

// As an integer where it is one: 80, not 80.0 or 8e1.
std::string FormatNumber(double number) {
  constexpr double kExact = 9007199254740992.0;  // 2^53.
  if (std::floor(number) == number && std::abs(number) <= kExact) {
    return absl::StrCat(static_cast<int64_t>(number));
  }
  return absl::StrFormat("%.17g", number);
}

}  // namespace

absl::Status ReadForm(absl::string_view text, Parameters* parameters) {
  for (const absl::string_view part : absl::StrSplit(text, '&')) {
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    BALLAST_ASSIGN_OR_RETURN(const std::string name,
                             Decode(part.substr(0, equals)));
    BALLAST_ASSIGN_OR_RETURN(
        const std::string value,
        Decode(equals == absl::string_view::npos ? absl::string_view()
                                                 : part.substr(equals + 1)));
    BALLAST_RETURN_IF_ERROR(AddChecked(name, value, parameters));
  }
  return absl::OkStatus();
}

absl::Status ReadJson(absl::string_view text, Parameters* parameters) {
  using google::protobuf::Value;
  // Protobuf takes other texts for an object, too: null, say.
  if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "{")) {
    return absl::InvalidArgumentError("the body is not a JSON object");
  }
  google::protobuf::Struct object;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &object);
  if (!status.ok()) {
    return absl::InvalidArgumentError("the body is not a JSON object");
  }
  for (const auto& [name, value] : object.fields()) {
    std::string shown;
    switch (value.kind_case()) {
      case Value::kStringValue:
        shown = value.string_value();
        break;
      case Value::kNumberValue:
        shown = FormatNumber(value.number_value());
        break;
      case Value::kBoolValue:
        shown.push_back(value.bool_value() ? '1' : '0');
        break;
      case Value::kNullValue:
        break;
      default:
        continue;
    }
    BALLAST_RETURN_IF_ERROR(AddChecked(name, shown, parameters));
  }
  return absl::OkStatus();
}

}  // namespace ballast::admin
