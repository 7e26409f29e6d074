#include "examples/ctl/command_line.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace ballast::ctl {
namespace {

using Words = std::vector<absl::string_view>;

struct Option {
  absl::string_view name;
  absl::string_view value;  // What to call it; empty: there is none.
  absl::string_view help;
};

constexpr Option kOptions[] = {
    {"--socket", "PATH",
     "of the ballastd: the file \"control\" in its state_dir; default\n"
     "BALLAST_SOCKET, else /run/ballast/control, and where that is not\n"
     "there /var/lib/ballast/control"},
    {"--json", "", "print the unit's reply as it is (lb/admin/v1.proto)"},
    {"--once", "", "print one frame"},
    {"--interface", "NAME", "the link the services' addresses are on"},
    {"--address", "ADDRESS", "of listeners that name none, such as *:80"},
    {"--strict", "", "exit code 1 if anything is not carried over"},
    {"--without-secrets", "", "leave keys and passwords out"},
    {"--client", "ADDRESS", "only of this client, \"ADDRESS:PORT\" too"},
    {"--server", "ADDRESS", "only of this server, \"ADDRESS:PORT\" too"},
    {"--key", "DIGEST", "only of this key, 32 hex digits"},
    {"--limit", "N", "at most so many, 1 to 1000; default 100"},
    {"--udp", "", "the client speaks UDP"},
    {"--target", "PATH", "the request's target; default /"},
    {"--host", "NAME", "the request's host; default the destination"},
    {"--header", "FIELD", "a field of the request, \"Cookie: a=b\""},
};

Words Split(absl::string_view text) {
  return absl::StrSplit(text, ' ', absl::SkipEmpty());
}

bool BeginsWith(absl::Span<const absl::string_view> words,
                const Words& beginning) {
  return words.size() >= beginning.size() &&
         std::equal(beginning.begin(), beginning.end(), words.begin());
}

bool Takes(const Command& command, absl::string_view option) {
  const Words all = Split(command.options);
  return std::find(all.begin(), all.end(), option) != all.end();
}

// "drain SERVICE SERVER".
std::string Usage(const Command& command) {
  return absl::StrCat(command.words, *command.arguments == '\0' ? "" : " ",
                      command.arguments);
}

const Option* FindOption(absl::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kOptions), std::end(kOptions),
                   [&](const Option& one) { return one.name == name; });
  return found == std::end(kOptions) ? nullptr : found;
}

void AppendOptions(absl::string_view options, std::string& text) {
  for (const Option& option : kOptions) {
    const Words all = Split(options);
    if (std::find(all.begin(), all.end(), option.name) == all.end()) continue;
    std::string name = absl::StrCat(
        option.name, option.value.empty() ? "" : " ", option.value);
    for (const absl::string_view line : absl::StrSplit(option.help, '\n')) {
      absl::StrAppendFormat(&text, "  %-20s %s\n", name, line);
      name.clear();
    }
  }
}

std::string HelpOfOne(const Command& command) {
  std::string text =
      absl::StrCat("usage: ballastctl ", Usage(command),
                   *command.options == '\0' ? "" : " [OPTION...]", "\n\n",
                   command.help, "\n");
  if (*command.more != '\0') absl::StrAppend(&text, "\n", command.more);
  if (*command.options != '\0') {
    absl::StrAppend(&text, "\n");
    AppendOptions(command.options, text);
  }
  return text;
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(
    absl::Span<const absl::string_view> words,
    absl::Span<const Command> commands) {
  const auto misunderstood = [](auto... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  CommandLine line;
  Words rest;
  bool help = false;
  bool ended = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const absl::string_view word = words[i];
    if (ended || word.size() < 2 || word[0] != '-') {
      rest.push_back(word);
      continue;
    }
    if (word == "--") {
      ended = true;
      continue;
    }
    if (word == "--help" || word == "-h") {
      help = true;
      continue;
    }
    const size_t equals = word.find('=');
    const absl::string_view name = word.substr(0, equals);
    const Option* const option = FindOption(name);
    if (option == nullptr) return misunderstood("no option ", name);
    absl::string_view value;
    if (equals != absl::string_view::npos) {
      if (option->value.empty()) return misunderstood(name, ": has no value");
      value = word.substr(equals + 1);
    } else if (!option->value.empty()) {
      if (++i == words.size()) {
        return misunderstood(name, ": must be followed by ", option->value);
      }
      value = words[i];
    }
    if (!line.call.options.emplace(option->name, value).second) {
      return misunderstood(name, ": is there twice");
    }
  }
  if (help || (!rest.empty() && rest[0] == "help")) {
    if (!rest.empty() && rest[0] == "help") rest.erase(rest.begin());
    line.call.arguments = std::move(rest);
    return line;
  }
  if (rest.empty()) return misunderstood("give a command");
  for (const Command& command : commands) {
    const Words own = Split(command.words);
    if (!BeginsWith(rest, own)) continue;
    line.command = &command;
    rest.erase(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(own.size()));
    break;
  }
  if (line.command == nullptr) {
    return misunderstood("no command begins with \"", rest[0],
                         rest.size() > 1 ? " " : "",
                         rest.size() > 1 ? rest[1] : "", "\"");
  }
  const Words places = Split(line.command->arguments);
  const auto least = static_cast<size_t>(
      std::count_if(places.begin(), places.end(),
                    [](absl::string_view place) { return place[0] != '['; }));
  if (rest.size() < least || rest.size() > places.size()) {
    return misunderstood(
        line.command->words, ": ", rest.size(), " arguments, must be ", least,
        least == places.size() ? "" : absl::StrCat(" to ", places.size()));
  }
  for (const auto& [name, value] : line.call.options) {
    if (!Takes(*line.command, name)) {
      return misunderstood(line.command->words, ": takes no ", name);
    }
  }
  line.call.arguments = std::move(rest);
  return line;
}

std::string Help(absl::Span<const absl::string_view> words,
                 absl::Span<const Command> commands) {
  std::string about;
  for (const Command& command : commands) {
    if (words.empty()) break;
    // "key" is about "key new" and "key id"; "drain A B" about "drain".
    const Words own = Split(command.words);
    const size_t common = std::min(own.size(), words.size());
    if (!BeginsWith(own,
                    Words(words.begin(),
                          words.begin() + static_cast<ptrdiff_t>(common)))) {
      continue;
    }
    absl::StrAppend(&about, about.empty() ? "" : "\n", HelpOfOne(command));
  }
  if (!about.empty()) return about;
  std::string text = "usage: ballastctl COMMAND\n\n";
  for (const Command& command : commands) {
    absl::StrAppendFormat(&text, "  %-32s %s\n", Usage(command), command.help);
  }
  absl::StrAppend(&text,
                  "\n"
                  "`ballastctl help COMMAND` says more of one. Commands that "
                  "ask a ballastd take\n\n");
  AppendOptions("--socket --json", text);
  absl::StrAppend(&text,
                  "\n"
                  "Exit code 0: done; 1: could not be done; 2: not "
                  "understood.\n");
  return text;
}

}  // namespace ballast::ctl
