#include "io/mac_probe.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "io/arp_probe.h"
#include "io/base/status_macros.h"
#include "io/netlink.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

constexpr size_t kNeighboursMax = 16;

// A packet socket for ARP on the interface, with our MAC in the card's filter.
absl::StatusOr<UniqueFd> OpenArpSocket(const LinkInfo& link,
                                       const MacAddress& own_mac) {
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP)));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "packet socket for ARP");
  sockaddr_ll self{};
  self.sll_family = AF_PACKET;
  self.sll_protocol = htons(ETH_P_ARP);
  self.sll_ifindex = link.index;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof(self)) !=
      0) {
    return absl::ErrnoToStatus(errno, "bind packet socket to " + link.name);
  }
  packet_mreq request{};
  request.mr_ifindex = link.index;
  request.mr_type = PACKET_MR_UNICAST;
  request.mr_alen = 6;
  std::copy(own_mac.bytes.begin(), own_mac.bytes.end(), request.mr_address);
  // A card that has no such filter may still let the frames through.
  setsockopt(fd.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request,
             sizeof(request));
  return fd;
}

// The neighbour that answered, if one did.
absl::StatusOr<std::optional<Address>> Ask(const UniqueFd& fd,
                                           const MacAddress& from,
                                           std::span<const Address> neighbours,
                                           absl::Duration timeout) {
  constexpr int kRounds = 4;  // A lost frame must not decide.
  for (int round = 0; round < kRounds; ++round) {
    for (const Address& neighbour : neighbours) {
      const auto probe = WriteArpProbe(from, neighbour);
      if (send(fd.get(), probe.data(), probe.size(), 0) < 0 &&
          errno != ENOBUFS && errno != EAGAIN && errno != EPERM) {
        return absl::ErrnoToStatus(errno, "send ARP probe");
      }
    }
    const absl::Time end = absl::Now() + timeout / kRounds;
    while (true) {
      const absl::Duration left = end - absl::Now();
      if (left <= absl::ZeroDuration()) break;
      pollfd poller{fd.get(), POLLIN, 0};
      const int wait_ms = static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
      if (poll(&poller, 1, wait_ms) <= 0) continue;
      std::array<uint8_t, 256> frame;
      const ssize_t n =
          recv(fd.get(), frame.data(), frame.size(), MSG_DONTWAIT);
      if (n <= 0) continue;
      const auto answered = ReadArpProbeReply(
          std::span(frame).first(static_cast<size_t>(n)), from);
      if (answered && std::find(neighbours.begin(), neighbours.end(),
                                *answered) != neighbours.end()) {
        return answered;
      }
    }
  }
  return std::nullopt;
}

bool IsWireless(const std::string& interface) {
  return access(absl::StrCat("/sys/class/net/", interface, "/phy80211").c_str(),
                F_OK) == 0;
}

MacProbeResult DecideByKind(const LinkInfo& link) {
  MacProbeResult result;
  const bool shares_mac = link.kind == "macvlan" || link.kind == "macvtap" ||
                          link.kind == "ipvlan" || link.kind == "ipvtap" ||
                          IsWireless(link.name);
  result.own_mac_arrives = !shares_mac;
  const std::string kind = !link.kind.empty()      ? link.kind
                           : IsWireless(link.name) ? "wireless"
                                                   : "a card";
  result.reason =
      absl::StrCat("no neighbour answered a probe; ", link.name, " is ", kind,
                   shares_mac ? ", which takes frames for one MAC only"
                              : ", which is taken to receive a further MAC");
  return result;
}

}  // namespace

absl::StatusOr<MacProbeResult> ProbeOwnMac(const MacProbeOptions& options) {
  BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  BALLAST_ASSIGN_OR_RETURN(const LinkInfo link,
                           netlink.Link(options.interface));
  if (!link.up || !link.mac) {
    return absl::FailedPreconditionError(
        absl::StrCat("interface '", options.interface, "': ",
                     link.up ? "has no MAC, must be Ethernet-like"
                             : "is down, must be up to be probed"));
  }
  std::vector<Address> neighbours;
  for (const Address& neighbour : options.neighbours) {
    if (neighbour.is_v4() && neighbours.size() < kNeighboursMax) {
      neighbours.push_back(neighbour);
    }
  }
  if (neighbours.empty()) return DecideByKind(link);
  BALLAST_ASSIGN_OR_RETURN(const UniqueFd fd,
                           OpenArpSocket(link, options.own_mac));
  MacProbeResult result;
  result.proven = true;
  BALLAST_ASSIGN_OR_RETURN(
      const std::optional<Address> answered,
      Ask(fd, options.own_mac, neighbours, options.timeout));
  if (answered) {
    result.own_mac_arrives = true;
    result.reason = absl::StrCat(answered->ToString(), " answered ",
                                 options.own_mac.ToString(), " on ", link.name);
    return result;
  }
  BALLAST_ASSIGN_OR_RETURN(const std::optional<Address> answered_card,
                           Ask(fd, *link.mac, neighbours, options.timeout));
  if (!answered_card) return DecideByKind(link);
  result.reason =
      absl::StrCat(answered_card->ToString(), " answers ", link.mac->ToString(),
                   " but not ", options.own_mac.ToString(), " on ", link.name);
  return result;
}

}  // namespace ballast
