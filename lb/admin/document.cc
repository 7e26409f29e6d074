#include "lb/admin/document.h"

#include "absl/strings/str_format.h"

namespace ballast::admin {
namespace {

constexpr char kDone[] = "Command completed ok";
constexpr char kXmlDeclaration[] =
    "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n";

// The character at the front of `text`, which is UTF-8, and is shortened by it.
uint32_t TakeCharacter(absl::string_view* text) {
  const auto first = static_cast<uint8_t>((*text)[0]);
  size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  uint32_t character = size == 1 ? first : first & (0x7f >> size);
  if (size > text->size()) size = text->size();
  for (size_t i = 1; i < size; ++i) {
    character = character << 6 | (static_cast<uint8_t>((*text)[i]) & 0x3f);
  }
  text->remove_prefix(size);
  return character;
}

void AppendXmlText(absl::string_view text, std::string* out) {
  while (!text.empty()) {
    const uint32_t c = TakeCharacter(&text);
    if (c == '&') {
      *out += "&amp;";
    } else if (c == '<') {
      *out += "&lt;";
    } else if (c == '>') {
      *out += "&gt;";
    } else if (c == '"') {
      *out += "&quot;";
    } else if (c == '\t' || c == '\n' || c == '\r' || c >= 0x7f) {
      absl::StrAppend(out, "&#", c, ";");
    } else {
      *out += c < 0x20 ? '?' : static_cast<char>(c);
    }
  }
}

void AppendXml(const Node& node, std::string* out) {
  if (node.kind == Node::Kind::kList) {
    for (const Node& element : node.nodes) AppendXml(element, out);
    return;
  }
  absl::StrAppend(out, "<", node.name, ">");
  AppendXmlText(node.text, out);
  if (node.kind == Node::Kind::kObject) *out += '\n';
  for (const Node& inner : node.nodes) AppendXml(inner, out);
  absl::StrAppend(out, "</", node.name, ">\n");
}

void AppendJsonText(absl::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(out, "\\u%04x", byte);
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void AppendJson(const Node& node, std::string* out);

void AppendMembers(const std::vector<Node>& nodes, std::string* out) {
  const char* separator = "";
  for (const Node& node : nodes) {
    *out += separator;
    separator = ", ";
    AppendJsonText(node.name, out);
    *out += ": ";
    AppendJson(node, out);
  }
}

void AppendJson(const Node& node, std::string* out) {
  switch (node.kind) {
    case Node::Kind::kObject:
      *out += '{';
      AppendMembers(node.nodes, out);
      *out += '}';
      return;
    case Node::Kind::kList: {
      const char* separator = "";
      *out += '[';
      for (const Node& element : node.nodes) {
        *out += separator;
        separator = ", ";
        AppendJson(element, out);
      }
      *out += ']';
      return;
    }
    case Node::Kind::kValue:
      break;
  }
  if (node.as == As::kFlag) {
    *out += node.flag ? "true" : "false";
  } else if (node.as == As::kNumber && !node.text.empty()) {
    *out += node.text;
  } else {
    AppendJsonText(node.text, out);
  }
}

}  // namespace

std::string XmlOf(const Document& document) {
  std::string out = kXmlDeclaration;
  out += "<Response stat=\"200\" code=\"ok\">\n<Success>";
  if (document.has_data) {
    out += "<Data>\n";
    for (const Node& node : document.data) AppendXml(node, &out);
    out += "</Data>\n";
  } else {
    out += kDone;
  }
  out += "</Success>\n</Response>\n";
  return out;
}

std::string XmlOfError(uint16_t code, absl::string_view message) {
  std::string out = kXmlDeclaration;
  absl::StrAppend(&out, "<Response stat=\"", code,
                  "\" code=\"fail\">\n<Error>");
  AppendXmlText(message, &out);
  out += "</Error>\n</Response>\n";
  return out;
}

std::string JsonOf(const Document& document) {
  std::string out = "{\"code\": 200, ";
  AppendMembers(document.data, &out);
  if (!document.has_data) absl::StrAppend(&out, "\"message\": \"", kDone, "\"");
  if (!document.data.empty() || !document.has_data) out += ", ";
  out += "\"status\": \"ok\"}\n";
  return out;
}

std::string JsonOfError(uint16_t code, absl::string_view message) {
  std::string out = absl::StrCat("{\"code\": ", code, ", \"message\": ");
  AppendJsonText(message, &out);
  out += ", \"status\": \"fail\"}\n";
  return out;
}

}  // namespace ballast::admin
