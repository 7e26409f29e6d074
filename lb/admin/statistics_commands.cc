// stats and vstotals.
//
// Source  LoadMaster behaviour, 6, whose spellings (ActivConns, RSIndex) these
//         are.
#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lb/admin/command.h"
#include "lb/admin/host_nodes.h"
#include "lb/admin/server_fields.h"
#include "lb/admin/status_of.h"

namespace ballast::admin {
namespace {

using config::proto::Config;

uint64_t Rounded(double rate) {
  return static_cast<uint64_t>(std::llround(std::max(0.0, rate)));
}

uint64_t BytesOf(const Traffic& t) { return t.bytes_in + t.bytes_out; }
uint64_t PacketsOf(const Traffic& t) { return t.packets_in + t.packets_out; }

// How often this limit was exceeded.
uint64_t Blocked(const ServiceStatistics& statistics, absl::string_view limit) {
  uint64_t sum = 0;
  for (const auto& [name, count] : statistics.limited) {
    if (name == limit) sum += count;
  }
  return sum;
}

std::vector<Node> ShowServiceCounts(const Service& service,
                                    const ServiceStatistics& statistics,
                                    const Traffic& t) {
  std::vector<Node> nodes;
  if (service.sub == nullptr) {
    nodes.push_back(Node::Text("VSAddress", service.service->address()));
  }
  const uint32_t port = service.sub ? 0 : service.service->port();
  const bool udp = service.service->protocol() == config::proto::UDP;
  const bool enabled = !service.service->disabled() &&
                       (service.sub == nullptr || !service.sub->disabled());
  for (Node& node : std::vector<Node>{
           Node::Text("VSPort", service.sub == nullptr && port == 0
                                    ? "*"
                                    : absl::StrCat(port)),
           Node::Text("VSProt", udp ? "udp" : "tcp"),
           Node::Count("Index", service.index()),
           Node::Text("Status",
                      absl::AsciiStrToLower(StatusOf(&statistics, service))),
           Node::Count("ErrorCode", service.service->l7().error_code()),
           Node::Count("Enable", enabled ? 1 : 0),
           Node::Count("TotalConns", t.connections),
           Node::Count("TotalPkts", PacketsOf(t)),
           Node::Count("TotalBytes", BytesOf(t)),
           Node::Count("TotalBits", BytesOf(t) * 8),
           Node::Count("ActiveConns", t.active_connections),
           Node::Count("BytesRead", t.bytes_in),
           Node::Count("BytesWritten", t.bytes_out),
           Node::Count("ConnsPerSec", Rounded(t.connections_per_second)),
           Node::Count("ConnsRateBlocked",
                       Blocked(statistics, "connections_per_second")),
           Node::Count("RequestsRateBlocked",
                       Blocked(statistics, "requests_per_second")),
           Node::Count("MaxConnsBlocked", Blocked(statistics, "connections")),
           Node::Count("WafEnable", 0)}) {
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<Node> ShowServerCounts(const Service& service, int place,
                                   const ServerStatistics& statistics) {
  const auto& server = service.servers()[place];
  const Traffic& t = statistics.traffic;
  return {Node::Count("VSIndex", service.index()),
          Node::Count("RSIndex", server.index()),
          Node::Text("Addr", server.address()),
          Node::Count("Port", PortOf(service, server)),
          Node::Count("Enable", IsEnabled(service, server) ? 1 : 0),
          Node::Count("Weight", statistics.weight),
          Node::Count("ActivConns", t.active_connections),
          Node::Count("Persist", statistics.persistence_entries),
          Node::Count("Conns", t.connections),
          Node::Count("Pkts", PacketsOf(t)),
          Node::Count("Bytes", BytesOf(t)),
          Node::Count("Bits", BytesOf(t) * 8),
          Node::Count("BytesRead", t.bytes_in),
          Node::Count("BytesWritten", t.bytes_out),
          Node::Count("ConnsPerSec", Rounded(t.connections_per_second))};
}

void AddTo(const Traffic& t, Traffic* sum) {
  sum->connections += t.connections;
  sum->active_connections += t.active_connections;
  sum->packets_in += t.packets_in;
  sum->packets_out += t.packets_out;
  sum->bytes_in += t.bytes_in;
  sum->bytes_out += t.bytes_out;
  sum->connections_per_second += t.connections_per_second;
  sum->requests_per_second += t.requests_per_second;
  sum->packets_per_second += t.packets_per_second;
  sum->bytes_per_second += t.bytes_per_second;
}

// Calls f(service) for each service and sub service.
template <typename F>
void ForEachService(Config& config, F f) {
  for (auto& service : *config.mutable_virtual_services()) {
    f(Service{&config, &service});
    if (!service.has_l7()) continue;
    for (auto& sub : *service.mutable_l7()->mutable_sub_services()) {
      f(Service{&config, &service, &sub});
    }
  }
}

// Of a sub service: of its servers together.
Traffic TrafficOf(const Service& service, const ServiceStatistics& statistics) {
  if (service.sub == nullptr) return statistics.traffic;
  Traffic sum;
  for (int i = 0; i < service.servers().size(); ++i) {
    const auto* server = StatisticsOf(&statistics, service, i);
    if (server != nullptr) AddTo(server->traffic, &sum);
  }
  return sum;
}

Node ShowTotals(const Traffic& t) {
  return Node::Object(
      "VStotals",
      {Node::Count("ConnsPerSec", Rounded(t.connections_per_second)),
       Node::Count("TotalConns", t.connections),
       Node::Count("BitsPerSec", Rounded(t.bytes_per_second * 8)),
       Node::Count("TotalBits", BytesOf(t) * 8),
       Node::Count("BytesPerSec", Rounded(t.bytes_per_second)),
       Node::Count("TotalBytes", BytesOf(t)),
       Node::Count("PktsPerSec", Rounded(t.packets_per_second)),
       Node::Count("TotalPackets", PacketsOf(t))});
}

// What clients were refused by limits of each of them, a service's or the
// unit's: names as in Vs.
Node ShowClientLimits(const Statistics& statistics) {
  uint64_t connections = 0;
  uint64_t connections_per_second = 0;
  uint64_t requests_per_second = 0;
  for (const ServiceStatistics& service : statistics.services) {
    for (const char* of : {"", "l7."}) {
      const auto blocked = [&](absl::string_view limit) {
        return Blocked(service, absl::StrCat(of, "client_", limit));
      };
      connections += blocked("connections");
      connections_per_second += blocked("connections_per_second");
      requests_per_second += blocked("requests_per_second");
    }
  }
  return Node::Object("ClientLimits",
                      {Node::Count("ConnsRateBlocked", connections_per_second),
                       Node::Count("RequestsRateBlocked", requests_per_second),
                       Node::Count("MaxConnsBlocked", connections)});
}

struct UpCounts {
  uint64_t up = 0;
  uint64_t down = 0;
  uint64_t disabled = 0;

  void Add(absl::string_view status) {
    ++(status == "Up" ? up : status == "Disabled" ? disabled : down);
  }
  Node Show(absl::string_view name) const {
    return Node::Object(name, {Node::Count("Total", up + down + disabled),
                               Node::Count("Up", up), Node::Count("Down", down),
                               Node::Count("Disabled", disabled)});
  }
};

}  // namespace

absl::StatusOr<Document> StatisticsCommand(Context& context) {
  Traffic total;
  uint64_t tls_per_second = 0;
  const ServiceStatistics none;
  Node services = Node::List("Vs");
  Node servers = Node::List("Rs");
  ForEachService(context.config(), [&](const Service& service) {
    const auto* found = StatisticsOf(context.statistics(), service);
    const ServiceStatistics& statistics = found != nullptr ? *found : none;
    const Traffic traffic = TrafficOf(service, statistics);
    services.AddElement(ShowServiceCounts(service, statistics, traffic));
    if (service.sub == nullptr) {
      AddTo(traffic, &total);
      if (service.service->l7().has_tls()) {
        tls_per_second += Rounded(traffic.connections_per_second);
      }
    }
    for (int i = 0; i < service.servers().size(); ++i) {
      if (const auto* server = StatisticsOf(found, service, i)) {
        servers.AddElement(ShowServerCounts(service, i, *server));
      }
    }
  });
  const int64_t now_us = absl::ToUnixMicros(context.call().now);
  const auto history = context.backend().History();
  std::vector<Node> data = ShowHost(context.backend().GetHostStatistics());
  for (Node& node : std::vector<Node>{
           ShowClientLimits(context.statistics()), ShowTotals(total),
           std::move(services), std::move(servers),
           Node::Object(
               "TPS",
               {Node::Count("Total", Rounded(total.connections_per_second)),
                Node::Count("SSL", tls_per_second)}),
           Node::Object("Timestamp", {Node::Count("Sec", now_us / 1000000),
                                      Node::Count("Usec", now_us % 1000000),
                                      Node::Count("Period", 1)}),
           Node::Count(
               "ChangeTime",
               absl::ToUnixSeconds(history.empty() ? context.options().start
                                                   : history.front().when))}) {
    data.push_back(std::move(node));
  }
  return Document::Of(std::move(data));
}

absl::StatusOr<Document> TotalsCommand(Context& context) {
  UpCounts services;
  UpCounts subs;
  UpCounts servers;
  ForEachService(context.config(), [&](const Service& service) {
    const auto* found = StatisticsOf(context.statistics(), service);
    (service.sub ? subs : services).Add(StatusOf(found, service));
    for (int i = 0; i < service.servers().size(); ++i) {
      servers.Add(IsEnabled(service, service.servers()[i])
                      ? StatusOf(StatisticsOf(found, service, i))
                      : "Disabled");
    }
  });
  return Document::Of(
      {services.Show("VS"), subs.Show("SubVS"), servers.Show("RS")});
}

}  // namespace ballast::admin
