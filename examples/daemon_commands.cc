#include "examples/daemon_commands.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "examples/daemon_report.h"
#include "io/base/status_macros.h"
#include "lb/admin/v1.h"
#include "lb/config/ballast.pb.h"

namespace ballast {
namespace {

using Answer = absl::StatusOr<std::string>;

const admin::Author& Author() {
  static const auto& author =
      *new admin::Author{"ballastctl", "control socket"};
  return author;
}

Answer Done(const absl::Status& status) {
  if (!status.ok()) return status;
  return "done\n";
}

Answer InForce(const absl::Status& status, const run::Manager& manager) {
  if (!status.ok()) return status;
  return absl::StrCat("generation ", manager.generation(), " is in force\n");
}

absl::StatusOr<uint64_t> Number(absl::string_view text) {
  uint64_t number;
  if (absl::SimpleAtoi(text, &number)) return number;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "': must be a number"));
}

absl::StatusOr<std::string> Path(absl::string_view text) {
  if (text.empty() || text[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "': must be an absolute path"));
  }
  return std::string(text);
}

// "GET /v1/status", "POST /v1/server {...}". Whoever may open the socket may do
// anything with the unit.
Answer AnswerApi(run::Manager& manager, absl::string_view arguments) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(arguments, absl::MaxSplits(' ', 2));
  if (parts.size() < 2 || (parts[0] != "GET" && parts[0] != "POST")) {
    return absl::InvalidArgumentError("v1: must be v1 GET|POST PATH [JSON]");
  }
  const admin::V1Reply reply = admin::AnswerV1(
      absl::Now(),
      {.post = parts[0] == "POST",
       .path = parts[1],
       .body = parts.size() > 2 ? parts[2] : absl::string_view(),
       .content_type = "application/json",
       .ballast_request = "1",
       .role = config::proto::User::ADMIN,
       .author = Author()},
      &manager);
  return absl::StrCat(reply.status, " ", reply.json);
}

// `arguments`: what follows the command's word and one blank.
struct Command {
  absl::string_view word;
  Answer (*run)(run::Manager& manager, absl::string_view arguments);
};

constexpr Command kCommands[] = {
    {"v1", AnswerApi},
    {"pair",
     [](run::Manager& manager, absl::string_view) -> Answer {
       return PairText(manager.GetStatistics().pair);
     }},
    {"resync",
     [](run::Manager& manager, absl::string_view) {
       return Done(manager.Resync(Author()));
     }},
    {"diff",
     [](run::Manager& manager, absl::string_view arguments) -> Answer {
       const std::vector<absl::string_view> two =
           absl::StrSplit(arguments, absl::MaxSplits(' ', 1));
       BALLAST_ASSIGN_OR_RETURN(const uint64_t from, Number(two[0]));
       BALLAST_ASSIGN_OR_RETURN(const uint64_t to, Number(two.back()));
       BALLAST_ASSIGN_OR_RETURN(std::string text, manager.Compare(from, to));
       return text.empty() ? "no difference\n" : text;
     }},
    {"rollback",
     [](run::Manager& manager, absl::string_view arguments) -> Answer {
       BALLAST_ASSIGN_OR_RETURN(const uint64_t to, Number(arguments));
       return InForce(manager.Rollback(to, Author()), manager);
     }},
    {"audit",
     [](run::Manager& manager, absl::string_view arguments) -> Answer {
       BALLAST_ASSIGN_OR_RETURN(const uint64_t lines, Number(arguments));
       return manager.AuditTail(static_cast<size_t>(lines));
     }},
    {"backup",
     [](run::Manager& manager, absl::string_view arguments) -> Answer {
       BALLAST_ASSIGN_OR_RETURN(const std::string path, Path(arguments));
       return Done(manager.Backup(path, /*secrets=*/true, Author()));
     }},
    {"backup-without-secrets",
     [](run::Manager& manager, absl::string_view arguments) -> Answer {
       BALLAST_ASSIGN_OR_RETURN(const std::string path, Path(arguments));
       return Done(manager.Backup(path, /*secrets=*/false, Author()));
     }},
    {"restore",
     [](run::Manager& manager, absl::string_view arguments) -> Answer {
       BALLAST_ASSIGN_OR_RETURN(const std::string path, Path(arguments));
       return InForce(manager.Restore(path, Author()), manager);
     }},
};

}  // namespace

absl::StatusOr<std::string> AnswerCommand(run::Manager& manager,
                                          absl::string_view command) {
  const size_t blank = command.find(' ');
  const absl::string_view word = command.substr(0, blank);
  const absl::string_view arguments =
      blank == absl::string_view::npos ? "" : command.substr(blank + 1);
  std::string words;
  for (const Command& known : kCommands) {
    if (known.word == word) return known.run(manager, arguments);
    absl::StrAppend(&words, words.empty() ? "" : ", ", known.word);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", word, "': must be one of ", words));
}

}  // namespace ballast
