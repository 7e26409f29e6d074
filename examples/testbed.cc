#include "examples/testbed.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/status_macros.h"
#include "io/netlink.h"
#include "io/sysctl.h"

namespace ballast::testbed {
namespace {

constexpr char kClientsBridge[] = "br-clients";
constexpr char kServersBridge[] = "br-servers";
constexpr Family kFamilies[] = {Family::kV4, Family::kV6};

constexpr int kHostNumber = 250;
constexpr int kUnitNumber = 241;
constexpr int kRouterNumber = 253;
constexpr int kGatewayNumber = 254;
constexpr uint32_t kDirectTable = 100;

Address Numbered(absl::string_view network, int number) {
  const bool v4 = network.back() == '.';
  return *Address::Parse(v4 ? absl::StrCat(network, number)
                            : absl::StrCat(network, absl::Hex(number)));
}

Prefix Network(const Address& address) {
  return {address, static_cast<uint8_t>(address.is_v4() ? 24 : 64)};
}
Prefix Host(const Address& address) {
  return {address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)};
}
Prefix Everywhere(Family family) {
  return {family == Family::kV4 ? Address::V4(0) : Address(), 0};
}

// Before a namespace has links: their settings are copied from here.
absl::Status SetDefaults(bool forwards) {
  // Addresses can be used at once.
  BALLAST_RETURN_IF_ERROR(WriteSysctl("net/ipv6/conf/default/accept_dad", "0"));
  BALLAST_RETURN_IF_ERROR(
      WriteSysctl("net/ipv6/conf/default/router_solicitations", "0"));
  // Answers may take another way than questions.
  for (const char* which : {"all", "default"}) {
    BALLAST_RETURN_IF_ERROR(
        WriteSysctl(absl::StrCat("net/ipv4/conf/", which, "/rp_filter"), "0"));
  }
  if (!forwards) return absl::OkStatus();
  BALLAST_RETURN_IF_ERROR(WriteSysctl("net/ipv4/ip_forward", "1"));
  return WriteSysctl("net/ipv6/conf/all/forwarding", "1");
}

absl::Status AddBridge(const char* name) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || ioctl(fd.get(), SIOCBRADDBR, name) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("add bridge ", name));
  }
  BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  BALLAST_ASSIGN_OR_RETURN(const LinkInfo link, netlink.Link(name));
  return netlink.SetLinkUp(link.index, true);
}

absl::Status CallBridge(unsigned long call, const char* bridge, int ifindex) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, bridge, IFNAMSIZ - 1);
  request.ifr_ifindex = ifindex;
  if (!fd.valid() || ioctl(fd.get(), call, &request) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("plug of ", bridge));
  }
  return absl::OkStatus();
}
absl::Status PlugIn(const char* bridge, int ifindex) {
  return CallBridge(SIOCBRADDIF, bridge, ifindex);
}
absl::Status Unplug(const char* bridge, int ifindex) {
  return CallBridge(SIOCBRDELIF, bridge, ifindex);
}

// A cable from `bridge` to a new link of `host`, which gets `addresses`.
// `plug` names the bridge's end.
absl::Status Connect(const NetNamespace& switches, const char* bridge,
                     const std::string& plug, const NetNamespace& host,
                     const char* link_name,
                     const std::vector<Address>& addresses) {
  BALLAST_RETURN_IF_ERROR(switches.Run([&]() -> absl::Status {
    BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
    BALLAST_RETURN_IF_ERROR(
        netlink.AddVeth({.name = plug}, {.name = link_name}));
    BALLAST_ASSIGN_OR_RETURN(const LinkInfo near, netlink.Link(plug));
    BALLAST_ASSIGN_OR_RETURN(const LinkInfo far, netlink.Link(link_name));
    BALLAST_RETURN_IF_ERROR(netlink.MoveLink(far.index, host.fd()));
    BALLAST_RETURN_IF_ERROR(PlugIn(bridge, near.index));
    return netlink.SetLinkUp(near.index, true);
  }));
  return host.Run([&]() -> absl::Status {
    BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
    BALLAST_ASSIGN_OR_RETURN(const LinkInfo link, netlink.Link(link_name));
    BALLAST_RETURN_IF_ERROR(netlink.SetLinkUp(link.index, true));
    for (const Address& address : addresses) {
      BALLAST_RETURN_IF_ERROR(netlink.AddAddress(link.index, Network(address)));
    }
    return absl::OkStatus();
  });
}

