#include "examples/failover_config.h"

#include "absl/strings/str_cat.h"

namespace ballast::failover {

using testbed::Family;

std::string Service(const Endpoint& vip, bool direct) {
  const Family family = vip.address.is_v4() ? Family::kV4 : Family::kV6;
  std::string text =
      absl::StrCat("virtual_services {\n  address: \"", vip.address.ToString(),
                   "\" port: ", vip.port, " protocol: TCP\n",
                   "  health_check { type: NONE }\n");
  for (int i = 1; i <= kServers; ++i) {
    absl::StrAppend(&text, "  real_servers { address: \"",
                    testbed::ServerAddress(family, i).ToString(),
                    "\" port: ", kPort,
                    direct ? " forward: ROUTE" : " forward: NAT", " }\n");
  }
  return text + "}\n";
}

std::string UnitConfig(int index, absl::string_view folder,
                       absl::string_view key, absl::string_view more) {
  std::string text =
      absl::StrCat("interfaces { name: \"", testbed::kClientsLink, "\" }\n",
                   "interfaces { name: \"", testbed::kServersLink, "\" }\n");
  for (const Family family : {Family::kV4, Family::kV6}) {
    absl::StrAppend(&text, "floating_addresses { address: \"",
                    testbed::Gateway(family).ToString(), "\" }\n");
  }
  const auto link = [&](const char* name, Address (*address)(Family, int)) {
    return absl::StrCat(
        "  links { interface: \"", name, "\" own_address: \"",
        address(Family::kV4, index).ToString(), "/24\" partner_address: \"",
        address(Family::kV4, 1 - index).ToString(), "\" check: true }\n");
  };
  absl::StrAppend(&text, "state_dir: \"", folder,
                  "\"\nstatistics_period_s: 0\n",
                  "hash_key: \"000102030405060708090a0b0c0d0e0f\"\n",
                  "ha {\n  mode: ", index == 0 ? "FIRST" : "SECOND",
                  "\n  advert_interval_ms: 100\n  initial_wait_s: 2\n"
                  "  virtual_id: 7\n",
                  link(testbed::kServersLink, &testbed::UnitServerAddress),
                  link(testbed::kClientsLink, &testbed::UnitClientAddress),
                  "  l4_updates: true\n  pacify_starts: 0\n  keys: \"", key,
                  "\"\n}\n", Service(kNat4, false), Service(kNat6, false),
                  Service(kDirect4, true), Service(kDirect6, true), more);
  return text;
}

}  // namespace ballast::failover
