#include "lb/admin/option.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/config/problems.h"

namespace ballast::admin {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* FieldOf(const Message& message, absl::string_view name) {
  const auto* field =
      message.GetDescriptor()->FindFieldByName(std::string(name));
  BALLAST_CHECK(field != nullptr);
  return field;
}

// The message the last field of `path` is in, default ones on the way, and that
// field.
struct Place {
  const Message* message;
  const FieldDescriptor* field;
};
Place Find(const Message& from, absl::string_view path) {
  const Message* message = &from;
  for (;;) {
    const size_t dot = path.find('.');
    const auto* field = FieldOf(*message, path.substr(0, dot));
    if (dot == absl::string_view::npos) return {message, field};
    message = &message->GetReflection()->GetMessage(*message, field);
    path.remove_prefix(dot + 1);
  }
}
Message* Mutable(Message* message, absl::string_view path) {
  for (size_t dot; (dot = path.find('.')) != absl::string_view::npos;) {
    message = message->GetReflection()->MutableMessage(
        message, FieldOf(*message, path.substr(0, dot)));
    path.remove_prefix(dot + 1);
  }
  return message;
}

uint32_t ReadUnsigned(const Place& place) {
  const auto& reflection = *place.message->GetReflection();
  if (place.field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return static_cast<uint32_t>(
        reflection.GetEnumValue(*place.message, place.field));
  }
  return reflection.GetUInt32(*place.message, place.field);
}

// A number or flag that is unset, and so is its default. Without presence 0 is
// unset.
bool IsUnset(const Place& place) {
  const auto& reflection = *place.message->GetReflection();
  if (place.field->has_presence()) {
    return !reflection.HasField(*place.message, place.field);
  }
  return place.field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL &&
         ReadUnsigned(place) == 0;
}

std::vector<absl::string_view> ElementsOf(absl::string_view text,
                                          char between) {
  std::vector<absl::string_view> elements = absl::StrSplit(
      text,
      absl::ByAnyChar(between == ' ' ? absl::string_view(" \t,")
                                     : absl::string_view(&between, 1)),
      absl::SkipWhitespace());
  for (absl::string_view& element : elements) {
    element = absl::StripAsciiWhitespace(element);
  }
  return elements;
}

std::string WordsOf(const Option& option) {
  return absl::StrJoin(option.words, ", ",
                       [](std::string* out, const Word& word) {
                         absl::StrAppend(out, word.word);
                       });
}

}  // namespace

std::optional<bool> ReadFlag(absl::string_view text) {
  for (const absl::string_view yes : {"y", "yes", "1", "true"}) {
    if (absl::EqualsIgnoreCase(text, yes)) return true;
  }
  for (const absl::string_view no : {"n", "no", "0", "false"}) {
    if (absl::EqualsIgnoreCase(text, no)) return false;
  }
  return std::nullopt;
}

absl::Status WrongValue(absl::string_view name, absl::string_view text,
                        absl::string_view must_be) {
  return absl::InvalidArgumentError(
      absl::StrCat("Unknown parameter value ", name, ": ", config::Quoted(text),
                   ", must be ", must_be));
}

absl::StatusOr<uint32_t> ReadNumber(absl::string_view name,
                                    absl::string_view text, uint32_t min,
                                    uint32_t max) {
  uint32_t number;
  if (!absl::SimpleAtoi(text, &number) || number < min || number > max) {
    return WrongValue(name, text, absl::StrCat(min, " to ", max));
  }
  return number;
}

std::string GetOption(const Message& message, const Option& option) {
  if (option.kind == Kind::kFixed) return std::string(option.fixed);
  const Place place = Find(message, option.path);
  const auto& reflection = *place.message->GetReflection();
  switch (option.kind) {
    case Kind::kNumber:
      return absl::StrCat(IsUnset(place) ? option.fallback
                                         : ReadUnsigned(place) / option.times);
    case Kind::kFlag:
    case Kind::kNotFlag: {
      const bool flag = IsUnset(place)
                            ? option.fallback != 0
                            : reflection.GetBool(*place.message, place.field);
      return flag != (option.kind == Kind::kNotFlag) ? "1" : "0";
    }
    case Kind::kText:
      return reflection.GetString(*place.message, place.field);
    case Kind::kList:
    case Kind::kNumbers: {
      const auto& message_of = *place.message;
      std::vector<std::string> elements;
      for (int i = 0; i < reflection.FieldSize(message_of, place.field); ++i) {
        elements.push_back(
            option.kind == Kind::kList
                ? reflection.GetRepeatedString(message_of, place.field, i)
                : absl::StrCat(reflection.GetRepeatedUInt32(message_of,
                                                            place.field, i)));
      }
      return absl::StrJoin(elements, absl::string_view(&option.between, 1));
    }
    case Kind::kWord: {
      const int value = reflection.GetEnumValue(*place.message, place.field);
      for (const Word& word : option.words) {
        if (word.value == value) return std::string(word.word);
      }
      return "";
    }
    case Kind::kPresence:
      return reflection.HasField(*place.message, place.field) ? "1" : "0";
    case Kind::kFixed:
      break;
  }
  return "";
}

