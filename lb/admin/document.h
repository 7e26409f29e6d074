// What a call of the API answers, before it is XML (v1) or JSON (v2): a tree of
// names and values, written either way.
//
// XML    ISO-8859-1 as the vendor declares it: characters beyond ASCII as
//        &#NNN;, control characters, which XML cannot have, as '?'.
// JSON   UTF-8. Values must be UTF-8.
// Source LoadMaster behaviour, 7.2.
#ifndef LB_ADMIN_DOCUMENT_H_
#define LB_ADMIN_DOCUMENT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ballast::admin {

// How a value is written in JSON; XML has text alone.
enum class As : uint8_t { kText, kNumber, kFlag };

struct Node {
  enum class Kind : uint8_t { kValue, kObject, kList };

  std::string name;
  Kind kind = Kind::kValue;
  As as = As::kText;
  std::string text;         // Of a flag: as XML has it.
  bool flag = false;        // Of a flag: what it says.
  std::vector<Node> nodes;  // Of a list: its elements, each an object.

  static Node Text(absl::string_view name, absl::string_view text) {
    return {.name = std::string(name), .text = std::string(text)};
  }
  template <typename Number>
  static Node Count(absl::string_view name, Number number) {
    return {.name = std::string(name),
            .as = As::kNumber,
            .text = absl::StrCat(number)};
  }
  // Y and N, as in objects.
  static Node Flag(absl::string_view name, bool flag) {
    return {.name = std::string(name),
            .as = As::kFlag,
            .text = flag ? "Y" : "N",
            .flag = flag};
  }
  // yes and no, as parameters of the unit.
  static Node YesNo(absl::string_view name, bool flag) {
    return {.name = std::string(name),
            .as = As::kFlag,
            .text = flag ? "yes" : "no",
            .flag = flag};
  }
  static Node Object(absl::string_view name, std::vector<Node> nodes) {
    return {.name = std::string(name),
            .kind = Kind::kObject,
            .nodes = std::move(nodes)};
  }
  // In XML its elements one after the other, each by `name`.
  static Node List(absl::string_view name) {
    return {.name = std::string(name), .kind = Kind::kList};
  }
  void AddElement(std::vector<Node> element) {
    nodes.push_back(Object(name, std::move(element)));
  }
};

// What a command has to say.
struct Document {
  bool has_data = false;  // False: that it is done.
  std::vector<Node> data;

  static Document Done() { return {}; }
  static Document Of(std::vector<Node> data) {
    return {.has_data = true, .data = std::move(data)};
  }
};

std::string XmlOf(const Document& document);
std::string XmlOfError(uint16_t code, absl::string_view message);
std::string JsonOf(const Document& document);
std::string JsonOfError(uint16_t code, absl::string_view message);

}  // namespace ballast::admin

#endif  // LB_ADMIN_DOCUMENT_H_
