// The guard (D16): where floating addresses must use the card's own MAC, keeps
// the director's frames from the host's stack, which would otherwise receive,
// refuse or forward them un-NATed. Packet sockets still see every frame.
//
// Dropped on the interface, before the host's IP stack: IP packets to a
// floating address, and packets from a real server's address and port but to
// the host's own addresses.
// Not dropped: later fragments of what a server sends, which carry no port; the
// host may forward them, and the client discards them for want of the first.
//
// It stays when the process crashes (better deaf than forwarding un-NATed); the
// next Install() on the interface, or RemoveStale(), replaces it. After the
// interface went and came back, Install() again.
//
// Errors   kPermissionDenied without CAP_NET_ADMIN; kNotFound without the
//          interface; whatever a kernel without nf_tables says.
// Threads  one at a time. Works in the namespace of the thread that created it.
#ifndef IO_MAC_GUARD_H_
#define IO_MAC_GUARD_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/mac_guard_rules.h"
#include "io/netlink_socket.h"

namespace ballast {

class MacGuard {
 public:
  static absl::StatusOr<std::unique_ptr<MacGuard>> Install(
      absl::string_view interface, const GuardRules& rules);
  // Removes the guard.
  ~MacGuard();
  MacGuard(const MacGuard&) = delete;
  MacGuard& operator=(const MacGuard&) = delete;

  // Other rules, at once: no frame meets neither or half of them. After an
  // error the former ones hold.
  absl::Status Update(const GuardRules& rules);

  // What a predecessor that crashed left on an interface; OK if nothing, and
  // where the kernel has no nf_tables.
  static absl::Status RemoveStale(absl::string_view interface);

 private:
  MacGuard(absl::string_view interface, NetlinkSocket socket)
      : interface_(interface), socket_(std::move(socket)) {}

  std::string interface_;
  NetlinkSocket socket_;
  bool installed_ = false;
};

}  // namespace ballast

#endif  // IO_MAC_GUARD_H_
