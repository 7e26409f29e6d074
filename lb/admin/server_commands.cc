// addrs, modrs, showrs, delrs, enablers, disablers.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/command.h"
#include "lb/admin/option.h"
#include "lb/admin/server_fields.h"
#include "lb/admin/status_of.h"

namespace ballast::admin {
namespace {

using config::proto::Config;
using config::proto::RealServer;

Document Show(Context& context, const Service& service, int place) {
  Node list = Node::List("Rs");
  list.AddElement(
      ShowServer(service, place, StatisticsOf(context.statistics(), service)));
  return Document::Of({std::move(list)});
}

uint32_t NewIndex(const Config& config) {
  uint32_t max = 0;
  const auto look = [&](const auto& servers) {
    for (const RealServer& server : servers) {
      max = std::max(max, server.index());
    }
  };
  for (const auto& service : config.virtual_services()) {
    look(service.real_servers());
    for (const auto& sub : service.l7().sub_services())
      look(sub.real_servers());
  }
  return max + 1;
}

// Adds a server as `parameters` say; its place.
absl::StatusOr<int> Add(const Parameters& parameters, const Service& service) {
  if (service.sub == nullptr && service.sub_count() > 0) {
    return absl::InvalidArgumentError(
        "a VS has either real servers or SubVSs: it has SubVSs");
  }
  BALLAST_ASSIGN_OR_RETURN(const auto rs, Required(parameters, "rs"));
  BALLAST_ASSIGN_OR_RETURN(const auto port_text,
                           Required(parameters, "rsport"));
  const auto address = Address::Parse(rs);
  if (!address.ok()) return WrongValue("rs", rs, "an address");
  uint32_t port = 0;
  if (port_text != "*" && port_text != "0") {
    const auto read = ReadNumber("rsport", port_text, 3, 65535);
    if (!read.ok()) return absl::InvalidArgumentError("Invalid port");
    port = *read;
  }
  if (FindServer(parameters, service).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("RS already exists: ", rs, " ", port_text));
  }
  const uint32_t index = NewIndex(*service.config);
  RealServer& server = *service.servers().Add();
  server.set_address(address->ToString());
  server.set_port(port);
  server.set_index(index);
  const int place = service.servers().size() - 1;
  BALLAST_RETURN_IF_ERROR(ChangeServer(parameters, service, place));
  return place;
}

absl::StatusOr<Document> SwitchServers(Context& context, bool enable) {
  const Parameters& parameters = context.parameters();
  BALLAST_ASSIGN_OR_RETURN(const auto rs, Required(parameters, "rs"));
  const auto address = Address::Parse(rs);
  if (!address.ok()) return absl::NotFoundError("Unknown RS");
  uint16_t port = 0;
  if (const auto text = parameters.Find("port"); text && !text->empty()) {
    BALLAST_ASSIGN_OR_RETURN(const uint32_t number,
                             ReadNumber("port", *text, 3, 65535));
    port = static_cast<uint16_t>(number);
  }
  Config& config = context.config();
  bool known = false;
  const auto look = [&](const Service& service) {
    for (const RealServer& server : service.servers()) {
      const auto own = Address::Parse(server.address());
      known |= own.ok() && *own == *address &&
               (port == 0 || PortOf(service, server) == port);
    }
  };
  for (auto& service : *config.mutable_virtual_services()) {
    look({&config, &service});
    if (!service.has_l7()) continue;
    for (auto& sub : *service.mutable_l7()->mutable_sub_services()) {
      look({&config, &service, &sub});
    }
  }
  if (!known) return absl::NotFoundError("Unknown RS");
  // Whatever names it, or with an address alone any port of it, goes.
  auto& list = *config.mutable_disabled_servers();
  list.erase(
      std::remove_if(list.begin(), list.end(),
                     [&](const std::string& text) {
                       if (const auto one = Endpoint::Parse(text); one.ok()) {
                         return one->address == *address &&
                                (port == 0 || one->port == port);
                       }
                       const auto whole = Address::Parse(text);
                       return whole.ok() && *whole == *address && port == 0;
                     }),
      list.end());
  if (!enable) {
    list.Add(port == 0 ? address->ToString()
                       : Endpoint{*address, port}.ToString());
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

}  // namespace

absl::StatusOr<Document> AddServerCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  Config& config = context.config();
  BALLAST_ASSIGN_OR_RETURN(const Service service,
                           FindService(parameters, &config));
  BALLAST_ASSIGN_OR_RETURN(const int place, Add(parameters, service));
  const auto all = parameters.Find("addtoallsubvs");
  if (all.has_value() && ReadFlag(*all).value_or(false)) {
    if (service.sub == nullptr) {
      return WrongValue("addtoallsubvs", *all, "with vs the index of a SubVS");
    }
    for (auto& sub : *service.service->mutable_l7()->mutable_sub_services()) {
      const Service other{&config, service.service, &sub};
      if (&sub == service.sub || FindServer(parameters, other).ok()) continue;
      BALLAST_RETURN_IF_ERROR(Add(parameters, other).status());
    }
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Show(context, service, place);
}

absl::StatusOr<Document> ShowServerCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(
      const Service service,
      FindService(context.parameters(), &context.config()));
  BALLAST_ASSIGN_OR_RETURN(const int place,
                           FindServer(context.parameters(), service));
  return Show(context, service, place);
}

absl::StatusOr<Document> ModifyServerCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  BALLAST_ASSIGN_OR_RETURN(const Service service,
                           FindService(parameters, &context.config()));
  if (const auto member = FindMember(parameters, service); member.ok()) {
    BALLAST_RETURN_IF_ERROR(ChangeMember(parameters, *member));
  } else {
    BALLAST_ASSIGN_OR_RETURN(const int place, FindServer(parameters, service));
    BALLAST_RETURN_IF_ERROR(ChangeServer(parameters, service, place));
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> DeleteServerCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(
      const Service service,
      FindService(context.parameters(), &context.config()));
  BALLAST_ASSIGN_OR_RETURN(const int place,
                           FindServer(context.parameters(), service));
  service.servers().erase(service.servers().begin() + place);
  // A service does not want more servers than it has.
  const auto left = static_cast<uint32_t>(service.servers().size());
  if (service.sub != nullptr) {
    service.sub->set_servers_min(std::min(service.sub->servers_min(), left));
  } else {
    service.service->set_servers_min(
        std::min(service.service->servers_min(), left));
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> EnableServersCommand(Context& context) {
  return SwitchServers(context, /*enable=*/true);
}

absl::StatusOr<Document> DisableServersCommand(Context& context) {
  return SwitchServers(context, /*enable=*/false);
}

}  // namespace ballast::admin
