// addvs, modvs, showvs, delvs, listvs.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/command.h"
#include "lb/admin/option.h"
#include "lb/admin/server_fields.h"
#include "lb/admin/service_fields.h"
#include "lb/admin/status_of.h"

namespace ballast::admin {
namespace {

using config::proto::Config;
using config::proto::L7;
using config::proto::SubService;
using config::proto::VirtualService;

// The fields, then its servers or sub services.
std::vector<Node> ShowWhole(const Service& service,
                            const Statistics& statistics) {
  const ServiceStatistics* found = StatisticsOf(statistics, service);
  std::vector<Node> nodes = ShowService({service, found});
  if (service.sub == nullptr && service.sub_count() > 0) {
    Node members = Node::List("SubVS");
    for (SubService& sub :
         *service.service->mutable_l7()->mutable_sub_services()) {
      members.AddElement(
          ShowMember({service.config, service.service, &sub}, found));
    }
    nodes.push_back(std::move(members));
    return nodes;
  }
  Node servers = Node::List("Rs");
  for (int i = 0; i < service.servers().size(); ++i) {
    servers.AddElement(ShowServer(service, i, found));
  }
  nodes.push_back(std::move(servers));
  return nodes;
}

absl::StatusOr<Document> ShowOne(Context& context, const Service& service) {
  return Document::Of(ShowWhole(service, context.statistics()));
}

// A number that no service has. Those of 2^31 and more are not to be had: the
// change would be refused.
uint32_t NewIndex(const Config& config) {
  uint32_t max = 0;
  for (const VirtualService& service : config.virtual_services()) {
    max = std::max(max, service.index());
    for (const SubService& sub : service.l7().sub_services()) {
      max = std::max(max, sub.index());
    }
  }
  return max + 1;
}

absl::Status CreateSub(const Service& parent) {
  if (parent.sub != nullptr) {
    return absl::InvalidArgumentError("a SubVS cannot have SubVSs");
  }
  if (parent.servers().size() > 0) {
    return absl::InvalidArgumentError(
        "a VS has either real servers or SubVSs: it has real servers");
  }
  if (!parent.is_l7() || parent.service->l7().type() != L7::HTTP) {
    return absl::InvalidArgumentError(
        "SubVSs need a VS of layer 7 and type http");
  }
  const uint32_t index = NewIndex(*parent.config);
  SubService& sub = *parent.service->mutable_l7()->add_sub_services();
  sub.set_index(index);
  sub.set_name(absl::StrCat("SubVS-", index));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Document> AddServiceCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  BALLAST_ASSIGN_OR_RETURN(const auto vs, Required(parameters, "vs"));
  BALLAST_ASSIGN_OR_RETURN(const auto port_text, Required(parameters, "port"));
  BALLAST_ASSIGN_OR_RETURN(const auto prot_text, Required(parameters, "prot"));
  const auto address = Address::Parse(vs);
  if (!address.ok()) return WrongValue("vs", vs, "an address");
  BALLAST_ASSIGN_OR_RETURN(const uint32_t port, ReadServicePort(port_text));
  BALLAST_ASSIGN_OR_RETURN(const auto protocol, ReadProtocol(prot_text));
  Config& config = context.config();
  if (FindService(parameters, &config).ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "VS already exists: ", vs, " ", port_text, " ", prot_text));
  }
  const uint32_t index = NewIndex(config);
  VirtualService& added = *config.add_virtual_services();
  added.set_address(address->ToString());
  added.set_port(port);
  added.set_protocol(protocol);
  added.set_index(index);
  const Service service{&config, &added};
  // A proxy unless it is said otherwise, or cannot be.
  if (protocol == config::proto::TCP && port != 0) {
    Parameters layer;
    layer.Add("ForceL7", "Y");
    BALLAST_RETURN_IF_ERROR(ChangeService(layer, service));
  }
  BALLAST_RETURN_IF_ERROR(ChangeService(parameters, service));
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return ShowOne(context, service);
}

absl::StatusOr<Document> ModifyServiceCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  BALLAST_ASSIGN_OR_RETURN(const Service service,
                           FindService(parameters, &context.config()));
  BALLAST_RETURN_IF_ERROR(ChangeService(parameters, service));
  if (parameters.Has("createsubvs")) {
    BALLAST_RETURN_IF_ERROR(CreateSub(service));
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return ShowOne(context, service);
}

absl::StatusOr<Document> ShowServiceCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(
      const Service service,
      FindService(context.parameters(), &context.config()));
  return ShowOne(context, service);
}

absl::StatusOr<Document> DeleteServiceCommand(Context& context) {
  Config& config = context.config();
  BALLAST_ASSIGN_OR_RETURN(const Service service,
                           FindService(context.parameters(), &config));
  const auto erase = [](auto& list, const auto* one) {
    list.erase(std::find_if(list.begin(), list.end(),
                            [&](const auto& each) { return &each == one; }));
  };
  if (service.sub != nullptr) {
    erase(*service.service->mutable_l7()->mutable_sub_services(), service.sub);
  } else {
    erase(*config.mutable_virtual_services(), service.service);
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> ListServicesCommand(Context& context) {
  Config& config = context.config();
  Node list = Node::List("VS");
  for (VirtualService& service : *config.mutable_virtual_services()) {
    list.AddElement(ShowWhole({&config, &service}, context.statistics()));
    if (!service.has_l7()) continue;
    for (SubService& sub : *service.mutable_l7()->mutable_sub_services()) {
      list.AddElement(
          ShowWhole({&config, &service, &sub}, context.statistics()));
    }
  }
  std::vector<Node> data;
  data.push_back(std::move(list));
  if (context.parameters().Has("timestamp")) {
    data.push_back(
        Node::Count("timestamp", absl::ToUnixSeconds(context.call().now)));
  }
  return Document::Of(std::move(data));
}

}  // namespace ballast::admin
