#include "lb/admin/v1_inspect.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/service_name.h"
#include "lb/admin/v1_find.h"

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

// "192.0.2.7:4000"
absl::StatusOr<Endpoint> WholeEndOf(absl::string_view field,
                                    absl::string_view text) {
  const auto endpoint = Endpoint::Parse(text);
  if (endpoint.ok() && endpoint->port != 0) return *endpoint;
  return Not(field, text, "an address and a port");
}

void Show(const ConnectionRecord& record, proto::Connection* out) {
  out->set_layer7(record.layer7);
  out->set_protocol(std::string(ProtocolName(record.protocol)));
  out->set_client(record.client.ToString());
  out->set_destination(record.destination.ToString());
  out->set_service(ServiceName(record.service.address, record.service.port,
                               record.protocol));
  out->set_sub_service(record.sub_service);
  out->set_server(Text(record.server));
  out->set_source(Text(record.source));
  out->set_direct_return(record.direct_return);
  out->set_state(record.state);
  out->set_idle_seconds(
      static_cast<uint32_t>(absl::ToInt64Seconds(record.idle)));
  out->set_client_packets(record.client_packets);
  out->set_synced(record.synced);
}

// Of the service or sub service.
std::string ScheduleOf(const config::proto::Config& config,
                       const std::string& service, absl::string_view sub) {
  for (const auto& one : config.virtual_services()) {
    if (ServiceNameOf(one) != service) continue;
    for (const auto& part : one.l7().sub_services()) {
      if (!sub.empty() && part.name() == sub) {
        return config::proto::Schedule_Name(part.schedule());
      }
    }
    return config::proto::Schedule_Name(one.schedule());
  }
  return "";
}

absl::StatusOr<PersistenceQuery> Read(const proto::PersistenceQuery& query) {
  PersistenceQuery asked;
  BALLAST_ASSIGN_OR_RETURN(asked.service, ServiceOf(query.service()));
  BALLAST_ASSIGN_OR_RETURN(asked.limit, LimitOf(query.limit()));
  if (!query.client().empty()) {
    const auto address = Address::Parse(query.client());
    if (!address.ok()) return Not("client", query.client(), "an address");
    asked.client = *address;
  }
  const bool hex =
      query.key().size() == 32 &&
      std::all_of(query.key().begin(), query.key().end(), absl::ascii_isxdigit);
  if (!query.key().empty() && !hex) {
    return Not("key", query.key(), "32 hex digits");
  }
  asked.key = query.key();
  return asked;
}

proto::PersistenceEntries Shown(const PersistenceList& list) {
  proto::PersistenceEntries answer;
  answer.set_more(list.more);
  for (const PersistenceRecord& record : list.entries) {
    proto::PersistenceEntry& out = *answer.add_entries();
    out.set_service(ServiceName(record.service.endpoint.address,
                                record.service.endpoint.port,
                                record.service.protocol));
    out.set_layer7(record.layer7);
    out.set_sub_service(record.sub_service);
    out.set_mode(record.mode);
    out.set_key(record.key);
    out.set_server(record.server.ToString());
    out.set_expires_in(
        static_cast<uint32_t>(absl::ToInt64Seconds(record.expires_in)));
  }
  return answer;
}

}  // namespace

absl::StatusOr<proto::PersistenceEntries> ListPersistence(
    const proto::PersistenceQuery& query, Backend* backend) {
  BALLAST_ASSIGN_OR_RETURN(const PersistenceQuery asked, Read(query));
  BALLAST_ASSIGN_OR_RETURN(const PersistenceList list,
                           backend->ListPersistence(asked));
  return Shown(list);
}

absl::StatusOr<proto::PersistenceEntries> DeletePersistence(
    const proto::PersistenceQuery& query, const Author& author,
    Backend* backend) {
  BALLAST_ASSIGN_OR_RETURN(const PersistenceQuery asked, Read(query));
  if (!asked.service && !asked.client && asked.key.empty()) {
    return absl::InvalidArgumentError("service, client, key: none is there");
  }
  BALLAST_ASSIGN_OR_RETURN(const PersistenceList list,
                           backend->DeletePersistence(asked, author));
  return Shown(list);
}

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
    Show(record, answer.add_connections());
  }
  return answer;
}

absl::StatusOr<proto::Explanation> Explain(const proto::ExplainOrder& order,
                                           Backend* backend) {
  ExplainOrder asked;
  BALLAST_ASSIGN_OR_RETURN(asked.client, WholeEndOf("client", order.client()));
  BALLAST_ASSIGN_OR_RETURN(asked.destination,
                           WholeEndOf("destination", order.destination()));
  if (order.protocol() == "udp") {
    asked.protocol = Protocol::kUdp;
  } else if (!order.protocol().empty() && order.protocol() != "tcp") {
    return Not("protocol", order.protocol(), "\"tcp\" or \"udp\"");
  }
  if (order.has_request()) {
    ExplainOrder::Request& request = asked.request.emplace();
    request.method = order.request().method();
    request.target = order.request().target();
    request.host = order.request().host();
    request.fields.assign(order.request().header().begin(),
                          order.request().header().end());
  }
  BALLAST_ASSIGN_OR_RETURN(const Explanation known, backend->Explain(asked));
  proto::Explanation out;
  if (known.service.has_value()) {
    out.set_service(ServiceName(known.service->endpoint.address,
                                known.service->endpoint.port,
                                known.service->protocol));
    out.set_schedule(
        ScheduleOf(backend->configuration(), out.service(), known.sub_service));
  }
  out.set_layer7(known.layer7);
  out.set_sub_service(known.sub_service);
  if (known.connection.has_value()) {
    Show(*known.connection, out.mutable_connection());
  }
  if (known.persistence.has_value()) {
    proto::PersistenceFound& entry = *out.mutable_persistence();
    entry.set_mode(known.persistence->mode);
    entry.set_key(known.persistence->key);
    entry.set_server(Text(known.persistence->server));
    entry.set_expires_in(static_cast<uint32_t>(
        absl::ToInt64Seconds(known.persistence->expires_in)));
    entry.set_followed(known.persistence->followed);
  }
  out.set_slot(known.slot ? static_cast<int32_t>(*known.slot) : -1);
  out.set_server(Text(known.server));
  out.set_source(Text(known.source));
  out.set_reason(known.reason);
  for (const std::string& step : known.steps) {
    // What it quotes may be anything, and a message is UTF-8.
    out.add_steps(absl::CHexEscape(step));
  }
  return out;
}

}  // namespace ballast::admin
