// The words after "ballastctl" to a command and its call, and the help texts.
// Pure.
//
// Options may stand anywhere; `--option VALUE` or `--option=VALUE`. After "--"
// nothing is an option, and "-" by itself never is.
#ifndef EXAMPLES_CTL_COMMAND_LINE_H_
#define EXAMPLES_CTL_COMMAND_LINE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "examples/ctl/command.h"

namespace ballast::ctl {

struct CommandLine {
  const Command* command = nullptr;  // Null: print Help(call.arguments).
  Call call;
};

// Points into `words` and `commands`.
//   kInvalidArgument  not understood: which word, and what it must be
absl::StatusOr<CommandLine> ParseCommandLine(
    absl::Span<const absl::string_view> words,
    absl::Span<const Command> commands);

// Of all commands, or of those that begin with `words`.
std::string Help(absl::Span<const absl::string_view> words,
                 absl::Span<const Command> commands);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_COMMAND_LINE_H_
