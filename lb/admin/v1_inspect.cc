#include "lb/admin/v1_inspect.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/service_name.h"

namespace ballast::admin {
namespace {

constexpr uint32_t kLimitDefault = 100;
constexpr uint32_t kLimitMax = 1000;

absl::Status Not(absl::string_view field, absl::string_view value,
                 absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", absl::CHexEscape(value.substr(0, 128)),
                   "\", must be ", what));
}

// "192.0.2.10:80/tcp"; empty: none.
absl::StatusOr<std::optional<ServiceAddress>> ServiceOf(
    absl::string_view text) {
  if (text.empty()) return std::nullopt;
  const size_t slash = text.rfind('/');
  const auto endpoint = Endpoint::Parse(text.substr(0, slash));
  if (endpoint.ok() && slash != absl::string_view::npos) {
    for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
      if (text.substr(slash + 1) == ProtocolName(protocol)) {
        return ServiceAddress{*endpoint, protocol};
      }
    }
  }
  return Not("service", text, "as \"192.0.2.10:80/tcp\"");
}

// "192.0.2.7", "192.0.2.7:4000"; empty: none.
absl::StatusOr<std::optional<Endpoint>> EndOf(absl::string_view field,
                                              absl::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto address = Address::Parse(text); address.ok()) {
    return Endpoint{*address, 0};
  }
  if (const auto endpoint = Endpoint::Parse(text); endpoint.ok()) {
    return *endpoint;
  }
  return Not(field, text, "an address, or an address and a port");
}

absl::StatusOr<size_t> LimitOf(uint32_t limit) {
  if (limit > kLimitMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit: ", limit, ", must be 1 to ", kLimitMax,
                     ", or 0 for ", kLimitDefault));
  }
  return limit == 0 ? kLimitDefault : limit;
}

std::string Text(const std::optional<Endpoint>& endpoint) {
  return endpoint.has_value() ? endpoint->ToString() : "";
}

}  // namespace

absl::StatusOr<proto::Connections> ListConnections(
    const proto::ConnectionQuery& query, Backend* backend) {
  ConnectionQuery asked;
  BALLAST_ASSIGN_OR_RETURN(asked.service, ServiceOf(query.service()));
  BALLAST_ASSIGN_OR_RETURN(asked.client, EndOf("client", query.client()));
  BALLAST_ASSIGN_OR_RETURN(asked.server, EndOf("server", query.server()));
  BALLAST_ASSIGN_OR_RETURN(asked.limit, LimitOf(query.limit()));
  BALLAST_ASSIGN_OR_RETURN(const ConnectionList list,
                           backend->ListConnections(asked));
  proto::Connections answer;
  answer.set_more(list.more);
  for (const ConnectionRecord& record : list.connections) {
    proto::Connection& out = *answer.add_connections();
    out.set_layer7(record.layer7);
    out.set_protocol(std::string(ProtocolName(record.protocol)));
    out.set_client(record.client.ToString());
    out.set_destination(record.destination.ToString());
    out.set_service(ServiceName(record.service.address, record.service.port,
                                record.protocol));
    out.set_sub_service(record.sub_service);
    out.set_server(Text(record.server));
    out.set_source(Text(record.source));
    out.set_direct_return(record.direct_return);
    out.set_state(record.state);
    out.set_idle_seconds(
        static_cast<uint32_t>(absl::ToInt64Seconds(record.idle)));
    out.set_client_packets(record.client_packets);
    out.set_synced(record.synced);
  }
  return answer;
}

}  // namespace ballast::admin
