#include "lb/admin/directory.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/option.h"

namespace ballast::admin {
namespace {

using config::proto::Config;
using config::proto::RealServer;
using config::proto::VirtualService;

// Calls on_service(object) for each service and sub service, on_server(object)
// for each server, in the order of the configuration.
template <typename C, typename OnService, typename OnServer>
void ForEach(C& config, OnService on_service, OnServer on_server) {
  for (auto& service : *config.mutable_virtual_services()) {
    on_service(service);
    for (auto& server : *service.mutable_real_servers()) on_server(server);
    if (!service.has_l7()) continue;
    for (auto& sub : *service.mutable_l7()->mutable_sub_services()) {
      on_service(sub);
      for (auto& server : *sub.mutable_real_servers()) on_server(server);
    }
  }
}

absl::Status UnknownService() { return absl::NotFoundError("Unknown VS"); }
absl::Status UnknownServer() { return absl::NotFoundError("Unknown RS"); }

// "!7"; 0: is none.
uint32_t ReadMember(absl::string_view text) {
  uint32_t index = 0;
  if (!absl::ConsumePrefix(&text, "!") || !absl::SimpleAtoi(text, &index)) {
    return 0;
  }
  return index;
}

}  // namespace

bool HasIndices(const Config& config) {
  const auto have = [](const auto& servers) {
    return std::all_of(servers.begin(), servers.end(),
                       [](const RealServer& s) { return s.index() != 0; });
  };
  for (const VirtualService& service : config.virtual_services()) {
    if (service.index() == 0 || !have(service.real_servers())) return false;
    for (const auto& sub : service.l7().sub_services()) {
      if (sub.index() == 0 || !have(sub.real_servers())) return false;
    }
  }
  return true;
}

bool AssignIndices(Config* config) {
  if (HasIndices(*config)) return false;
  uint32_t service_max = 0;
  uint32_t server_max = 0;
  ForEach(
      *config,
      [&](auto& service) {
        service_max = std::max(service_max, service.index());
      },
      [&](RealServer& server) {
        server_max = std::max(server_max, server.index());
      });
  ForEach(
      *config,
      [&](auto& service) {
        if (service.index() == 0) service.set_index(++service_max);
      },
      [&](RealServer& server) {
        if (server.index() == 0) server.set_index(++server_max);
      });
  return true;
}

absl::Status MissingValue(absl::string_view name) {
  return absl::OutOfRangeError(absl::StrCat(name, ": String Value missing"));
}

absl::StatusOr<absl::string_view> Required(const Parameters& parameters,
                                           absl::string_view name) {
  const absl::string_view value = parameters.Get(name);
  if (value.empty()) return MissingValue(name);
  return value;
}

absl::StatusOr<uint32_t> ReadServicePort(absl::string_view text) {
  if (text == "*") return 0;
  uint32_t port;
  if (!absl::SimpleAtoi(text, &port) || port < 3 || port > 65530) {
    return absl::InvalidArgumentError("Invalid port");
  }
  return port;
}

absl::StatusOr<config::proto::Protocol> ReadProtocol(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "tcp")) return config::proto::TCP;
  if (absl::EqualsIgnoreCase(text, "udp")) return config::proto::UDP;
  return WrongValue("prot", text, "tcp or udp");
}

absl::StatusOr<Service> FindService(uint32_t index, Config* config) {
  if (index == 0) return UnknownService();
  for (VirtualService& service : *config->mutable_virtual_services()) {
    if (service.index() == index) return Service{config, &service};
    if (!service.has_l7()) continue;
    for (auto& sub : *service.mutable_l7()->mutable_sub_services()) {
      if (sub.index() == index) return Service{config, &service, &sub};
    }
  }
  return UnknownService();
}

absl::StatusOr<Service> FindService(const Parameters& parameters,
                                    Config* config) {
  BALLAST_ASSIGN_OR_RETURN(const absl::string_view vs,
                           Required(parameters, "vs"));
  if (std::all_of(vs.begin(), vs.end(), absl::ascii_isdigit)) {
    uint32_t index;
    if (!absl::SimpleAtoi(vs, &index)) return UnknownService();
    return FindService(index, config);
  }
  const auto address = Address::Parse(vs);
  if (!address.ok()) return UnknownService();
  BALLAST_ASSIGN_OR_RETURN(const absl::string_view port_text,
                           Required(parameters, "port"));
  BALLAST_ASSIGN_OR_RETURN(const absl::string_view protocol_text,
                           Required(parameters, "prot"));
  BALLAST_ASSIGN_OR_RETURN(const uint32_t port, ReadServicePort(port_text));
  BALLAST_ASSIGN_OR_RETURN(const auto protocol, ReadProtocol(protocol_text));
  for (VirtualService& service : *config->mutable_virtual_services()) {
    if (service.port() != port || service.protocol() != protocol) continue;
    const auto own = Address::Parse(service.address());
    if (own.ok() && *own == *address) return Service{config, &service};
  }
  return UnknownService();
}

uint32_t PortOf(const Service& service, const RealServer& server) {
  return server.port() != 0 ? server.port() : service.service->port();
}

absl::StatusOr<int> FindServer(const Parameters& parameters,
                               const Service& service) {
  BALLAST_ASSIGN_OR_RETURN(const absl::string_view rs,
                           Required(parameters, "rs"));
  if (const uint32_t member = ReadMember(rs); member != 0) {
    for (int i = 0; i < service.servers().size(); ++i) {
      if (service.servers()[i].index() == member) return i;
    }
    return UnknownServer();
  }
  const auto address = Address::Parse(rs);
  if (!address.ok()) return UnknownServer();
  BALLAST_ASSIGN_OR_RETURN(const absl::string_view port_text,
                           Required(parameters, "rsport"));
  BALLAST_ASSIGN_OR_RETURN(const uint32_t port,
                           ReadNumber("rsport", port_text, 0, 65535));
  for (int i = 0; i < service.servers().size(); ++i) {
    const auto own = Address::Parse(service.servers()[i].address());
    if (own.ok() && *own == *address &&
        PortOf(service, service.servers()[i]) == port) {
      return i;
    }
  }
  return UnknownServer();
}

absl::StatusOr<Service> FindMember(const Parameters& parameters,
                                   const Service& parent) {
  const uint32_t member = ReadMember(parameters.Get("rs"));
  if (member != 0 && parent.sub == nullptr && parent.is_l7()) {
    for (auto& sub : *parent.service->mutable_l7()->mutable_sub_services()) {
      if (sub.index() == member) {
        return Service{parent.config, parent.service, &sub};
      }
    }
  }
  return UnknownServer();
}

}  // namespace ballast::admin
