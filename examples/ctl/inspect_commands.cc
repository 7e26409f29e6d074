#include "examples/ctl/inspect_commands.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "examples/ctl/inspect_text.h"
#include "examples/ctl/server_names.h"
#include "examples/ctl/unit_client.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {
namespace {

// Posts `order`; its answer as it is, or what `text` makes of it.
template <class Answer>
absl::StatusOr<Output> Ask(const Call& call, absl::string_view path,
                           const google::protobuf::Message& order,
                           std::string (*text)(const Answer&)) {
  BALLAST_ASSIGN_OR_RETURN(const ApiReply reply, PostApi(call, path, order));
  if (call.Has("--json") || reply.status != 200) {
    return OutputOf(call, reply, "");
  }
  Answer answer;
  BALLAST_RETURN_IF_ERROR(ReadJson(reply.json, &answer));
  return Output(text(answer));
}

// One without a port is one that has no connection.
std::string WithPort(absl::string_view client) {
  const auto address = Address::Parse(client);
  return address.ok() ? Endpoint{*address, 1}.ToString() : std::string(client);
}

// Words and options that lists have in common.
template <class Query>
absl::Status ReadQuery(const Call& call, Query* query) {
  if (!call.arguments.empty()) {
    BALLAST_ASSIGN_OR_RETURN(const admin::proto::Status status,
                             GetStatus(call));
    BALLAST_ASSIGN_OR_RETURN(const auto* const service,
                             FindService(status, call.arguments[0]));
    query->set_service(service->id());
  }
  query->set_client(std::string(call.Value("--client", "")));
  uint32_t limit = 0;
  if (!absl::SimpleAtoi(call.Value("--limit", "0"), &limit)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--limit: '", call.Value("--limit", ""), "', must be a number"));
  }
  query->set_limit(limit);
  return absl::OkStatus();
}

absl::StatusOr<Output> Persistence(const Call& call, absl::string_view path) {
  admin::proto::PersistenceQuery query;
  BALLAST_RETURN_IF_ERROR(ReadQuery(call, &query));
  query.set_key(std::string(call.Value("--key", "")));
  return Ask(call, path, query, &PersistenceText);
}

}  // namespace

absl::StatusOr<Output> ShowPersistence(const Call& call) {
  return Persistence(call, "/v1/persistence");
}

absl::StatusOr<Output> DeletePersistence(const Call& call) {
  return Persistence(call, "/v1/persistence/delete");
}

absl::StatusOr<Output> ShowConnections(const Call& call) {
  admin::proto::ConnectionQuery query;
  BALLAST_RETURN_IF_ERROR(ReadQuery(call, &query));
  query.set_server(std::string(call.Value("--server", "")));
  return Ask(call, "/v1/connections", query, &ConnectionsText);
}

absl::StatusOr<Output> ExplainClient(const Call& call) {
  admin::proto::ExplainOrder order;
  order.set_client(WithPort(call.arguments[0]));
  order.set_destination(std::string(call.arguments[1]));
  if (call.Has("--udp")) order.set_protocol("udp");
  if (call.Has("--target") || call.Has("--host") || call.Has("--header")) {
    admin::proto::RequestHead& request = *order.mutable_request();
    request.set_target(std::string(call.Value("--target", "")));
    request.set_host(std::string(call.Value("--host", "")));
    if (call.Has("--header")) {
      request.add_header(std::string(call.Value("--header", "")));
    }
  }
  return Ask(call, "/v1/explain", order, &ExplanationText);
}

}  // namespace ballast::ctl
