#include "io/mac_guard.h"

#include <linux/netlink.h>
#include <net/if.h>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

absl::Status Remove(NetlinkSocket& socket, absl::string_view interface) {
  const NftBatch::Finished batch = RemoveGuardBatch(interface);
  return socket.Batch(batch.bytes, batch.last_sequence,
                      absl::StrCat("remove guard of ", interface));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MacGuard>> MacGuard::Install(
    absl::string_view interface, const GuardRules& rules) {
  // New kernels (6.16) take a filter for an interface that is not there.
  if (if_nametoindex(std::string(interface).c_str()) == 0) {
    return absl::NotFoundError(
        absl::StrCat("install guard on ", interface, ": no such interface"));
  }
  BALLAST_ASSIGN_OR_RETURN(NetlinkSocket socket,
                           NetlinkSocket::Open(NETLINK_NETFILTER));
  std::unique_ptr<MacGuard> guard(new MacGuard(interface, std::move(socket)));
  BALLAST_RETURN_IF_ERROR(guard->Update(rules));
  return guard;
}

MacGuard::~MacGuard() {
  // Nobody is left to tell of a failure; RemoveStale() finds the rest.
  if (installed_) Remove(socket_, interface_).IgnoreError();
}

absl::Status MacGuard::Update(const GuardRules& rules) {
  const NftBatch::Finished batch = InstallGuardBatch(interface_, rules);
  BALLAST_RETURN_IF_ERROR(
      socket_.Batch(batch.bytes, batch.last_sequence,
                    absl::StrCat("install guard on ", interface_)));
  installed_ = true;
  return absl::OkStatus();
}

absl::Status MacGuard::RemoveStale(absl::string_view interface) {
  absl::StatusOr<NetlinkSocket> socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!socket.ok()) return absl::OkStatus();
  const absl::Status status = Remove(*socket, interface);
  // No nf_tables, or no netdev family: then nobody installed any.
  if (absl::IsUnimplemented(status) || absl::IsInvalidArgument(status)) {
    return absl::OkStatus();
  }
  return status;
}

}  // namespace ballast
