// What an operator tells Ballast from a shell: `ballastctl --help`.
//
// Each command is one row of the table in examples/ctl/commands.cc.
//
// Exit  0 done; 1 could not be done; 2 not understood.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "examples/ctl/command.h"
#include "examples/ctl/command_line.h"
#include "examples/ctl/commands.h"

int main(int argc, char** argv) {
  using namespace ballast::ctl;  // NOLINT: it is its program.
  const std::vector<absl::string_view> words(argv + 1, argv + argc);
  const auto line = ParseCommandLine(words, Commands());
  if (!line.ok()) {
    std::fprintf(stderr, "ballastctl: %s\nTry --help.\n",
                 std::string(line.status().message()).c_str());
    return 2;
  }
  const absl::StatusOr<Output> output =
      line->command == nullptr ? Output(Help(line->call.arguments, Commands()))
                               : line->command->run(line->call);
  if (!output.ok()) {
    std::fprintf(stderr, "ballastctl: %s\n",
                 std::string(output.status().message()).c_str());
    return 1;
  }
  // A key that did not get into its file must not look as if it had.
  if (std::fputs(output->text.c_str(), stdout) < 0 ||
      std::fflush(stdout) != 0) {
    std::fprintf(stderr, "ballastctl: cannot write to standard output\n");
    return 1;
  }
  std::fputs(output->remarks.c_str(), stderr);
  return output->failed ? 1 : 0;
}
