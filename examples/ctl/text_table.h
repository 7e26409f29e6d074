// Lines of cells under each other: columns as wide as their longest cell, two
// blanks between, numbers to the right. Pure.
#ifndef EXAMPLES_CTL_TEXT_TABLE_H_
#define EXAMPLES_CTL_TEXT_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ballast::ctl {

class TextTable {
 public:
  // One for each column; one that ends in '>' has its cells to the right, and
  // is printed without it. Columns that are empty in every row are left out.
  explicit TextTable(std::vector<std::string> heads);

  void AddRow(std::vector<std::string> cells);
  // Between rows, as it is.
  void AddLine(std::string line);
  // With a line of heads, and no blanks at the ends of lines.
  std::string ToString() const;

 private:
  struct Row {
    std::vector<std::string> cells;  // Empty: a line.
    std::string line;
  };
  std::vector<std::string> heads_;
  std::vector<bool> right_;
  std::vector<Row> rows_;
};

// What others wrote, for a terminal: control characters as '?'.
std::string Printable(absl::string_view text);

// "0.4", "12", "3.4k", "125M": at most four characters up to 999 T.
std::string Short(double number);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_TEXT_TABLE_H_
