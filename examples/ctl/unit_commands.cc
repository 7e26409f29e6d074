#include "examples/ctl/unit_commands.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "examples/ctl/server_names.h"
#include "examples/ctl/status_text.h"
#include "examples/ctl/unit_client.h"
#include "io/base/status_macros.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {
namespace {

// The reply as it is, or what `text` makes of it.
template <class Text>
absl::StatusOr<Output> Show(const Call& call, Text text) {
  BALLAST_ASSIGN_OR_RETURN(const ApiReply reply, GetApi(call, "/v1/status"));
  if (call.Has("--json") || reply.status != 200) {
    return OutputOf(call, reply, "");
  }
  admin::proto::Status status;
  BALLAST_RETURN_IF_ERROR(ReadJson(reply.json, &status));
  return text(status);
}

// The server that a call names, and what is to become of it.
absl::StatusOr<Output> Order(const Call& call, absl::string_view state,
                             const uint32_t* weight) {
  BALLAST_ASSIGN_OR_RETURN(const admin::proto::Status status, GetStatus(call));
  BALLAST_ASSIGN_OR_RETURN(
      admin::proto::ServerOrder order,
      OrderFor(status, call.arguments[0], call.arguments[1]));
  order.set_state(std::string(state));
  if (weight != nullptr) order.set_weight(*weight);
  BALLAST_ASSIGN_OR_RETURN(const ApiReply reply,
                           PostApi(call, "/v1/server", order));
  return OutputOf(call, reply, "done\n");
}

absl::StatusOr<Output> Post(const Call& call, absl::string_view path) {
  BALLAST_ASSIGN_OR_RETURN(const ApiReply reply,
                           PostApi(call, path, admin::proto::Nothing()));
  return OutputOf(call, reply, "done\n");
}

}  // namespace

absl::StatusOr<Output> ShowStatus(const Call& call) {
  return Show(call, [&](const auto& status) -> absl::StatusOr<Output> {
    BALLAST_ASSIGN_OR_RETURN(const std::string pair, AskUnit(call, "pair"));
    return Output(absl::StrCat(UnitText(status), pair));
  });
}

absl::StatusOr<Output> ShowServices(const Call& call) {
  return Show(call, [](const auto& status) -> absl::StatusOr<Output> {
    return Output(ServicesText(status));
  });
}

absl::StatusOr<Output> ShowServers(const Call& call) {
  return Show(call, [&](const auto& status) -> absl::StatusOr<Output> {
    if (call.arguments.empty()) return Output(ServersText(status, ""));
    BALLAST_ASSIGN_OR_RETURN(const auto* const service,
                             FindService(status, call.arguments[0]));
    return Output(ServersText(status, service->id()));
  });
}

absl::StatusOr<Output> EnableServer(const Call& call) {
  return Order(call, "enable", nullptr);
}

absl::StatusOr<Output> DisableServer(const Call& call) {
  return Order(call, "disable", nullptr);
}

absl::StatusOr<Output> DrainServer(const Call& call) {
  return Order(call, "drain", nullptr);
}

absl::StatusOr<Output> WeighServer(const Call& call) {
  uint32_t weight;
  if (!absl::SimpleAtoi(call.arguments[2], &weight)) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight: '", call.arguments[2], "', must be a number"));
  }
  return Order(call, "", &weight);
}

absl::StatusOr<Output> Switchover(const Call& call) {
  return Post(call, "/v1/switchover");
}

absl::StatusOr<Output> Resync(const Call& call) {
  BALLAST_ASSIGN_OR_RETURN(const std::string said, AskUnit(call, "resync"));
  return Output(said);
}

absl::StatusOr<Output> Update(const Call& call) {
  return Post(call, "/v1/force-update");
}

}  // namespace ballast::ctl
