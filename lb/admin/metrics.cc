#include "lb/admin/metrics.h"

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ha/advert.h"
#include "lb/admin/exposition.h"
#include "lb/admin/service_name.h"
#include "lb/l4/drop_reason.h"

namespace ballast::admin {
namespace {

using Counts = std::vector<std::pair<std::string, uint64_t>>;

// In the order they were made.
class Page {
 public:
  MetricFamily& Counter(absl::string_view name, absl::string_view help) {
    return families_.emplace_back(name, MetricFamily::Type::kCounter, help);
  }
  MetricFamily& Gauge(absl::string_view name, absl::string_view help) {
    return families_.emplace_back(name, MetricFamily::Type::kGauge, help);
  }
  std::string Text() const {
    std::string text;
    for (const MetricFamily& family : families_) family.AppendTo(&text);
    return text;
  }

 private:
  std::deque<MetricFamily> families_;  // References to them stay valid.
};

Labels With(Labels labels, absl::string_view name, absl::string_view value) {
  labels.emplace_back(name, value);
  return labels;
}

void AddCounts(MetricFamily& family, absl::string_view label,
               const Counts& counts, const Labels& labels = {}) {
  for (const auto& [name, count] : counts) {
    family.Add(With(labels, label, name), count);
  }
}

// One sample for each of `values`: 1 for what is so, 0 for the rest.
template <typename Values>
void AddState(MetricFamily& family, absl::string_view label,
              const Values& values, absl::string_view is,
              const Labels& labels = {}) {
  for (const absl::string_view value : values) {
    family.Add(With(labels, label, value), value == is);
  }
}

// ballast_service_* or ballast_server_*.
struct TrafficFamilies {
  TrafficFamilies(Page& page, const std::string& of, absl::string_view whose)
      : connections(page.Counter(
            of + "_connections_total",
            absl::StrCat("Connections or flows opened, of ", whose, "."))),
        requests(page.Counter(
            of + "_requests_total",
            absl::StrCat("Requests and streams of layer 7, of ", whose, "."))),
        persisted(
            page.Counter(of + "_persisted_requests_total",
                         absl::StrCat("Requests that went by a persistence "
                                      "entry, of ",
                                      whose, "."))),
        packets(page.Counter(
            of + "_packets_total",
            absl::StrCat("Packets at layer 4, from clients (in) and from "
                         "servers (out), of ",
                         whose, "."))),
        bytes(page.Counter(
            of + "_bytes_total",
            absl::StrCat("Bytes of IP packets or, at layer 7, of contents, "
                         "from clients (in) and from servers (out), of ",
                         whose, "."))) {}

  void Add(const Traffic& traffic, const Labels& labels, bool proxy) {
    connections.Add(labels, traffic.connections);
    bytes.Add(With(labels, "direction", "in"), traffic.bytes_in);
    bytes.Add(With(labels, "direction", "out"), traffic.bytes_out);
    if (proxy) {
      requests.Add(labels, traffic.requests);
      persisted.Add(labels, traffic.persisted);
    } else {
      packets.Add(With(labels, "direction", "in"), traffic.packets_in);
      packets.Add(With(labels, "direction", "out"), traffic.packets_out);
    }
  }

