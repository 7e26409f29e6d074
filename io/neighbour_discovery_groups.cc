#include "io/neighbour_discovery_groups.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/datagram.h"

namespace ballast {

Address SolicitedNodeGroup(const Address& address) {
  std::array<uint8_t, 16> group{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::copy_n(address.bytes().end() - 3, 3, group.end() - 3);
  return Address::V6(group);
}

absl::Status NeighbourDiscoveryGroups::Add(const Address& address,
                                           int ifindex) {
  if (address.is_v4()) return absl::OkStatus();
  const Address group = SolicitedNodeGroup(address);
  const auto [entry, is_new] = groups_.try_emplace({ifindex, group});
  if (is_new) {
    const absl::Status status = Join(group, ifindex, &entry->second.socket);
    if (!status.ok()) {
      groups_.erase(entry);
      return status;
    }
  }
  std::vector<Address>& members = entry->second.members;
  if (std::find(members.begin(), members.end(), address) != members.end()) {
    return absl::AlreadyExistsError(
        absl::StrCat("neighbour discovery group of ", address.ToString(),
                     " on interface ", ifindex));
  }
  members.push_back(address);
  return absl::OkStatus();
}

absl::Status NeighbourDiscoveryGroups::Remove(const Address& address,
                                              int ifindex) {
  if (address.is_v4()) return absl::OkStatus();
  const Address group = SolicitedNodeGroup(address);
  const auto entry = groups_.find({ifindex, group});
  if (entry == groups_.end() ||
      std::erase(entry->second.members, address) == 0) {
    return absl::NotFoundError(absl::StrCat("neighbour discovery group of ",
                                            address.ToString(),
                                            " on interface ", ifindex));
  }
  if (!entry->second.members.empty()) return absl::OkStatus();
  const int fd = sockets_[entry->second.socket].get();
  groups_.erase(entry);
  const absl::Status status = LeaveGroup(fd, group, ifindex);
  // With the interface went its memberships.
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status NeighbourDiscoveryGroups::Join(const Address& group, int ifindex,
                                            size_t* socket) {
  absl::Status status;
  for (*socket = 0; *socket < sockets_.size(); ++*socket) {
    status = JoinGroup(sockets_[*socket].get(), group, ifindex);
    if (!absl::IsResourceExhausted(status)) return status;
  }
  UniqueFd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "IPv6 socket");
  BALLAST_RETURN_IF_ERROR(JoinGroup(fd.get(), group, ifindex));
  sockets_.push_back(std::move(fd));
  return absl::OkStatus();
}

}  // namespace ballast
