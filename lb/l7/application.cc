#include "lb/l7/application.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ballast::l7 {
namespace {

bool IsFixed(http::FieldId id) {
  switch (id) {
    case http::FieldId::kConnection:
    case http::FieldId::kContentLength:
    case http::FieldId::kExpect:
    case http::FieldId::kHost:
    case http::FieldId::kHttp2Settings:
    case http::FieldId::kKeepAlive:
    case http::FieldId::kProxyConnection:
    case http::FieldId::kTe:
    case http::FieldId::kTrailer:
    case http::FieldId::kTransferEncoding:
    case http::FieldId::kUpgrade:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string FieldEditor::Check(absl::string_view name,
                               absl::string_view value) {
  constexpr size_t kNameMax = 1024;
  constexpr size_t kShownMax = 100;
  const std::string shown = absl::CHexEscape(name.substr(0, kShownMax));
  if (!http::IsToken(name) || name.size() > kNameMax) {
    return absl::StrCat("field name \"", shown,
                        "\": must be a token of at most ", kNameMax, " bytes");
  }
  if (IsFixed(http::FieldIdOf(name))) {
    return absl::StrCat(shown, ": must not be changed");
  }
  if (!http::IsFieldValue(value)) {
    return absl::StrCat(shown, ": value \"",
                        absl::CHexEscape(value.substr(0, kShownMax)),
                        "\": must have no controls and no blanks at its ends");
  }
  return "";
}

bool FieldEditor::May(absl::string_view name, absl::string_view value) {
  std::string error = Check(name, value);
  if (error.empty()) return true;
  if (error_.empty()) error_ = std::move(error);
  return false;
}

void FieldEditor::Add(absl::string_view name, absl::string_view value) {
  if (May(name, value)) fields_.Add(name, value);
}

void FieldEditor::Set(absl::string_view name, absl::string_view value) {
  if (May(name, value)) fields_.Set(name, value);
}

void FieldEditor::Remove(absl::string_view name) {
  if (May(name, "")) fields_.Remove(name);
}

}  // namespace ballast::l7
