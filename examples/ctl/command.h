// What a command of ballastctl is: one row of the table in commands.cc.
#ifndef EXAMPLES_CTL_COMMAND_H_
#define EXAMPLES_CTL_COMMAND_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast::ctl {

// A command as it was typed, its own words taken off.
struct Call {
  std::vector<absl::string_view> arguments;
  // Those that were given: "--once" without a value, "--socket" with one.
  std::map<absl::string_view, absl::string_view> options;

  bool Has(absl::string_view option) const { return options.count(option) > 0; }
  // Its value; `otherwise` if it was not given.
  absl::string_view Value(absl::string_view option,
                          absl::string_view otherwise) const {
    const auto found = options.find(option);
    return found == options.end() ? otherwise : found->second;
  }
};

struct Output {
  Output(std::string t) : text(std::move(t)) {}  // NOLINT: as if it were it.
  Output(const char* t) : text(t) {}             // NOLINT

  std::string text;     // To standard output.
  std::string remarks;  // To standard error, after it; whole lines.
  bool failed = false;  // Exit code 1 all the same.
};

struct Command {
  const char* words;  // As they are typed, one space between.
  const char*
      arguments;        // What follows, one word each; [WORD] may be left out.
  const char* options;  // Those it takes, of kOptions (command_line.cc).
  const char* help;     // One line.
  const char* more;     // Lines for `ballastctl help WORDS`; may be empty.
  absl::StatusOr<Output> (*run)(const Call& call);
};

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_COMMAND_H_
