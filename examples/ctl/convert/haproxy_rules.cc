#include "examples/ctl/convert/haproxy_rules.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ballast::ctl {
namespace {

using config::proto::RequestMatch;
using Matches = HaproxyRules::Matches;

constexpr size_t kMatchesMax = 64;  // Of a sub service.

// "hdr(host)": the text in parentheses; no value: it is not that criterion.
std::optional<std::string> ArgumentOf(absl::string_view criterion,
                                      absl::string_view name) {
  (void)absl::ConsumePrefix(&criterion, "req.");
  if (!absl::ConsumePrefix(&criterion, name) ||
      !absl::ConsumePrefix(&criterion, "(") ||
      !absl::ConsumeSuffix(&criterion, ")")) {
    return std::nullopt;
  }
  return std::string(criterion);
}

// A host as requests have it, without port.
std::string HostOf(absl::string_view value) {
  return std::string(value.substr(0, value.find(':')));
}

// A criterion with its flags and values.
class Criterion {
 public:
  Criterion(const HaproxyLine& line, size_t begin, size_t end, Ledger& ledger)
      : line_(line), ledger_(ledger), name_(line.words[begin]) {
    for (size_t i = begin; i < end; ++i) {
      absl::StrAppend(&text_, i > begin ? " " : "", line.words[i]);
    }
    for (size_t i = begin + 1; i < end; ++i) {
      const std::string& word = line.words[i];
      if (word == "-i") {
        any_case_ = true;
      } else if (word == "-m" && i + 1 < end) {
        method_ = line.words[++i];
      } else if (word == "--") {
        values_.insert(values_.end(),
                       line.words.begin() + static_cast<ptrdiff_t>(i + 1),
                       line.words.begin() + static_cast<ptrdiff_t>(end));
        break;
      } else if (word[0] == '-' && word.size() == 2 && values_.empty()) {
        other_flag_ = true;
      } else {
        values_.push_back(word);
      }
    }
  }

  // Empty, and reported, if there is nothing like it.
  Matches Read() {
    Matches matches;
    if (!other_flag_ && ReadOne(matches) && !matches.empty()) return matches;
    ledger_.Lose(line_.line, text_,
                 "requests are told apart by host, path, method and header "
                 "here");
    return {};
  }

 private:
  bool ReadOne(Matches& matches) {
    if (name_ == "path_beg" && method_.empty()) return ReadPath(matches);
    if (name_ == "path" && method_ == "beg") return ReadPath(matches);
    if (name_ == "method" && method_.empty()) {
      for (const std::string& value : values_) {
        matches.emplace_back().set_method(value);
      }
      return true;
    }
    auto header = ArgumentOf(name_, "hdr");
    std::string how = method_;
    for (const char* kind : {"beg", "end", "dom", "sub", "dir", "reg", "len"}) {
      const auto other = ArgumentOf(name_, absl::StrCat("hdr_", kind));
      if (!other) continue;
      header = other;
      how = kind;
    }
    if (!header) return false;
    return absl::EqualsIgnoreCase(*header, "host")
               ? ReadHost(how, matches)
               : ReadHeader(*header, how, matches);
  }

  bool ReadPath(Matches& matches) {
    bool inexact = any_case_;
    for (const std::string& value : values_) {
      if (!absl::StartsWith(value, "/")) return false;
      matches.emplace_back().set_path_prefix(value);
      inexact |= !absl::EndsWith(value, "/");
    }
    if (inexact) {
      ledger_.Lose(line_.line, text_,
                   "is carried over, but a path must go on with a / after it, "
                   "and letter case counts");
    }
    return true;
  }

  bool ReadHost(const std::string& how, Matches& matches) {
    for (const std::string& value : values_) {
      if (how.empty() || how == "str") {
        matches.emplace_back().set_host(HostOf(value));
      } else if (how == "end" && absl::StartsWith(value, ".")) {
        matches.emplace_back().set_host(absl::StrCat("*", HostOf(value)));
      } else if (how == "dom") {
        matches.emplace_back().set_host(HostOf(value));
        matches.emplace_back().set_host(absl::StrCat("*.", HostOf(value)));
        ledger_.Lose(line_.line, text_,
                     "is carried over, but the domain must be the host's end");
      } else {
        return false;
      }
    }
    return true;
  }

