#include "examples/ctl/convert/block_text.h"

#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"

namespace ballast::ctl {
namespace {

struct Token {
  std::string text;
  bool quoted = false;
};

std::vector<Token> Tokens(absl::string_view line, int number, Ledger& ledger) {
  std::vector<Token> tokens;
  bool open = false;  // The last token may go on.
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      open = false;
    } else if ((c == '#' || c == '!') && !open) {
      break;
    } else if (c == '{' || c == '}') {
      tokens.push_back({std::string(1, c)});
      open = false;
    } else if (c == '"' || c == '\'') {
      const size_t end = line.find(c, i + 1);
      if (end == absl::string_view::npos) {
        ledger.Lose(number, line.substr(i), "a quote does not end");
      }
      tokens.push_back(
          {std::string(line.substr(
               i + 1, end == absl::string_view::npos ? end : end - i - 1)),
           /*quoted=*/true});
      if (end == absl::string_view::npos) break;
      i = end;
      open = false;
    } else if (open) {
      tokens.back().text.push_back(c);
    } else {
      tokens.push_back({std::string(1, c)});
      open = true;
    }
  }
  return tokens;
}

class Reader {
 public:
  explicit Reader(Ledger& ledger) : ledger_(ledger) {}

  std::vector<Directive> Read() {
    open_.push_back({.words = {""}});
    for (int line = 1; line <= ledger_.line_count(); ++line) ReadLine(line);
    while (open_.size() > 1) {
      ledger_.Lose(open_.back().line, open_.back().ToString(),
                   "its block does not end");
      Close(ledger_.line_count());
    }
    return std::move(open_[0].inner);
  }

 private:
  void ReadLine(int line) {
    const std::vector<Token> tokens = Tokens(ledger_.line(line), line, ledger_);
    bool says = false;
    Directive next;
    for (const Token& token : tokens) {
      if (token.quoted || (token.text != "{" && token.text != "}")) {
        next.line = next.last_line = line;
        next.words.push_back(token.text);
        says = true;
        continue;
      }
      Add(next);
      if (token.text == "{") {
        Open(line);
      } else if (deeper_ > 0) {
        --deeper_;
      } else if (open_.size() > 1) {
        Close(line);
      } else {
        ledger_.Lose(line, "}", "there is no block that it ends");
      }
    }
    Add(next);
    if (!says) ledger_.Use(line);
  }

  void Add(Directive& next) {
    if (next.words.empty()) return;
    open_.back().inner.push_back(std::move(next));
    next = Directive();
  }

  // Of the directive before, which may be of a line above.
  void Open(int line) {
    std::vector<Directive>& before = open_.back().inner;
    if (static_cast<int>(open_.size()) > kBlockDepthMax) {
      ++deeper_;
      return;
    }
    if (before.empty() || before.back().block) {
      ledger_.Lose(line, "{", "there is nothing that it is the block of");
      open_.push_back({.line = line, .last_line = line, .words = {"{"}});
      return;
    }
    Directive begun = std::move(before.back());
    before.pop_back();
    open_.push_back(std::move(begun));
  }

  void Close(int line) {
    Directive done = std::move(open_.back());
    open_.pop_back();
    done.block = true;
    done.last_line = line;
    open_.back().inner.push_back(std::move(done));
  }

  Ledger& ledger_;
  std::vector<Directive> open_;  // The file, then the blocks we are in.
  int deeper_ = 0;
};

}  // namespace

std::string Directive::ToString() const { return absl::StrJoin(words, " "); }

std::vector<Directive> ReadBlocks(Ledger& ledger) {
  return Reader(ledger).Read();
}

}  // namespace ballast::ctl
