#include "lb/config/validate_network.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/config/validate.h"
#include "lb/config/validate_service.h"

namespace ballast::config {

std::string ServicePath(size_t index) {
  return absl::StrCat("virtual_services[", index, "]");
}

// As the kernel demands of a link's name (dev_valid_name).
void ValidateLinkName(const std::string& path, const std::string& name,
                      Problems& problems) {
  constexpr size_t kLinkNameBytesMax = 15;
  const auto refused = [](char c) {
    return c == '/' || c == ':' || c == '\0' ||
           absl::ascii_isspace(static_cast<unsigned char>(c));
  };
  if (name.empty()) {
    problems.Error(path, "is required");
  } else if (name.size() > kLinkNameBytesMax || name == "." || name == ".." ||
             std::any_of(name.begin(), name.end(), refused)) {
    problems.Error(
        path,
        absl::StrCat(Quoted(name), ", must be the name of a link: 1 to ",
                     kLinkNameBytesMax, " characters without / : and blanks"));
  }
}

void ValidateInterfaces(const proto::Config& from, Model& model,
                        Problems& problems) {
  // Proxies on the host's own addresses alone need none, nor does a unit that
  // is yet to be told what to serve.
  const auto on_host = [](const proto::VirtualService& service) {
    return service.l7().host_address();
  };
  const bool none = from.floating_addresses_size() == 0 &&
                    from.ha().mode() == proto::HighAvailability::NONE &&
                    from.ha().shared_address().empty() &&
                    (from.virtual_services_size() > 0 ||
                     from.management().users_size() > 0) &&
                    std::all_of(from.virtual_services().begin(),
                                from.virtual_services().end(), on_host);
  if (from.interfaces_size() < (none ? 0 : 1) ||
      from.interfaces_size() > kInterfacesMax) {
    problems.Error("interfaces",
                   absl::StrCat(from.interfaces_size(),
                                " of them, must be 1 to ", kInterfacesMax));
    if (from.interfaces_size() > kInterfacesMax) return;
  }
  for (int i = 0; i < from.interfaces_size(); ++i) {
    const std::string path = absl::StrCat("interfaces[", i, "]");
    const proto::Interface& given = from.interfaces(i);
    Interface& link = model.interfaces.emplace_back();
    link.name = given.name();
    link.card_mac = given.card_mac();
    ValidateLinkName(absl::StrCat(path, ".name"), given.name(), problems);
    for (int j = 0; j < i; ++j) {
      if (!link.name.empty() && link.name == model.interfaces[j].name) {
        problems.Error(absl::StrCat(path, ".name"),
                       absl::StrCat(Quoted(link.name),
                                    ", is already interfaces[", j, "]"));
      }
    }
    if (given.mac().empty()) continue;
    const auto mac = MacAddress::Parse(given.mac());
    if (!mac.ok() || mac->is_multicast() || mac->is_zero()) {
      problems.Error(
          absl::StrCat(path, ".mac"),
          absl::StrCat(Quoted(given.mac()), ", must be a unicast MAC address"));
    } else {
      link.mac = *mac;
    }
    if (given.card_mac()) {
      problems.Error(absl::StrCat(path, ".card_mac"),
                     absl::StrCat("true, must be false where mac is set, ",
                                  Quoted(given.mac())));
    }
  }
}

void ValidateFloating(const proto::Config& from, Model& model,
                      Problems& problems) {
  if (from.floating_addresses_size() > kFloatingAddressesMax) {
    problems.Error(
        "floating_addresses",
        absl::StrCat(from.floating_addresses_size(),
                     " of them, must be at most ", kFloatingAddressesMax));
    return;
  }
  // With a single interface there is nothing to look up.
  const std::string only =
      model.interfaces.size() == 1 ? model.interfaces[0].name : "";
  std::map<Address, size_t> known;  // To its place in floating_addresses.
  for (const VirtualService& service : model.services) {
    if (service.address.is_unspecified()) continue;  // Reported already.
    if (service.l7 && service.l7->host_address) continue;
    if (known.emplace(service.address, model.floating_addresses.size())
            .second) {
      model.floating_addresses.push_back({service.address, only, true});
    }
  }
  std::map<Address, int> listed;
  for (int i = 0; i < from.floating_addresses_size(); ++i) {
    const std::string path = absl::StrCat("floating_addresses[", i, "]");
    const proto::FloatingAddress& given = from.floating_addresses(i);
    const auto address =
        ValidateHost(absl::StrCat(path, ".address"), given.address(),
                     /*link_local_allowed=*/true, problems);
    const std::string interface =
        given.interface().empty() ? only : given.interface();
    const auto named = [&](const Interface& link) {
      return link.name == interface;
    };
    if (!interface.empty() &&
        std::none_of(model.interfaces.begin(), model.interfaces.end(), named)) {
      problems.Error(
          absl::StrCat(path, ".interface"),
          absl::StrCat(Quoted(interface), ", must be one of interfaces"));
    }
    if (!address) continue;
    if (!address->is_v4() && address->is_link_local() && interface.empty()) {
      problems.Error(absl::StrCat(path, ".interface"),
                     absl::StrCat("is required: ", address->ToString(),
                                  " is a link-local address"));
    }
    const auto [earlier, first_time] = listed.emplace(*address, i);
    if (!first_time) {
      problems.Error(
          absl::StrCat(path, ".address"),
          absl::StrCat(address->ToString(), ", is already floating_addresses[",
                       earlier->second, "]"));
      continue;
    }
    const auto [vip, added] =
        known.emplace(*address, model.floating_addresses.size());
    if (added) {
      model.floating_addresses.push_back({*address, interface, false});
    } else {
      model.floating_addresses[vip->second].interface = interface;
    }
  }
}

void RefuseOwnAddresses(const Model& model, Problems& problems) {
  std::set<Address> own;
  for (const FloatingAddress& floating : model.floating_addresses) {
    own.insert(floating.address);
  }
  const auto check = [&](const std::string& path, const Address& address) {
    if (own.count(address) == 0) return;
    problems.Error(path, absl::StrCat(address.ToString(),
                                      ", is a floating address of the "
                                      "director itself, must be another host"));
  };
  const auto check_pool = [&](const std::string& path, const ServerPool& pool) {
    for (size_t i = 0; i < pool.servers.size(); ++i) {
      check(absl::StrCat(path, ".real_servers[", i, "].address"),
            pool.servers[i].endpoint.address);
    }
    if (pool.sorry_server) {
      check(absl::StrCat(path, ".sorry_server.address"),
            pool.sorry_server->endpoint.address);
    }
  };
  for (size_t i = 0; i < model.services.size(); ++i) {
    check_pool(ServicePath(i), model.services[i]);
    if (!model.services[i].l7) continue;
    const auto& subs = model.services[i].l7->sub_services;
    for (size_t j = 0; j < subs.size(); ++j) {
      check_pool(absl::StrCat(ServicePath(i), ".l7.sub_services[", j, "]"),
                 subs[j]);
    }
  }
}

void RefuseCollisions(const proto::Config& from, const Model& model,
                      Problems& problems) {
  struct Claim {
    Address address;
    Protocol protocol;
    PortRange ports;
    size_t service;
    bool extra;
  };
  std::vector<Claim> claims;
  for (size_t i = 0; i < model.services.size(); ++i) {
    const VirtualService& service = model.services[i];
    // Skip what was reported already.
    if (service.address.is_unspecified()) continue;
    if (service.port != from.virtual_services(i).port()) continue;
    claims.push_back({service.address,
                      service.protocol,
                      {service.port, service.port},
                      i,
                      false});
    for (const PortRange& ports : service.extra_ports) {
      claims.push_back({service.address, service.protocol, ports, i, true});
    }
  }
  const auto key = [](const Claim& claim) {
    return std::tie(claim.address, claim.protocol, claim.ports.first,
                    claim.service);
  };
  std::sort(claims.begin(), claims.end(),
            [&](const Claim& a, const Claim& b) { return key(a) < key(b); });
  // The claim that reaches furthest among those before the current one.
  const Claim* reach = nullptr;
  for (const Claim& claim : claims) {
    if (reach == nullptr || reach->address != claim.address ||
        reach->protocol != claim.protocol) {
      reach = &claim;
      continue;
    }
    if (claim.ports.first <= reach->ports.last) {
      // Blame the later of the two services.
      const bool later = claim.service > reach->service;
      const Claim& at_fault = later ? claim : *reach;
      const Claim& owner = later ? *reach : claim;
      problems.Error(
          absl::StrCat(ServicePath(at_fault.service),
                       at_fault.extra ? ".extra_ports" : ".port"),
          absl::StrCat(claim.ports.first, ", ", ProtocolName(claim.protocol),
                       " of ", claim.address.ToString(), ", belongs to ",
                       ServicePath(owner.service), " already"));
    }
    if (claim.ports.last > reach->ports.last) reach = &claim;
  }
}

}  // namespace ballast::config