  bool ReadHeader(const std::string& header, const std::string& how,
                  Matches& matches) {
    if (how == "found" && values_.empty()) {
      matches.emplace_back().set_header(header);
      return true;
    }
    if (!how.empty() && how != "str") return false;
    for (const std::string& value : values_) {
      RequestMatch& match = matches.emplace_back();
      match.set_header(header);
      match.set_header_value(value);
    }
    if (any_case_) {
      ledger_.Lose(line_.line, text_,
                   "is carried over, but letter case counts");
    }
    return true;
  }

  const HaproxyLine& line_;
  Ledger& ledger_;
  const std::string name_;
  std::string text_;
  std::string method_;  // Of -m.
  bool any_case_ = false;
  bool other_flag_ = false;
  std::vector<std::string> values_;
};

// What both want; no value: a request cannot be told by two of a kind.
std::optional<RequestMatch> Both(const RequestMatch& a, const RequestMatch& b) {
  if ((!a.host().empty() && !b.host().empty()) ||
      (!a.path_prefix().empty() && !b.path_prefix().empty()) ||
      (!a.method().empty() && !b.method().empty()) ||
      (!a.header().empty() && !b.header().empty())) {
    return std::nullopt;
  }
  RequestMatch both = a;
  both.MergeFrom(b);
  return both;
}

}  // namespace

void HaproxyRules::AddAcl(const HaproxyLine& line, Ledger& ledger) {
  if (line.words.size() < 3) {
    ledger.Lose(line.line, line.ToString(), "must be acl NAME CRITERION");
    return;
  }
  ledger.Use(line.line);
  Matches matches = Criterion(line, 2, line.words.size(), ledger).Read();
  const auto [acl, added] = acls_.emplace(line.words[1], matches);
  if (added) return;
  if (acl->second.empty() || matches.empty() ||
      acl->second.size() + matches.size() > kMatchesMax) {
    acl->second.clear();  // A part of it would be another condition.
    return;
  }
  acl->second.insert(acl->second.end(), matches.begin(), matches.end());
}

std::optional<Matches> HaproxyRules::Condition(const HaproxyLine& line,
                                               size_t place,
                                               Ledger& ledger) const {
  const auto lose = [&](absl::string_view why) {
    ledger.Lose(line.line, line.ToString(), why);
    return std::nullopt;
  };
  if (line.word(place) != "if") return lose("must be \"if\" here");
  Matches all;         // Of the alternatives that are read.
  Matches now = {{}};  // Of this one, as far as it is read.
  bool empty = true;   // Nothing of this one is read yet.
  for (size_t i = place + 1; i <= line.words.size(); ++i) {
    const std::string word = line.word(i);
    if (i == line.words.size() || word == "or" || word == "||") {
      if (empty) return lose("a condition is empty");
      all.insert(all.end(), now.begin(), now.end());
      now = {{}};
      empty = true;
      continue;
    }
    Matches next;
    if (word == "{") {
      const auto end = std::find(line.words.begin() + static_cast<ptrdiff_t>(i),
                                 line.words.end(), "}");
      const auto last = static_cast<size_t>(end - line.words.begin());
      if (end == line.words.end() || last == i + 1) {
        return lose("a { does not end, or is empty");
      }
      next = Criterion(line, i + 1, last, ledger).Read();
      i = last;
    } else if (const auto acl = acls_.find(word); acl != acls_.end()) {
      next = acl->second;
    } else if (absl::StartsWith(word, "METH_")) {
      next.emplace_back().set_method(word.substr(5));
    } else {
      return lose(absl::StartsWith(word, "!")
                      ? "nothing goes by what a request is not, here"
                      : "there is no such acl");
    }
    if (next.empty()) return lose("it goes by an acl that is not carried over");
    empty = false;
    Matches product;
    for (const RequestMatch& one : now) {
      for (const RequestMatch& other : next) {
        const auto both = Both(one, other);
        if (!both) return lose("two conditions of one kind must hold");
        product.push_back(*both);
        if (product.size() > kMatchesMax) return lose("too many alternatives");
      }
    }
    now = std::move(product);
  }
  if (all.size() > kMatchesMax) return lose("too many alternatives");
  return all;
}

}  // namespace ballast::ctl