bool IsSet(const Message& message, absl::string_view path) {
  const Place place = Find(message, path);
  const auto& reflection = *place.message->GetReflection();
  return place.field->is_repeated()
             ? reflection.FieldSize(*place.message, place.field) > 0
             : reflection.HasField(*place.message, place.field);
}

absl::Status SetOption(Message* message, const Option& option,
                       absl::string_view text) {
  const absl::string_view name = option.name;
  const bool is_flag = option.kind == Kind::kFlag ||
                       option.kind == Kind::kNotFlag ||
                       option.kind == Kind::kPresence;
  const std::optional<bool> flag = ReadFlag(text);
  if (is_flag && !flag.has_value()) return WrongValue(name, text, "Y or N");
  if (option.kind == Kind::kFixed) {
    const bool same = absl::EqualsIgnoreCase(text, option.fixed) ||
                      (flag.has_value() && flag == ReadFlag(option.fixed));
    return same ? absl::OkStatus()
                : WrongValue(name, text,
                             absl::StrCat(config::Quoted(option.fixed),
                                          ": nothing else is supported"));
  }
  uint32_t number = 0;
  if (option.kind == Kind::kNumber) {
    BALLAST_ASSIGN_OR_RETURN(number,
                             ReadNumber(name, text, option.min, option.max));
  }
  std::vector<uint32_t> numbers;
  if (option.kind == Kind::kNumbers) {
    for (const auto element : ElementsOf(text, option.between)) {
      BALLAST_ASSIGN_OR_RETURN(
          numbers.emplace_back(),
          ReadNumber(name, element, option.min, option.max));
    }
  }
  const auto word = std::find_if(
      option.words.begin(), option.words.end(),
      [&](const Word& w) { return absl::EqualsIgnoreCase(w.word, text); });
  if (option.kind == Kind::kWord && word == option.words.end()) {
    return WrongValue(name, text, absl::StrCat("one of ", WordsOf(option)));
  }
  // So that an echo of what was read changes nothing.
  if (GetOption(*message, option) ==
      (is_flag ? (*flag ? "1" : "0") : std::string(text))) {
    return absl::OkStatus();
  }
  const auto* field = Find(*message, option.path).field;
  Message* owner = Mutable(message, option.path);
  const auto& reflection = *owner->GetReflection();
  switch (option.kind) {
    case Kind::kNumber:
      number *= option.times;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
        reflection.SetEnumValue(owner, field, static_cast<int>(number));
      } else {
        reflection.SetUInt32(owner, field, number);
      }
      break;
    case Kind::kFlag:
      reflection.SetBool(owner, field, *flag);
      break;
    case Kind::kNotFlag:
      reflection.SetBool(owner, field, !*flag);
      break;
    case Kind::kText:
      reflection.SetString(owner, field, std::string(text));
      break;
    case Kind::kList:
      reflection.ClearField(owner, field);
      for (const auto element : ElementsOf(text, option.between)) {
        reflection.AddString(owner, field, std::string(element));
      }
      break;
    case Kind::kNumbers:
      reflection.ClearField(owner, field);
      for (const uint32_t one : numbers) {
        reflection.AddUInt32(owner, field, one);
      }
      break;
    case Kind::kWord:
      reflection.SetEnumValue(owner, field, word->value);
      break;
    case Kind::kPresence:
      reflection.ClearField(owner, field);
      if (*flag) reflection.MutableMessage(owner, field);
      break;
    case Kind::kFixed:
      break;
  }
  return absl::OkStatus();
}

void ClearOption(Message* message, const Option& option) {
  const auto* field = Find(*message, option.path).field;
  Message* owner = Mutable(message, option.path);
  owner->GetReflection()->ClearField(owner, field);
}

}  // namespace ballast::admin
