#include "lb/admin/v1_status.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "lb/admin/service_name.h"
#include "lb/admin/slot_shares.h"
#include "lb/admin/v1_find.h"

namespace ballast::admin {
namespace {

using Counts = std::vector<std::pair<std::string, uint64_t>>;
using ServicesByName =
    std::map<std::string, const config::proto::VirtualService*>;

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

void AddCounts(const Counts& counts,
               google::protobuf::RepeatedPtrField<proto::Count>* to) {
  for (const auto& [name, count] : counts) {
    proto::Count* one = to->Add();
    one->set_name(name);
    one->set_count(count);
  }
}

proto::Icon IconOf(const std::string& name) {
  if (name == "green_a") return proto::GREEN_A;
  if (name == "green") return proto::GREEN;
  if (name == "red") return proto::RED;
  if (name == "blue") return proto::BLUE;
  if (name == "grey") return proto::GREY;
  return proto::NONE;
}

void Show(absl::Time now, const PairStatistics& pair, proto::Pair* to) {
  to->set_configured(pair.configured);
  if (!pair.configured) return;
  to->set_plain(pair.plain);
  to->set_role(pair.role);
  to->set_reason(pair.reason);
  to->set_icon(IconOf(pair.icon));
  to->set_icon_reason(pair.status);
  to->set_partner_icon(IconOf(pair.partner_icon));
  to->set_partner_icon_reason(pair.partner);
  to->set_complete(pair.complete);
  to->set_lag(pair.lag);
  to->set_role_changes(pair.role_changes);
  const auto& changes = pair.last_role_changes;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    proto::RoleChange* one = to->add_last_role_changes();
    one->set_time(TimeText(now - absl::Seconds(change->seconds_ago)));
    one->set_from(change->from);
    one->set_to(change->to);
    one->set_reason(change->reason);
    one->set_incomplete(change->incomplete);
  }
  AddCounts(pair.refused_by_reason, to->mutable_refused_messages());
}

// Tenths do for people.
double Rounded(double rate) { return std::round(rate * 10) / 10; }

void Show(const Traffic& traffic, proto::Traffic* to) {
  to->set_connections(traffic.connections);
  to->set_active_connections(traffic.active_connections);
  to->set_open_connections(traffic.open_connections);
  to->set_requests(traffic.requests);
  to->set_connections_per_second(Rounded(traffic.connections_per_second));
  to->set_requests_per_second(Rounded(traffic.requests_per_second));
  to->set_packets_per_second(Rounded(traffic.packets_per_second));
  to->set_bytes_per_second(Rounded(traffic.bytes_per_second));
}

const char* StateText(config::AdminState state) {
  switch (state) {
    case config::AdminState::kEnabled:
      return "enabled";
    case config::AdminState::kDisabled:
      return "disabled";
    case config::AdminState::kDraining:
      return "draining";
  }
  return "";
}

void Show(const ServerStatistics& server, proto::Server* to) {
  to->set_id(server.endpoint.ToString());
  to->set_name(server.name);
  to->set_sub_service(server.sub_service);
  to->set_kind(server.removed ? "removed" : server.sorry ? "sorry" : "real");
  to->set_state(StateText(server.state));
  to->set_up(server.up);
  to->set_reason(server.reason);
  to->set_weight(server.weight);
  to->set_persistence_entries(server.persistence_entries);
  Show(server.traffic, to->mutable_traffic());
}

void Show(const ServiceStatistics& service, const ServicesByName& configured,
          proto::Service* to) {
  to->set_id(ServiceName(service.address, service.port, service.protocol));
  to->set_name(service.name);
  to->set_layer7(service.proxy);
  to->set_enabled(service.enabled);
  to->set_up(service.up);
  to->set_refused(service.refused);
  AddCounts(service.limited, to->mutable_limited());
  AddCounts(service.events, to->mutable_events());
  Show(service.traffic, to->mutable_traffic());
  for (const ServerStatistics& server : service.servers) {
    Show(server, to->add_servers());
  }
  const auto found = configured.find(to->id());
  if (found == configured.end()) return;
  const config::proto::VirtualService& from = *found->second;
  to->set_schedule(config::proto::Schedule_Name(from.schedule()));
  if (from.schedule() != config::proto::SH || service.proxy) return;
  to->set_fill(config::proto::Fill_Name(from.fill()));
  const std::vector<SlotsOf> shares = SlotShares(service, from.fill());
  for (size_t i = 0; i < shares.size(); ++i) {
    proto::Server& server = *to->mutable_servers(static_cast<int>(i));
    if (server.kind() != "real") continue;
    server.mutable_slots()->set_slots(shares[i].slots);
    server.mutable_slots()->set_fair_slots(shares[i].fair);
    server.mutable_slots()->set_starved(shares[i].starved());
  }
}

}  // namespace

proto::Status StatusOf(absl::Time now, const config::proto::Config& config,
                       const Statistics& statistics) {
  ServicesByName configured;
  for (const auto& service : config.virtual_services()) {
    configured.emplace(ServiceNameOf(service), &service);
  }
  proto::Status status;
  status.set_time(TimeText(now));
  status.set_generation(statistics.generation);
  status.set_active(statistics.active);
  Show(now, statistics.pair, status.mutable_pair());
  for (const ServiceStatistics& service : statistics.services) {
    Show(service, configured, status.add_services());
  }
  AddCounts(statistics.drops, status.mutable_dropped_frames());
  status.set_kernel_receive_dropped(statistics.kernel_receive_dropped);
  status.set_kernel_send_refused(statistics.kernel_send_refused);
  AddCounts(statistics.proxy_events, status.mutable_proxy_events());
  status.set_connections(statistics.connections);
  status.set_forwarded_packets(statistics.packets_forwarded);
  return status;
}

proto::History HistoryOf(const std::vector<Revision>& revisions) {
  proto::History history;
  for (const Revision& revision : revisions) {
    proto::Revision* one = history.add_revisions();
    one->set_generation(revision.generation);
    one->set_time(TimeText(revision.when));
    one->set_user(revision.author.user);
    one->set_from(revision.author.from);
    one->set_what(revision.what);
  }
  return history;
}

}  // namespace ballast::admin
