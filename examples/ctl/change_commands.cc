#include "examples/ctl/change_commands.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "examples/ctl/status_text.h"
#include "examples/ctl/unit_client.h"
#include "io/base/status_macros.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {
namespace {

absl::StatusOr<Output> Ask(const Call& call, absl::string_view command) {
  BALLAST_ASSIGN_OR_RETURN(const std::string said, AskUnit(call, command));
  return Output(said);
}

std::string Path(const Call& call) {
  return std::filesystem::absolute(std::string(call.arguments[0])).string();
}

}  // namespace

absl::StatusOr<Output> ShowHistory(const Call& call) {
  BALLAST_ASSIGN_OR_RETURN(const ApiReply reply, GetApi(call, "/v1/history"));
  if (call.Has("--json") || reply.status != 200) {
    return OutputOf(call, reply, "");
  }
  admin::proto::History history;
  BALLAST_RETURN_IF_ERROR(ReadJson(reply.json, &history));
  return Output(HistoryText(history));
}

absl::StatusOr<Output> ShowDifference(const Call& call) {
  return Ask(call,
             absl::StrCat("diff ", call.arguments[0], " ", call.arguments[1]));
}

absl::StatusOr<Output> ShowAudit(const Call& call) {
  return Ask(call, absl::StrCat("audit ", call.arguments[0]));
}

absl::StatusOr<Output> Rollback(const Call& call) {
  return Ask(call, absl::StrCat("rollback ", call.arguments[0]));
}

absl::StatusOr<Output> Backup(const Call& call) {
  return Ask(call, absl::StrCat(call.Has("--without-secrets")
                                    ? "backup-without-secrets "
                                    : "backup ",
                                Path(call)));
}

absl::StatusOr<Output> Restore(const Call& call) {
  return Ask(call, absl::StrCat("restore ", Path(call)));
}

}  // namespace ballast::ctl