using MakeAddress = Address (*)(Family, int);

std::vector<Address> BothFamilies(MakeAddress make, int number) {
  return {make(Family::kV4, number), make(Family::kV6, number)};
}

}  // namespace

Address ClientAddress(Family family, int number) {
  return Numbered(family == Family::kV4 ? "192.0.2." : "2001:db8:c::", number);
}

Address ServerAddress(Family family, int number) {
  return Numbered(family == Family::kV4 ? "10.0.0." : "2001:db8:5::", number);
}

Address UnitClientAddress(Family family, int unit) {
  return ClientAddress(family, kUnitNumber + unit);
}

Address UnitServerAddress(Family family, int unit) {
  return ServerAddress(family, kUnitNumber + unit);
}

Address Gateway(Family family) { return ServerAddress(family, kGatewayNumber); }

absl::StatusOr<std::unique_ptr<Testbed>> Testbed::Create(
    const Options& options) {
  BALLAST_RETURN_IF_ERROR(EnterPrivateNetwork());
  BALLAST_ASSIGN_OR_RETURN(NetNamespace client, NetNamespace::Create());
  BALLAST_ASSIGN_OR_RETURN(NetNamespace router, NetNamespace::Create());
  BALLAST_ASSIGN_OR_RETURN(NetNamespace switches, NetNamespace::Create());
  std::unique_ptr<Testbed> testbed(
      new Testbed(std::move(client), std::move(router), std::move(switches)));
  BALLAST_RETURN_IF_ERROR(testbed->Build(options));
  return testbed;
}

absl::Status Testbed::Build(const Options& options) {
  BALLAST_RETURN_IF_ERROR(switches_.Run([]() -> absl::Status {
    // Bridges have no business with addresses.
    BALLAST_RETURN_IF_ERROR(
        WriteSysctl("net/ipv6/conf/default/disable_ipv6", "1"));
    BALLAST_RETURN_IF_ERROR(AddBridge(kClientsBridge));
    return AddBridge(kServersBridge);
  }));

  if (options.units == 0) {
    BALLAST_ASSIGN_OR_RETURN(const NetNamespace here, NetNamespace::Current());
    BALLAST_RETURN_IF_ERROR(AddDirector(here, "director", kHostNumber));
  }
  for (int i = 0; i < options.units; ++i) {
    BALLAST_ASSIGN_OR_RETURN(NetNamespace unit, NetNamespace::Create());
    BALLAST_RETURN_IF_ERROR(
        AddDirector(unit, absl::StrCat("unit", i + 1), kUnitNumber + i));
    units_.push_back(std::move(unit));
  }

  BALLAST_RETURN_IF_ERROR(
      router_.Run([] { return SetDefaults(/*forwards=*/true); }));
  BALLAST_RETURN_IF_ERROR(Connect(switches_, kClientsBridge, "router-c",
                                  router_, "eth0",
                                  BothFamilies(&ClientAddress, kRouterNumber)));
  BALLAST_RETURN_IF_ERROR(Connect(switches_, kServersBridge, "router-s",
                                  router_, "eth1",
                                  BothFamilies(&ServerAddress, kRouterNumber)));

  BALLAST_RETURN_IF_ERROR(
      client_.Run([] { return SetDefaults(/*forwards=*/false); }));
  std::vector<Address> addresses;
  for (int number = 1; number <= options.clients; ++number) {
    for (const Address& address : BothFamilies(&ClientAddress, number)) {
      addresses.push_back(address);
    }
  }
  BALLAST_RETURN_IF_ERROR(
      Connect(switches_, kClientsBridge, "client", client_, "eth0", addresses));

  for (int number = 1; number <= options.servers; ++number) {
    BALLAST_RETURN_IF_ERROR(AddServer(options, number));
  }
  return absl::OkStatus();
}

