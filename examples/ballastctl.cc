// What an operator tells Ballast from a shell.
//
//   (umask 077; ballastctl key new > /etc/ballast/pair.key)
//   ballastctl key id /etc/ballast/pair.key
//
// Each command is one row of kCommands.
//
// Exit  0 done; 1 could not be done; 2 not understood.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "examples/control_socket.h"
#include "ha/pair_key.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "lb/admin/password.h"

namespace {

using ballast::ha::PairKey;
using Words = std::span<const absl::string_view>;

constexpr size_t kKeyFileSizeMax = 4096;

// What goes to standard output, or why there is nothing.
absl::StatusOr<std::string> KeyNew(Words) {
  PairKey key;
  ballast::FillRandom(key);
  return absl::StrCat(ballast::ha::FormatPairKey(key), "\n");
}

// Whether it was meant to be a key and is no path: a key that has lost a digit
// is not to be repeated as the name of a file that is not there.
bool LooksLikeKey(absl::string_view text) {
  return text.size() >= 32 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

absl::StatusOr<std::vector<PairKey>> ReadKeys(absl::string_view argument) {
  if (LooksLikeKey(argument)) {
    BALLAST_ASSIGN_OR_RETURN(const PairKey key,
                             ballast::ha::ParsePairKey(argument));
    return std::vector<PairKey>{key};
  }
  const std::string path(argument);
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ballast::ReadFile(path, kKeyFileSizeMax));
  auto keys = ballast::ha::ParsePairKeys(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!keys.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", keys.status().message()));
  }
  return keys;
}

absl::StatusOr<std::string> KeyId(Words arguments) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<PairKey> keys,
                           ReadKeys(arguments[0]));
  std::string ids;
  for (const PairKey& key : keys) {
    absl::StrAppendFormat(&ids, "%08x\n", ballast::ha::PairKeyId(key));
  }
  return ids;
}

// Of one line of standard input: an argument could be seen by every user of the
// machine.
absl::StatusOr<std::string> Password(Words) {
  char line[ballast::admin::kPasswordMax + 2];
  if (isatty(STDIN_FILENO)) std::fputs("Password: ", stderr);
  if (std::fgets(line, sizeof(line), stdin) == nullptr) {
    return absl::InvalidArgumentError("no password on standard input");
  }
  const absl::string_view password = absl::StripSuffix(line, "\n");
  if (password.empty() || password.size() > ballast::admin::kPasswordMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the password must have 1 to ",
                     ballast::admin::kPasswordMax, " bytes"));
  }
  std::array<uint8_t, ballast::admin::kSaltSize> salt;
  ballast::FillRandom(salt);
  return absl::StrCat(ballast::admin::HashPassword(password, salt), "\n");
}

// Asks the ballastd whose socket it is; what follows the socket goes with the
// command.
absl::StatusOr<std::string> Ask(absl::string_view command, Words arguments) {
  return ballast::AskControlSocket(
      std::string(arguments[0]),
      absl::StrJoin(
          {std::string(command), absl::StrJoin(arguments.subspan(1), " ")},
          arguments.size() > 1 ? " " : ""),
      absl::Seconds(30));
}
// The file is read or written by the daemon, which may be elsewhere.
absl::StatusOr<std::string> AskOfFile(absl::string_view command,
                                      Words arguments) {
  const std::string path =
      std::filesystem::absolute(std::string(arguments[1])).string();
  const absl::string_view words[] = {arguments[0], path};
  return Ask(command, words);
}
absl::StatusOr<std::string> Status(Words w) { return Ask("status", w); }
absl::StatusOr<std::string> Switchover(Words w) { return Ask("switchover", w); }
absl::StatusOr<std::string> Resync(Words w) { return Ask("resync", w); }
absl::StatusOr<std::string> Update(Words w) { return Ask("update", w); }
absl::StatusOr<std::string> History(Words w) { return Ask("history", w); }
absl::StatusOr<std::string> Diff(Words w) { return Ask("diff", w); }
absl::StatusOr<std::string> Rollback(Words w) { return Ask("rollback", w); }
absl::StatusOr<std::string> Audit(Words w) { return Ask("audit", w); }
absl::StatusOr<std::string> Backup(Words w) { return AskOfFile("backup", w); }
absl::StatusOr<std::string> BackupWithoutSecrets(Words w) {
  return AskOfFile("backup-without-secrets", w);
}
absl::StatusOr<std::string> Restore(Words w) { return AskOfFile("restore", w); }

