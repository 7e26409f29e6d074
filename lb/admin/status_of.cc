#include "lb/admin/status_of.h"

#include <algorithm>

#include "io/base/address.h"

namespace ballast::admin {
namespace {

bool IsUp(const ServerStatistics* server) {
  return server != nullptr && server->up &&
         server->state == config::AdminState::kEnabled;
}

}  // namespace

const ServiceStatistics* StatisticsOf(const Statistics& statistics,
                                      const Service& service) {
  const auto address = Address::Parse(service.service->address());
  if (!address.ok()) return nullptr;
  const auto protocol = service.service->protocol() == config::proto::UDP
                            ? Protocol::kUdp
                            : Protocol::kTcp;
  for (const ServiceStatistics& one : statistics.services) {
    if (one.address == *address && one.port == service.service->port() &&
        one.protocol == protocol) {
      return &one;
    }
  }
  return nullptr;
}

const ServerStatistics* StatisticsOf(const ServiceStatistics* statistics,
                                     const Service& service, int place) {
  if (statistics == nullptr) return nullptr;
  const auto& server = service.servers()[place];
  const auto address = Address::Parse(server.address());
  if (!address.ok()) return nullptr;
  const auto is_it = [&](const ServerStatistics& one) {
    return !one.removed && !one.sorry && one.endpoint.address == *address &&
           (one.endpoint.port == PortOf(service, server) ||
            one.endpoint.port == server.port());
  };
  // Servers of sub services stand one sub service after the other; the same
  // server may be in several.
  size_t at = static_cast<size_t>(place);
  for (const auto& sub : service.service->l7().sub_services()) {
    if (service.sub == nullptr || &sub == service.sub) break;
    at += static_cast<size_t>(sub.real_servers_size());
  }
  const auto& all = statistics->servers;
  if (at < all.size() && is_it(all[at])) return &all[at];
  const auto found = std::find_if(all.begin(), all.end(), is_it);
  return found == all.end() ? nullptr : &*found;
}

const char* StatusOf(const ServerStatistics* server) {
  if (server != nullptr && server->state != config::AdminState::kEnabled) {
    return "Disabled";
  }
  return IsUp(server) ? "Up" : "Down";
}

const char* StatusOf(const ServiceStatistics* statistics,
                     const Service& service) {
  if (service.service->disabled() ||
      (service.sub != nullptr && service.sub->disabled())) {
    return "Disabled";
  }
  if (service.sub == nullptr) {
    return statistics != nullptr && statistics->up ? "Up" : "Down";
  }
  uint32_t up = 0;
  bool critical_down = false;
  for (int i = 0; i < service.servers().size(); ++i) {
    const bool is_up = IsUp(StatisticsOf(statistics, service, i));
    up += is_up;
    critical_down |= !is_up && service.servers()[i].critical();
  }
  const uint32_t min = std::max(1u, service.sub->servers_min());
  return up >= min && !critical_down ? "Up" : "Down";
}

}  // namespace ballast::admin
