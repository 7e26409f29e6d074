#include "lb/admin/server_fields.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/following.h"
#include "lb/admin/option.h"
#include "lb/admin/status_of.h"

namespace ballast::admin {
namespace {

using config::proto::RealServer;

constexpr Word kForward[] = {{"nat", config::proto::NAT},
                             {"route", config::proto::ROUTE}};

struct Row {
  Option option;
  As as;
};

// clang-format off
constexpr Row kServer[] = {
    // Of RealServer, in the order they are shown.
    {Choice("Forward", "forward", kForward), As::kText},
    {Number("Weight", "weight", 1, 65535, 1000), As::kNumber},
    {Number("Limit", "connection_limit", 0, 100000), As::kNumber},
    {Fixed("RateLimit", "0"), As::kNumber},
};
// Behind Follow and Enable, which are no plain fields.
constexpr Row kCritical[] = {{Flag("Critical", "critical"), As::kFlag}};
constexpr Row kMember[] = {
    // Of SubService.
    {Text("Name", "name"), As::kText},
    {Fixed("Forward", "nat"), As::kText},
    {Number("Weight", "weight", 1, 65535, 1000), As::kNumber},
    {Number("Limit", "connection_limit", 0, 100000), As::kNumber},
    {NotFlag("Enable", "disabled"), As::kFlag},
    {Flag("Critical", "critical"), As::kFlag},
};
// clang-format on

Node Show(const Row& row, const google::protobuf::Message& message) {
  std::string text = GetOption(message, row.option);
  if (row.as == As::kFlag) {
    return Node::Flag(row.option.name, ReadFlag(text).value_or(false));
  }
  return {.name = std::string(row.option.name),
          .as = row.as,
          .text = std::move(text)};
}

absl::Status Change(std::span<const Row> rows, const Parameters& parameters,
                    google::protobuf::Message* message) {
  for (const Row& row : rows) {
    const auto text = parameters.Find(row.option.name);
    if (!text.has_value()) continue;
    // A weight of 0, which a configuration may have, is echoed too.
    if (*text == GetOption(*message, row.option)) continue;
    BALLAST_RETURN_IF_ERROR(SetOption(message, row.option, *text));
  }
  return absl::OkStatus();
}

// Whether the unit's list of servers that are disabled everywhere has it.
bool IsListed(const Service& service, const RealServer& server) {
  const auto address = Address::Parse(server.address());
  if (!address.ok()) return false;
  const Endpoint endpoint{*address,
                          static_cast<uint16_t>(PortOf(service, server))};
  const auto& listed = service.config->disabled_servers();
  return std::any_of(listed.begin(), listed.end(),
                     [&](const std::string& text) {
                       const auto whole = Address::Parse(text);
                       if (whole.ok()) return *whole == *address;
                       const auto one = Endpoint::Parse(text);
                       return one.ok() && *one == endpoint;
                     });
}

}  // namespace

bool IsEnabled(const Service& service, const RealServer& server) {
  return server.state() == config::proto::ENABLED && !IsListed(service, server);
}

void SetEnabled(const Service& service, bool enabled, RealServer* server) {
  if (enabled) {
    server->set_state(config::proto::ENABLED);
  } else if (server->state() == config::proto::ENABLED) {
    server->set_state(service.is_l7() ? config::proto::DRAINING
                                      : config::proto::DISABLED);
  }
}

std::vector<Node> ShowServer(const Service& service, int place,
                             const ServiceStatistics* statistics) {
  const RealServer& server = service.servers()[place];
  const bool enabled = IsEnabled(service, server);
  std::vector<Node> nodes = {
      Node::Text("Status",
                 enabled ? StatusOf(StatisticsOf(statistics, service, place))
                         : "Disabled"),
      Node::Count("VSIndex", service.index()),
      Node::Count("RsIndex", server.index()),
      Node::Text("Addr", server.address()),
      Node::Count("Port", PortOf(service, server)),
      Node::Text("DnsName", ""),
  };
  for (const Row& row : kServer) nodes.push_back(Show(row, server));
  nodes.push_back(Node::Count("Follow", FollowedIndex(service, server)));
  nodes.push_back(Node::Flag("Enable", enabled));
  nodes.push_back(Show(kCritical[0], server));
  nodes.push_back(Node::Count("Nrules", 0));
  return nodes;
}

std::vector<Node> ShowMember(const Service& member,
                             const ServiceStatistics* statistics) {
  std::vector<Node> nodes = {
      Node::Text("Status", StatusOf(statistics, member)),
      Node::Count("VSIndex", member.sub->index()),
      Node::Count("RsIndex", member.sub->index()),
  };
  for (const Row& row : kMember) nodes.push_back(Show(row, *member.sub));
  return nodes;
}

absl::Status ChangeServer(const Parameters& parameters, const Service& service,
                          int place) {
  RealServer& server = service.servers()[place];
  BALLAST_RETURN_IF_ERROR(Change(kServer, parameters, &server));
  BALLAST_RETURN_IF_ERROR(Change(kCritical, parameters, &server));
  if (const auto text = parameters.Find("Follow")) {
    BALLAST_RETURN_IF_ERROR(SetFollowed(service, *text, &server));
  }
  if (const auto port = parameters.Find("newport")) {
    BALLAST_ASSIGN_OR_RETURN(const uint32_t number,
                             ReadNumber("newport", *port, 3, 65535));
    server.set_port(number);
  }
  if (const auto text = parameters.Find("Enable")) {
    const auto flag = ReadFlag(*text);
    if (!flag.has_value()) return WrongValue("Enable", *text, "Y or N");
    if (*flag != IsEnabled(service, server)) {
      SetEnabled(service, *flag, &server);
    }
  }
  return absl::OkStatus();
}

absl::Status ChangeMember(const Parameters& parameters, const Service& member) {
  const std::string name = NameOf(member);
  BALLAST_RETURN_IF_ERROR(Change(kMember, parameters, member.sub));
  Renamed(member, name);
  return absl::OkStatus();
}

}  // namespace ballast::admin
