#include "lb/config/difference.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/config/element_key.h"
#include "lb/config/secrets.h"

namespace ballast::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

std::string Cut(std::string text) {
  if (text.size() <= kShownMax) return text;
  const size_t size = text.size();
  text.resize(kShownMax);
  return absl::StrCat(text, "... (", size, " bytes)");
}

bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

class Comparison {
 public:
  void Compare(const std::string& prefix, const Message& from,
               const Message& to) {
    for (int i = 0; i < from.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& field = *from.GetDescriptor()->field(i);
      const std::string path = absl::StrCat(prefix, field.name());
      if (path == "generation") continue;
      if (field.is_repeated()) {
        CompareLists(path, from, to, field);
      } else {
        CompareOne(path, from, to, field);
      }
    }
  }

  std::string text() && { return std::move(text_); }

 private:
  void Line(char sign, absl::string_view path, absl::string_view what) {
    absl::StrAppend(&text_, absl::string_view(&sign, 1), " ", path,
                    what.empty() ? "" : ": ", what, "\n");
  }

  static std::string Shown(const Message& message, const FieldDescriptor& field,
                           int index) {
    std::string text;
    if (IsMessage(field)) {
      TextFormat::Printer printer;
      printer.SetSingleLineMode(true);
      printer.PrintToString(
          index < 0 ? message.GetReflection()->GetMessage(message, &field)
                    : message.GetReflection()->GetRepeatedMessage(
                          message, &field, index),
          &text);
      while (!text.empty() && text.back() == ' ') text.pop_back();
    } else {
      TextFormat::PrintFieldValueToString(message, &field, index, &text);
    }
    return text;
  }

  void CompareOne(const std::string& path, const Message& from,
                  const Message& to, const FieldDescriptor& field) {
    const bool had = from.GetReflection()->HasField(from, &field);
    const bool has = to.GetReflection()->HasField(to, &field);
    if (had && has && IsMessage(field)) {
      Compare(absl::StrCat(path, "."),
              from.GetReflection()->GetMessage(from, &field),
              to.GetReflection()->GetMessage(to, &field));
      return;
    }
    const std::string before = had ? Shown(from, field, -1) : "";
    const std::string after = has ? Shown(to, field, -1) : "";
    if (had && has) {
      if (before != after) {
        Line('~', path, absl::StrCat(Cut(before), " -> ", Cut(after)));
      }
    } else if (had) {
      Line('-', path, Cut(before));
    } else if (has) {
      Line('+', path, Cut(after));
    }
  }

  struct Element {
    std::string key;
    int index;
  };
  // What is no message is known by its value.
  static std::vector<Element> Elements(const Message& message,
                                       const FieldDescriptor& field) {
    std::vector<Element> elements;
    std::map<std::string, int> times;
    const int size = message.GetReflection()->FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      std::string key =
          IsMessage(field)
              ? ElementKey(message.GetReflection()->GetRepeatedMessage(
                               message, &field, i),
                           i)
              : Shown(message, field, i);
      const int before = times[key]++;
      if (before > 0) absl::StrAppend(&key, " #", before + 1);
      elements.push_back({std::move(key), i});
    }
    return elements;
  }

  void CompareLists(const std::string& path, const Message& from,
                    const Message& to, const FieldDescriptor& field) {
    const std::vector<Element> before = Elements(from, field);
    const std::vector<Element> after = Elements(to, field);
    std::map<absl::string_view, int> had, has;
    for (const Element& element : before) had[element.key] = element.index;
    for (const Element& element : after) has[element.key] = element.index;
    const auto name = [&](const Element& element) {
      return IsMessage(field) ? absl::StrCat(path, "[", Cut(element.key), "]")
                              : path;
    };
    bool moved = false;
    int last = -1;
    for (const Element& element : before) {
      const auto found = has.find(element.key);
      if (found == has.end()) {
        Line('-', name(element), Cut(Shown(from, field, element.index)));
        continue;
      }
      moved |= found->second < last;
      last = found->second;
      if (!IsMessage(field)) continue;
      Compare(
          absl::StrCat(name(element), "."),
          from.GetReflection()->GetRepeatedMessage(from, &field, element.index),
          to.GetReflection()->GetRepeatedMessage(to, &field, found->second));
    }
    for (const Element& element : after) {
      if (had.count(element.key) > 0) continue;
      Line('+', name(element), Cut(Shown(to, field, element.index)));
    }
    if (moved) Line('~', path, "in another order");
  }

  std::string text_;
};

}  // namespace

std::string Difference(const proto::Config& from, const proto::Config& to) {
  proto::Config before = from, after = to;
  proto::Config* const both[] = {&before, &after};
  MaskSecrets(both);
  Comparison comparison;
  comparison.Compare("", before, after);
  return std::move(comparison).text();
}

bool SameConfig(const proto::Config& a, const proto::Config& b) {
  proto::Config first = a, second = b;
  first.clear_generation();
  second.clear_generation();
  // No map: equal messages are equal bytes.
  return first.SerializeAsString() == second.SerializeAsString();
}

}  // namespace ballast::config
