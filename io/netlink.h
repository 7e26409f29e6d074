// The kernel's links, addresses, routes, rules and neighbours: asked for,
// changed, and watched (rtnetlink).
//
// Requests wait for the kernel's answer, which takes microseconds; dumps take
// as long as their list is. For the control thread, never a packet thread.
//
// Errors   absl::Status naming what was asked and the kernel's errno text;
//          kNotFound, kAlreadyExists and kPermissionDenied can be relied on.
// Threads  one at a time. Works in the network namespace it was opened in.
#ifndef IO_NETLINK_H_
#define IO_NETLINK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/netlink_decode.h"
#include "io/netlink_socket.h"

namespace ballast {

inline constexpr uint32_t kMainTable = 254;

class Netlink {
 public:
  static absl::StatusOr<Netlink> Open();

  // ---- What is there -----------------------------------------------------
  absl::StatusOr<std::vector<LinkInfo>> Links();
  absl::StatusOr<LinkInfo> Link(absl::string_view name);
  absl::StatusOr<std::vector<InterfaceAddress>> Addresses();
  // Of one table, both families. More than `count_max`: kResourceExhausted.
  absl::StatusOr<std::vector<RouteInfo>> Routes(uint32_t table = kMainTable,
                                                size_t count_max = SIZE_MAX);
  absl::StatusOr<std::vector<NeighbourInfo>> Neighbours();

  // ---- Links -------------------------------------------------------------
  struct VethEnd {
    std::string name;
    std::optional<MacAddress> mac{};  // The kernel picks one when absent.
  };
  absl::Status AddVeth(const VethEnd& one, const VethEnd& other);
  // A macvlan in bridge mode over `lower`.
  absl::Status AddMacvlan(absl::string_view name, int lower_index);
  absl::Status DeleteLink(int ifindex);
  absl::Status SetLinkUp(int ifindex, bool up);
  absl::Status SetLinkMac(int ifindex, const MacAddress& mac);
  absl::Status SetLinkMtu(int ifindex, uint32_t mtu);
  // Into the network namespace of this descriptor (NetNamespace::fd()).
  absl::Status MoveLink(int ifindex, int namespace_fd);

  // ---- Addresses, routes, rules --------------------------------------------
  // The prefix keeps the host's bits: 10.0.0.1/24. IPv6 addresses are usable
  // at once (no duplicate detection): whoever calls has looked before.
  // kAlreadyExists if it is there.
  absl::Status AddAddress(int ifindex, const Prefix& prefix);
  // A host address (/32, /128) that may move to another unit: no route of its
  // own, and the kernel never picks it as the source of other traffic.
  absl::Status AddFloatingAddress(int ifindex, const Address& address);
  absl::Status DeleteAddress(int ifindex, const Prefix& prefix);

  struct Route {
    Prefix destination;
    int ifindex = 0;
    std::optional<Address> gateway{};
    std::optional<Address> preferred_source{};
    uint32_t table = kMainTable;
    uint32_t mtu = 0;       // 0: the link's.
    uint32_t priority = 0;  // 0: the kernel's default (IPv6: 1024).
    // The gateway is on the link even if no address there says so.
    bool on_link = false;
    // To the host itself, whatever the destination; `ifindex` is loopback's.
    bool local = false;
  };
  // Replaces a route to the same destination of the same priority.
  absl::Status SetRoute(const Route& route);
  absl::Status DeleteRoute(const Route& route);

  // Packets from `source` (and with `mark`) use `table`; rules with lower
  // priority numbers are asked first. kAlreadyExists if the same rule is there.
  absl::Status AddRule(const RuleInfo& rule);
  absl::Status DeleteRule(const RuleInfo& rule);
  // The rules that name this table and a source or a mark.
  absl::StatusOr<std::vector<RuleInfo>> Rules(uint32_t table);

  // ---- Neighbours ----------------------------------------------------------
  // An entry that never changes.
  absl::Status SetPermanentNeighbour(int ifindex, const Address& address,
                                     const MacAddress& mac);
  enum class Keeper {
    kKernel,  // Kept resolved for good (NTF_EXT_MANAGED, Linux 5.16).
    kCaller,  // An older kernel: call UseNeighbour() every few seconds.
  };
  // Has the kernel resolve the neighbour, with no traffic of the host's.
  absl::StatusOr<Keeper> AddManagedNeighbour(int ifindex,
                                             const Address& address);
  // Has the kernel confirm the entry as if the host had just used it.
  absl::Status UseNeighbour(int ifindex, const Address& address);
  absl::Status DeleteNeighbour(int ifindex, const Address& address);

 private:
  explicit Netlink(NetlinkSocket socket) : socket_(std::move(socket)) {}
  absl::Status Dump(const std::vector<NetlinkBuilder>& requests,
                    absl::string_view what, absl::FunctionRef<void()> restart,
                    absl::FunctionRef<void(const NetlinkMessage&)> visit);
  template <typename T>
  absl::StatusOr<std::vector<T>> DumpOf(
      const std::vector<NetlinkBuilder>& requests, absl::string_view what);
  absl::StatusOr<NeighbourInfo> GetNeighbour(int ifindex,
                                             const Address& address);

  NetlinkSocket socket_;
};

}  // namespace ballast

#endif  // IO_NETLINK_H_