absl::Status Testbed::AddDirector(const NetNamespace& host,
                                  const std::string& plug, int number) {
  BALLAST_RETURN_IF_ERROR(
      host.Run([] { return SetDefaults(/*forwards=*/true); }));
  BALLAST_RETURN_IF_ERROR(Connect(switches_, kClientsBridge, plug + "-c", host,
                                  kClientsLink,
                                  BothFamilies(&ClientAddress, number)));
  return Connect(switches_, kServersBridge, plug + "-s", host, kServersLink,
                 BothFamilies(&ServerAddress, number));
}

absl::Status Testbed::SetPlugged(size_t unit, bool plugged) {
  return switches_.Run([&]() -> absl::Status {
    BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
    for (const char* bridge : {kClientsBridge, kServersBridge}) {
      const std::string plug = absl::StrCat(
          "unit", unit + 1, bridge == kClientsBridge ? "-c" : "-s");
      BALLAST_ASSIGN_OR_RETURN(const LinkInfo link, netlink.Link(plug));
      BALLAST_RETURN_IF_ERROR(plugged ? PlugIn(bridge, link.index)
                                      : Unplug(bridge, link.index));
    }
    return absl::OkStatus();
  });
}

absl::Status Testbed::AddServer(const Options& options, int number) {
  BALLAST_ASSIGN_OR_RETURN(NetNamespace host, NetNamespace::Create());
  const std::string name = absl::StrCat("web", number);
  BALLAST_RETURN_IF_ERROR(host.Run([]() -> absl::Status {
    BALLAST_RETURN_IF_ERROR(SetDefaults(/*forwards=*/false));
    // Having the address of a service on loopback, a server must not tell its
    // neighbours so.
    BALLAST_RETURN_IF_ERROR(WriteSysctl("net/ipv4/conf/all/arp_ignore", "1"));
    return WriteSysctl("net/ipv4/conf/all/arp_announce", "2");
  }));
  BALLAST_RETURN_IF_ERROR(Connect(switches_, kServersBridge, name, host, "eth0",
                                  BothFamilies(&ServerAddress, number)));
  BALLAST_RETURN_IF_ERROR(host.Run([&]() -> absl::Status {
    BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
    BALLAST_ASSIGN_OR_RETURN(const LinkInfo loopback, netlink.Link("lo"));
    BALLAST_ASSIGN_OR_RETURN(const LinkInfo link, netlink.Link("eth0"));
    for (const Family family : kFamilies) {
      BALLAST_RETURN_IF_ERROR(netlink.SetRoute({
          .destination = Everywhere(family),
          .ifindex = link.index,
          .gateway = Gateway(family),
      }));
      BALLAST_RETURN_IF_ERROR(netlink.SetRoute({
          .destination = Everywhere(family),
          .ifindex = link.index,
          .gateway = ServerAddress(family, kRouterNumber),
          .table = kDirectTable,
      }));
    }
    for (const Address& address : options.direct) {
      BALLAST_RETURN_IF_ERROR(
          netlink.AddAddress(loopback.index, Host(address)));
      BALLAST_RETURN_IF_ERROR(netlink.AddRule({.source = Host(address),
                                               .table = kDirectTable,
                                               .priority = kDirectTable}));
    }
    if (!options.http) return absl::OkStatus();
    BALLAST_ASSIGN_OR_RETURN(
        std::unique_ptr<HttpServer> server,
        HttpServer::Start(name, {kHttpPort, kOtherHttpPort}));
    servers_.push_back(std::move(server));
    return absl::OkStatus();
  }));
  server_namespaces_.push_back(std::move(host));
  return absl::OkStatus();
}

bool IsForbidden(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnavailable(status) ||
         absl::IsResourceExhausted(status) || absl::IsUnimplemented(status);
}

int Explain(const absl::Status& status) {
  const bool forbidden = IsForbidden(status);
  std::printf("%s: %s\n", forbidden ? "SKIPPED" : "FAILED",
              std::string(status.message()).c_str());
  return forbidden ? 77 : 1;
}

}  // namespace ballast::testbed