  MetricFamily& connections;
  MetricFamily& requests;
  MetricFamily& persisted;
  MetricFamily& packets;
  MetricFamily& bytes;
};

absl::string_view StateName(config::AdminState state) {
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

void AddServices(Page& page, const Statistics& statistics) {
  auto& enabled = page.Gauge("ballast_service_enabled",
                             "Whether the virtual service is enabled.");
  auto& up = page.Gauge("ballast_service_up",
                        "Whether the virtual service has the servers it "
                        "needs.");
  auto& active = page.Gauge("ballast_service_active_connections",
                            "Connections that are open and not closing.");
  auto& open = page.Gauge("ballast_service_open_connections",
                          "Connections in the connection table.");
  auto& refused =
      page.Counter("ballast_service_refused_total",
                   "New flows or requests that no server could take.");
  auto& stateless = page.Counter(
      "ballast_service_stateless_packets_total",
      "Packets forwarded by hash because the connection table was full.");
  auto& limited = page.Counter(
      "ballast_service_limited_total",
      "Connections and requests of layer 7 refused, by the limit exceeded.");
  auto& sip = page.Counter(
      "ballast_service_sip_datagrams_total",
      "Datagrams that followed an entry of persistence mode UDP_SIP (followed) "
      "or lacked the header field (keyless).");
  auto& application = page.Counter(
      "ballast_service_application_calls_total",
      "Calls of the application's rules and scheduler, by what came of them.");
  auto& events =
      page.Counter("ballast_service_events_total", "What a proxy counts.");
  TrafficFamilies traffic(page, "ballast_service",
                          "clients of a virtual service of layer 7");
  for (const ServiceStatistics& service : statistics.services) {
    const std::string id =
        ServiceName(service.address, service.port, service.protocol);
    const Labels labels = {{"service", id}, {"service_name", service.name}};
    enabled.Add(labels, service.enabled);
    up.Add(labels, service.up);
    active.Add(labels, service.traffic.active_connections);
    open.Add(labels, service.traffic.open_connections);
    refused.Add(labels, service.refused);
    if (service.proxy) {
      traffic.Add(service.traffic, labels, true);
      const l7::ApplicationStatistics& calls = service.application;
      const auto add = [&](absl::string_view result, uint64_t count) {
        application.Add(With(labels, "result", result), count);
      };
      add("answered", calls.answered);
      add("picked", calls.picked);
      add("pick_refused", calls.picks_refused);
      add("error", calls.errors);
    } else {
      stateless.Add(labels, service.stateless);
      sip.Add(With(labels, "result", "followed"), service.followed);
      sip.Add(With(labels, "result", "keyless"), service.keyless);
    }
    AddCounts(limited, "limit", service.limited, labels);
    AddCounts(events, "event", service.events, labels);
  }
}

void AddServers(Page& page, const Statistics& statistics) {
  static constexpr std::array<absl::string_view, 3> kStates = {
      "enabled", "disabled", "draining"};
  auto& up = page.Gauge("ballast_server_up",
                        "Whether the real server passes its health check.");
  auto& state = page.Gauge("ballast_server_state",
                           "1 for what an operator wants of the real server.");
  auto& weight = page.Gauge("ballast_server_weight",
                            "The configured weight of the real server.");
  auto& active = page.Gauge("ballast_server_active_connections",
                            "Connections open and not closing; at layer 7 "
                            "requests and streams.");
  auto& open = page.Gauge("ballast_server_open_connections",
                          "Connections in the connection table; at layer 7 "
                          "requests and streams.");
  auto& entries = page.Gauge("ballast_server_persistence_entries",
                             "Persistence entries of layer 7 that name the "
                             "real server.");
  TrafficFamilies traffic(page, "ballast_server", "the real server");
  for (const ServiceStatistics& service : statistics.services) {
    const std::string id =
        ServiceName(service.address, service.port, service.protocol);
    for (const ServerStatistics& server : service.servers) {
      const std::string endpoint = server.endpoint.ToString();
      const Labels labels = {
          {"service", id},
          {"service_name", service.name},
          {"sub_service", server.sub_service},
          {"server", endpoint},
          {"server_name", server.name},
          {"kind", server.removed ? "removed"
                   : server.sorry ? "sorry"
                                  : "real"},
      };
      if (!server.removed) {
        up.Add(labels, server.up);
        AddState(state, "state", kStates, StateName(server.state), labels);
        weight.Add(labels, server.weight);
      }
      active.Add(labels, server.traffic.active_connections);
      open.Add(labels, server.traffic.open_connections);
      if (service.proxy) entries.Add(labels, server.persistence_entries);
      traffic.Add(server.traffic, labels, service.proxy);
    }
  }
}

void AddUnit(Page& page, const Statistics& s) {
  const auto counter = [&](absl::string_view name, absl::string_view help,
                           uint64_t value) {
    page.Counter(name, help).Add({}, value);
  };
  const auto gauge = [&](absl::string_view name, absl::string_view help,
                         uint64_t value) {
    page.Gauge(name, help).Add({}, value);
  };
  gauge("ballast_active", "Whether this unit serves.", s.active);
  gauge("ballast_configuration_generation",
        "The number of the configuration in force.", s.generation);
  gauge("ballast_connections", "Connections in the tables.", s.connections);
  gauge("ballast_persistence_keys",
        "Persistence entries of layer 7 and of mode UDP_SIP.",
        s.persistence_keys);
  counter("ballast_persistence_keys_refused_total",
          "Persistence entries of layer 7 and of mode UDP_SIP that there was "
          "no room for.",
          s.persistence_keys_refused);
  counter("ballast_received_frames_total", "Frames received.",
          s.frames_received);
  counter("ballast_sent_frames_total", "Frames sent.", s.frames_sent);
  counter("ballast_forwarded_packets_total", "Packets forwarded.",
          s.packets_forwarded);
  counter("ballast_punted_packets_total",
          "Packets given to the host's own stack.", s.packets_punted);
  counter("ballast_answered_packets_total",
          "ARP, neighbour discovery and echo answered, ICMP errors sent.",
          s.packets_answered);
  counter("ballast_sent_resets_total", "TCP resets sent.", s.resets_sent);
  counter("ballast_address_conflicts_total",
          "Times another host claimed a floating address.",
          s.address_conflicts);
  counter("ballast_evicted_fragments_total",
          "Datagrams that a full fragment table gave up.", s.fragments_evicted);

  auto& drops = page.Counter("ballast_dropped_frames_total",
                             "Frames the director dropped, by reason.");
  for (size_t i = 1; i < l4::kDropReasonCount; ++i) {
    const char* name = l4::DropReasonName(static_cast<l4::DropReason>(i));
    drops.Add({{"reason", name}}, 0);
  }
  AddCounts(drops, "reason", s.drops);
  counter("ballast_kernel_receive_dropped_frames_total",
          "Frames the kernel dropped before this program received them.",
          s.kernel_receive_dropped);
  counter("ballast_kernel_send_refused_frames_total",
          "Frames the kernel did not take for sending.", s.kernel_send_refused);
  AddCounts(page.Counter("ballast_proxy_events_total",
                         "What became of clients' connections and of idle ones "
                         "to servers at layer 7."),
            "event", s.proxy_events);
}

void AddPair(Page& page, const PairStatistics& pair) {
  page.Gauge("ballast_pair_configured", "Whether the unit is one of a pair.")
      .Add({}, pair.configured);
  if (!pair.configured) return;
  static constexpr std::array<absl::string_view, 5> kIcons = {
      "green_a", "green", "red", "blue", "grey"};
  static constexpr std::array kRoles = {ha::Role::kSingle,  ha::Role::kBooting,
                                        ha::Role::kStandby, ha::Role::kActive,
                                        ha::Role::kPassive, ha::Role::kLeaving};
  const auto counter = [&](absl::string_view name, absl::string_view help,
                           uint64_t value) {
    page.Counter(name, help).Add({}, value);
  };
  const auto gauge = [&](absl::string_view name, absl::string_view help,
                         uint64_t value) {
    page.Gauge(name, help).Add({}, value);
  };
  std::vector<absl::string_view> roles;
  for (const ha::Role role : kRoles) roles.push_back(ha::RoleName(role));
  AddState(page.Gauge("ballast_pair_role", "1 for the role the unit has."),
           "role", roles, pair.role);
  auto& icon = page.Gauge(
      "ballast_pair_icon",
      "1 for the status icon of this unit and of its partner: green_a is "
      "active, green can take over, red is offline or wrong, blue is pacified, "
      "grey is indeterminate.");
  AddState(icon, "icon", kIcons, pair.icon, {{"unit", "this"}});
  AddState(icon, "icon", kIcons, pair.partner_icon, {{"unit", "partner"}});
  counter("ballast_pair_role_changes_total", "Changes of the unit's role.",
          pair.role_changes);
  counter("ballast_pair_send_failed_total",
          "Messages to the partner that the kernel did not take.",
          pair.send_failed);
  auto& records = page.Counter(
      "ballast_pair_records_total",
      "Records of connections and persistence, told (out) and taken (in).");
  records.Add({{"direction", "out"}}, pair.records_sent);
  records.Add({{"direction", "in"}}, pair.records_received);
  counter("ballast_pair_overflow_total",
          "Changes that a full queue did not tell the partner.", pair.overflow);
  AddCounts(page.Counter("ballast_pair_refused_messages_total",
                         "Messages refused as not the partner's, not new or "
                         "no good, by reason."),
            "reason", pair.refused_by_reason);
  if (pair.plain) return;  // The rest is not known.
  gauge("ballast_pair_complete",
        "Of a standby: whether its table is the active unit's.", pair.complete);
  gauge("ballast_pair_lag_datagrams",
        "Of a standby: datagrams behind the active unit.", pair.lag);
  counter("ballast_pair_took_over_incomplete_total",
          "Times the unit became active without all of the table.",
          pair.took_over_incomplete);
  counter("ballast_pair_incomplete_hand_overs_total",
          "Hand-overs that could not tell the partner everything.",
          pair.left_untold);
  counter("ballast_pair_repaired_datagrams_total",
          "Datagrams that were lost and came again.", pair.repaired);
  gauge("ballast_pair_transfer_records",
        "Records given or taken so far in the transfer of the table.",
        pair.transfer_records);
  gauge("ballast_pair_transfer_expected_records",
        "Records the transfer of the table has, about.", pair.transfer_total);
  auto& l7 = page.Counter(
      "ballast_pair_l7_entries_total",
      "Persistence entries of layer 7: told to the partner, taken from it, or "
      "not taken as stale or dropped for want of room or of their server.");
  l7.Add({{"result", "told"}}, pair.l7_told);
  l7.Add({{"result", "taken"}}, pair.l7_taken);
  l7.Add({{"result", "stale"}}, pair.l7_stale);
  l7.Add({{"result", "dropped"}}, pair.l7_dropped);
  gauge("ballast_pair_l7_waiting_entries",
        "Persistence entries of layer 7 that wait for a configuration with "
        "their server.",
        pair.l7_waiting);
}

}  // namespace

std::string MetricsText(const Statistics& statistics) {
  Page page;
  AddUnit(page, statistics);
  AddPair(page, statistics.pair);
  AddServices(page, statistics);
  AddServers(page, statistics);
  return page.Text();
}

}  // namespace ballast::admin
