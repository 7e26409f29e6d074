// A unit with something in every statistic, for tests.
#ifndef LB_ADMIN_STATISTICS_EXAMPLE_H_
#define LB_ADMIN_STATISTICS_EXAMPLE_H_

#include "lb/statistics.h"

namespace ballast::admin {

// The active unit of a pair. A service of layer 4 at 192.0.2.10:80 with servers
// 192.0.2.21 and .22, a sorry server and a removed one, both at .23; one of
// layer 7 at [2001:db8::1]:443 with the same server in two sub services.
inline Statistics ExampleStatistics() {
  const auto server = [](const char* endpoint, uint64_t connections) {
    ServerStatistics one;
    one.endpoint = *Endpoint::Parse(endpoint);
    one.weight = 1000;
    one.up = true;
    one.reason = "check passed";
    one.traffic.connections = connections;
    one.traffic.active_connections = 2;
    one.traffic.open_connections = 3;
    one.traffic.packets_in = 40;
    one.traffic.bytes_in = 5000;
    one.traffic.packets_out = 50;
    one.traffic.bytes_out = 60000;
    one.traffic.connections_per_second = 1.5;
    one.traffic.bytes_per_second = 2048.25;
    return one;
  };
  ServiceStatistics shop;
  shop.name = "shop";
  shop.address = *Address::Parse("192.0.2.10");
  shop.port = 80;
  shop.up = true;
  shop.refused = 7;
  shop.stateless = 8;
  shop.followed = 9;
  shop.keyless = 10;
  shop.traffic.connections = 300;
  shop.traffic.active_connections = 6;
  shop.servers = {server("192.0.2.21:80", 100), server("192.0.2.22:80", 200),
                  server("192.0.2.23:80", 0), server("192.0.2.23:80", 1)};
  shop.servers[0].name = "anna";
  shop.servers[1].up = false;
  shop.servers[1].reason = "refused";
  shop.servers[1].state = config::AdminState::kDraining;
  shop.servers[2].sorry = true;
  shop.servers[3].removed = true;

  ServiceStatistics site;
  site.address = *Address::Parse("2001:db8::1");
  site.port = 443;
  site.proxy = true;
  site.up = true;
  site.limited = {{"requests_per_second", 4}, {"l7.connections", 5}};
  site.events = {{"retried", 3}};
  site.traffic.connections = 17;
  site.traffic.requests = 1234567890123456789;
  site.application.picked = 2;
  site.servers = {server("[2001:db8::21]:80", 5),
                  server("[2001:db8::21]:80", 6)};
  site.servers[0].sub_service = "images";
  site.servers[1].sub_service = "rest";

  Statistics all;
  all.services = {shop, site};
  all.frames_received = 1;
  all.frames_sent = 2;
  all.packets_forwarded = 3;
  all.connections = 9;
  all.drops = {{"no_service", 11}, {"standby", 12}};
  all.kernel_receive_dropped = 13;
  all.kernel_send_refused = 14;
  all.proxy_events = {{"accepted", 15}};
  all.generation = 42;
  all.active = true;
  all.pair.configured = true;
  all.pair.role = "active";
  all.pair.reason = "the partner fell silent";
  all.pair.status = "active: the partner fell silent";
  all.pair.icon = "green_a";
  all.pair.partner = "not heard";
  all.pair.partner_icon = "red";
  all.pair.role_changes = 2;
  all.pair.last_role_changes = {
      {90.5, "booting", "standby", "the partner is active", false},
      {30, "standby", "active", "the partner fell silent", true}};
  all.pair.lag = 16;
  all.pair.records_sent = 18;
  all.pair.refused = 19;
  all.pair.refused_by_reason = {{"replayed", 19}};
  return all;
}

}  // namespace ballast::admin

#endif  // LB_ADMIN_STATISTICS_EXAMPLE_H_
