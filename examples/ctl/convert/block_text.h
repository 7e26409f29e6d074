// Text of keepalived's kind: a directive a line, blocks in braces. Pure.
//
// '#' and '!' begin a comment, quotes hold a word together.
//
// Bounds   kBlockDepthMax blocks in each other; deeper ones belong to the
//          innermost that is kept.
#ifndef EXAMPLES_CTL_CONVERT_BLOCK_TEXT_H_
#define EXAMPLES_CTL_CONVERT_BLOCK_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"

namespace ballast::ctl {

inline constexpr int kBlockDepthMax = 8;

struct Directive {
  int line = 0;
  int last_line = 0;               // Of its block, else as `line`.
  std::vector<std::string> words;  // At least one.
  bool block = false;
  std::vector<Directive> inner;

  const std::string& name() const { return words[0]; }
  // The word after the name and so on; empty if there is none.
  std::string word(size_t number) const {
    return number < words.size() ? words[number] : std::string();
  }
  std::string ToString() const;  // As it was, blanks aside.
};

// Uses the lines that say nothing, such as comments and closing braces; reports
// braces that have no other, and quotes.
std::vector<Directive> ReadBlocks(Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_BLOCK_TEXT_H_
