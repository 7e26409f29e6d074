#include "examples/ctl/text_table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ballast::ctl {
namespace {

// Of UTF-8, as far as each character is one cell.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

TextTable::TextTable(std::vector<std::string> heads)
    : heads_(std::move(heads)) {
  for (std::string& head : heads_) {
    right_.push_back(!head.empty() && head.back() == '>');
    if (right_.back()) head.pop_back();
  }
}

void TextTable::AddRow(std::vector<std::string> cells) {
  cells.resize(heads_.size());
  rows_.push_back({std::move(cells), ""});
}

void TextTable::AddLine(std::string line) {
  rows_.push_back({{}, std::move(line)});
}

std::string TextTable::ToString() const {
  std::vector<size_t> widths(heads_.size(), 0);
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.cells.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row.cells[i]));
    }
  }
  std::string text;
  const auto append = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (widths[i] == 0) continue;
      const size_t width = std::max(widths[i], Width(heads_[i]));
      const std::string fill(width - Width(cells[i]), ' ');
      absl::StrAppend(&line, line.empty() ? "" : "  ", right_[i] ? fill : "",
                      cells[i], right_[i] ? "" : fill);
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  };
  append(heads_);
  for (const Row& row : rows_) {
    if (row.cells.empty()) {
      absl::StrAppend(&text, row.line, "\n");
    } else {
      append(row.cells);
    }
  }
  return text;
}

std::string Printable(absl::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return printable;
}

std::string Short(double number) {
  if (number < 9.95) {
    const std::string text = absl::StrFormat("%.1f", number);
    return text.size() > 2 && text.substr(text.size() - 2) == ".0"
               ? text.substr(0, text.size() - 2)
               : text;
  }
  const char* unit = "";
  for (const char* next : {"k", "M", "G", "T"}) {
    if (number < 999.5) break;
    number /= 1000;
    unit = next;
  }
  return number < 9.95 ? absl::StrFormat("%.1f%s", number, unit)
                       : absl::StrFormat("%.0f%s", number, unit);
}

}  // namespace ballast::ctl
