#include "lb/admin/v1_find.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/admin/service_name.h"

namespace ballast::admin {
namespace {

// A server is shown with the port it gets connections at: one without a port of
// its own with the service's, if that has but one.
bool IsNamed(const config::proto::RealServer& server, uint32_t service_port,
             const Endpoint& by) {
  const auto address = Address::Parse(server.address());
  if (!address.ok() || *address != by.address) return false;
  return server.port() == by.port ||
         (server.port() == 0 && by.port == service_port);
}

absl::Status NotThere(absl::string_view field, absl::string_view value,
                      absl::string_view what) {
  return absl::NotFoundError(absl::StrCat(
      field, ": \"", absl::CHexEscape(value.substr(0, 128)), "\", no ", what));
}

}  // namespace

std::string ServiceNameOf(const config::proto::VirtualService& service) {
  const auto address = Address::Parse(service.address());
  if (!address.ok()) return "";
  return ServiceName(*address, static_cast<uint16_t>(service.port()),
                     service.protocol() == config::proto::UDP ? Protocol::kUdp
                                                              : Protocol::kTcp);
}

absl::StatusOr<config::proto::RealServer*> FindServer(
    const proto::ServerOrder& order, config::proto::Config* config) {
  const auto wanted = Endpoint::Parse(order.server());
  if (!wanted.ok()) {
    return NotThere("server", order.server(), "address and port");
  }
  for (auto& service : *config->mutable_virtual_services()) {
    if (order.service() != ServiceNameOf(service)) continue;
    auto* servers = service.mutable_real_servers();
    if (!order.sub_service().empty()) {
      servers = nullptr;
      for (auto& sub : *service.mutable_l7()->mutable_sub_services()) {
        if (sub.name() == order.sub_service()) {
          servers = sub.mutable_real_servers();
        }
      }
      if (servers == nullptr) {
        return NotThere("sub_service", order.sub_service(),
                        absl::StrCat("sub service of ", order.service()));
      }
    }
    // The one with just this port before one that has none.
    config::proto::RealServer* found = nullptr;
    for (auto& server : *servers) {
      if (!IsNamed(server, service.port(), *wanted)) continue;
      if (found == nullptr || server.port() == wanted->port) found = &server;
    }
    if (found != nullptr) return found;
    return NotThere("server", order.server(),
                    absl::StrCat("real server of ", order.service()));
  }
  return NotThere("service", order.service(), "virtual service");
}

bool IsDisabledEverywhere(const config::proto::RealServer& server,
                          const config::proto::Config& config) {
  const auto address = Address::Parse(server.address());
  if (!address.ok()) return false;
  for (const std::string& text : config.disabled_servers()) {
    if (const auto whole = Address::Parse(text); whole.ok()) {
      if (*whole == *address) return true;
    } else if (const auto one = Endpoint::Parse(text); one.ok()) {
      if (one->address == *address && one->port == server.port()) return true;
    }
  }
  return false;
}

}  // namespace ballast::admin
