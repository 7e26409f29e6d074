#include "lb/connections.h"

#include "absl/strings/str_cat.h"

namespace ballast {

std::string FormatConnection(const ConnectionRecord& connection) {
  const FlowKey flow = {connection.client, connection.destination,
                        connection.protocol};
  return absl::StrCat(
      flow.ToString(), " -> ",
      connection.server.has_value() ? connection.server->ToString() : "-", " ",
      connection.state, " idle ", absl::ToInt64Seconds(connection.idle), "s");
}

}  // namespace ballast