struct Command {
  const char* words;      // As they are typed, one space between.
  const char* arguments;  // What follows, one word each; "": nothing.
  const char* help;       // One line.
  absl::StatusOr<std::string> (*run)(Words arguments);
};

constexpr Command kCommands[] = {
    {"key new", "", "prints a new key for a pair: 64 hex digits", KeyNew},
    {"key id", "FILE|KEY",
     "prints the id of each key in FILE, or of KEY itself", KeyId},
    {"password", "",
     "prints the hash of a password, which is a line of standard input",
     Password},
    {"status", "SOCKET", "role, partner and replication of a ballastd", Status},
    {"switchover", "SOCKET",
     "the active unit hands its role over; by command, a standby takes it",
     Switchover},
    {"resync", "SOCKET", "the active unit gives its whole table anew", Resync},
    {"update", "SOCKET", "the active unit gives its configuration now", Update},
    {"history", "SOCKET",
     "the configurations that are kept: generation, when, who, what", History},
    {"diff", "SOCKET A B", "what generation B has that A has not, by field",
     Diff},
    {"rollback", "SOCKET N", "puts generation N in force again", Rollback},
    {"audit", "SOCKET N",
     "the last N lines of the audit: changes, refused ones, actions", Audit},
    {"backup --without-secrets", "SOCKET FILE",
     "the same without keys and passwords", BackupWithoutSecrets},
    {"backup", "SOCKET FILE",
     "writes the configuration in force to FILE, secrets included", Backup},
    {"restore", "SOCKET FILE", "puts the configuration in FILE in force",
     Restore},
};

std::vector<absl::string_view> SplitWords(absl::string_view text) {
  return absl::StrSplit(text, ' ', absl::SkipEmpty());
}

std::string Help() {
  std::string text =
      "usage: ballastctl COMMAND\n"
      "\n";
  for (const Command& command : kCommands) {
    absl::StrAppendFormat(&text, "  %-36s %s\n",
                          absl::StrCat(command.words, " ", command.arguments),
                          command.help);
  }
  absl::StrAppend(
      &text,
      "\n"
      "The id of a key is no secret: it is in every message that\n"
      "the key has sealed. A KEY given as an argument can be seen\n"
      "by every user of the machine: prefer a FILE of mode 0600.\n"
      "SOCKET is the file \"control\" in that ballastd's state_dir.\n"
      "\n"
      "A backup is one file, the whole configuration as text with its\n"
      "generation: to start a unit anew, give it to ballastd --config.\n"
      "Certificates and keys in files of their own are not in it, nor\n"
      "what is in state_dir. Where it was made without secrets, restore\n"
      "keeps those in force.\n");
  return text;
}

// The command whose words `words` begins with; nullptr if there is none.
const Command* FindCommand(Words words) {
  for (const Command& command : kCommands) {
    const auto own = SplitWords(command.words);
    if (words.size() >= own.size() &&
        std::equal(own.begin(), own.end(), words.begin())) {
      return &command;
    }
  }
  return nullptr;
}

int Misunderstood(absl::string_view why) {
  std::fprintf(stderr, "ballastctl: %s\nTry --help.\n",
               std::string(why).c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<absl::string_view> words(argv + 1, argv + argc);
  for (const absl::string_view word : words) {
    if (word == "--help" || word == "-h") {
      std::fputs(Help().c_str(), stdout);
      return 0;
    }
  }
  if (words.empty()) return Misunderstood("give a command");
  const Command* command = FindCommand(words);
  if (command == nullptr) {
    return Misunderstood(absl::StrCat("no command begins with \"", words[0],
                                      words.size() > 1 ? " " : "",
                                      words.size() > 1 ? words[1] : "", "\""));
  }
  const Words arguments =
      Words(words).subspan(SplitWords(command->words).size());
  const size_t wanted = SplitWords(command->arguments).size();
  if (arguments.size() != wanted) {
    return Misunderstood(absl::StrCat(command->words, ": ", arguments.size(),
                                      " arguments, must be ", wanted));
  }
  const absl::StatusOr<std::string> text = command->run(arguments);
  if (!text.ok()) {
    std::fprintf(stderr, "ballastctl: %s\n",
                 std::string(text.status().message()).c_str());
    return 1;
  }
  // A key that did not get into its file must not look as if it had.
  if (std::fputs(text->c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    std::fprintf(stderr, "ballastctl: cannot write to standard output\n");
    return 1;
  }
  return 0;
}
