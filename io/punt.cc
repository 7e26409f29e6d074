#include "io/punt.h"

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/sysctl.h"

namespace ballast {
namespace {

Prefix HostPrefix(const Address& address) {
  return {address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)};
}

absl::Status IgnoreNotFound(absl::Status status) {
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status IgnoreAlreadyExists(absl::Status status) {
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PuntLink>> PuntLink::Create(
    const Options& options) {
  BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  // From here on the destructor undoes what was done.
  std::unique_ptr<PuntLink> link(new PuntLink(options, std::move(netlink)));
  BALLAST_RETURN_IF_ERROR(link->RemoveLeftovers());
  BALLAST_RETURN_IF_ERROR(link->Build());
  return link;
}

absl::Status PuntLink::RemoveLeftovers() {
  for (const std::string* name :
       {&options_.host_name, &options_.director_name}) {
    const absl::StatusOr<LinkInfo> found = netlink_.Link(*name);
    if (absl::IsNotFound(found.status())) continue;
    BALLAST_RETURN_IF_ERROR(found.status());
    if (found->kind != "veth") {
      return absl::AlreadyExistsError(absl::StrCat(
          "punt link: '", *name, "' exists and is ",
          found->kind.empty() ? "a card" : absl::StrCat("a ", found->kind),
          ", must be free or a veth of ours"));
    }
    // The second name goes with the first.
    BALLAST_RETURN_IF_ERROR(IgnoreNotFound(netlink_.DeleteLink(found->index)));
  }
  BALLAST_ASSIGN_OR_RETURN(const std::vector<RuleInfo> rules,
                           netlink_.Rules(options_.table));
  for (const RuleInfo& rule : rules) {
    if (rule.priority != options_.rule_priority) continue;
    BALLAST_RETURN_IF_ERROR(IgnoreNotFound(netlink_.DeleteRule(rule)));
  }
  return absl::OkStatus();
}

absl::Status PuntLink::Build() {
  BALLAST_RETURN_IF_ERROR(
      netlink_.AddVeth({options_.host_name, options_.host_mac},
                       {options_.director_name, std::nullopt}));
  BALLAST_ASSIGN_OR_RETURN(const LinkInfo host,
                           netlink_.Link(options_.host_name));
  BALLAST_ASSIGN_OR_RETURN(const LinkInfo director,
                           netlink_.Link(options_.director_name));
  host_index_ = host.index;
  // Before the links come up, so that nothing is sent in the meantime.
  BALLAST_RETURN_IF_ERROR(SetSysctls());
  for (const LinkInfo* end : {&host, &director}) {
    BALLAST_RETURN_IF_ERROR(netlink_.SetLinkMtu(end->index, options_.mtu));
    BALLAST_RETURN_IF_ERROR(netlink_.SetLinkUp(end->index, true));
  }
  for (const Address& next_hop : {options_.director_v4, options_.director_v6}) {
    BALLAST_RETURN_IF_ERROR(netlink_.SetPermanentNeighbour(
        host_index_, next_hop, options_.director_mac));
    Netlink::Route all;
    all.destination.address = next_hop.is_v4() ? Address::V4(0) : Address();
    all.ifindex = host_index_;
    all.gateway = next_hop;
    all.table = options_.table;
    all.on_link = true;
    BALLAST_RETURN_IF_ERROR(netlink_.SetRoute(all));
  }
  return absl::OkStatus();
}

absl::Status PuntLink::SetSysctls() {
  const std::string v4 =
      absl::StrCat("net/ipv4/conf/", options_.host_name, "/");
  const std::string v6 =
      absl::StrCat("net/ipv6/conf/", options_.host_name, "/");
  const std::string director_v6 =
      absl::StrCat("net/ipv6/conf/", options_.director_name, "/");
  const std::pair<std::string, const char*> settings[] = {
      // Clients are reached elsewhere by the main table, and may be local.
      {v4 + "rp_filter", "2"},
      {v4 + "accept_local", "1"},
      {v4 + "arp_ignore", "1"},
      // The director answers no router or duplicate-address questions here.
      {v6 + "accept_dad", "0"},
      {v6 + "accept_ra", "0"},
      {v6 + "router_solicitations", "0"},
      // The other end is the director's: no addresses, no stack.
      {director_v6 + "disable_ipv6", "1"},
  };
  for (const auto& [name, value] : settings) {
    BALLAST_RETURN_IF_ERROR(WriteSysctl(name, value));
  }
  for (const std::string& port : options_.ports) {
    const std::string name =
        absl::StrCat("net/ipv4/conf/", port, "/arp_ignore");
    BALLAST_ASSIGN_OR_RETURN(const std::string before, ReadSysctl(name));
    BALLAST_RETURN_IF_ERROR(WriteSysctl(name, "1"));
    sysctls_to_restore_.emplace_back(name, before);
  }
  return absl::OkStatus();
}

PuntLink::~PuntLink() {
  // Nobody is left to tell of a failure; what stays is a leftover that the
  // next Create() removes. Addresses, routes and neighbours go with the pair.
  RemoveLeftovers().IgnoreError();
  for (const auto& [name, value] : sysctls_to_restore_) {
    WriteSysctl(name, value).IgnoreError();
  }
}

RuleInfo PuntLink::RuleFor(const Address& address) const {
  return {HostPrefix(address), options_.table, options_.rule_priority};
}

absl::Status PuntLink::AddAddress(const Address& address) {
  BALLAST_RETURN_IF_ERROR(
      IgnoreAlreadyExists(netlink_.AddRule(RuleFor(address))));
  return IgnoreAlreadyExists(netlink_.AddFloatingAddress(host_index_, address));
}

absl::Status PuntLink::RemoveAddress(const Address& address) {
  const absl::Status removed =
      IgnoreNotFound(netlink_.DeleteAddress(host_index_, HostPrefix(address)));
  const absl::Status rule =
      IgnoreNotFound(netlink_.DeleteRule(RuleFor(address)));
  return removed.ok() ? rule : removed;
}

}  // namespace ballast
