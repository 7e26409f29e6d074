// The punt link (D17): a veth pair through which the director hands the host
// what arrives for a floating address but is no L4 flow (L7 listeners,
// management, transparent return traffic), and gets the host's replies back.
//
//   host end      carries the floating addresses while this unit is active
//   director end  a port of the packet I/O, no addresses
//
// The director sends frames for the host to host_mac(); the host's replies come
// out of the director end addressed to director_mac(), which is not that end's
// own MAC: the host's stack, which also owns that end, ignores them. Replies
// from a floating address go there by a policy rule and a table of its own, not
// where the main table says.
//
// A process on this host that connects to a floating address reaches this
// host's listener, never the director.
//
// Errors   as Netlink's, or naming the sysctl that was refused.
// Threads  one at a time. Works in the namespace of the thread that created it.
#ifndef IO_PUNT_H_
#define IO_PUNT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/base/address.h"
#include "io/netlink.h"

namespace ballast {

class PuntLink {
 public:
  struct Options {
    std::string host_name = "ballast0";
    std::string director_name = "ballast0p";
    // Of the pair only; no other network sees them.
    MacAddress host_mac{{0x02, 0xba, 0x11, 0xa5, 0x70, 0x00}};
    MacAddress director_mac{{0x02, 0xba, 0x11, 0xa5, 0x70, 0x01}};
    // Next hops that stand for the director on the host's side of the pair.
    Address director_v4 = Address::V4(0xa9fe42fe);  // 169.254.66.254
    Address director_v6 = Address::V6(
        {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0xba, 0x11, 0xa5, 0x70, 0, 0, 1});
    uint32_t mtu = 1500;  // The largest of the ports' MTUs.
    // Table and rules with this number and priority are the link's alone.
    uint32_t table = 66254;
    uint32_t rule_priority = 16254;
    // Interfaces that face the network: there the host must not answer ARP for
    // addresses of the punt link (arp_ignore=1, put back at the end).
    std::vector<std::string> ports{};
  };

  // Removes what a predecessor that crashed left, then builds everything.
  //   kAlreadyExists     another kind of link has one of the names
  //   kPermissionDenied  without CAP_NET_ADMIN, or where /proc/sys is read-only
  static absl::StatusOr<std::unique_ptr<PuntLink>> Create(
      const Options& options);
  // Removes the pair, addresses, routes and rules, and puts arp_ignore back.
  ~PuntLink();
  PuntLink(const PuntLink&) = delete;
  PuntLink& operator=(const PuntLink&) = delete;

  // On becoming active, and on leaving. OK if it is there, or gone, already.
  absl::Status AddAddress(const Address& address);
  absl::Status RemoveAddress(const Address& address);

  const std::string& host_name() const { return options_.host_name; }
  const std::string& director_name() const { return options_.director_name; }
  const MacAddress& host_mac() const { return options_.host_mac; }
  const MacAddress& director_mac() const { return options_.director_mac; }

 private:
  PuntLink(const Options& options, Netlink netlink)
      : options_(options), netlink_(std::move(netlink)) {}
  absl::Status RemoveLeftovers();
  absl::Status Build();
  absl::Status SetSysctls();
  RuleInfo RuleFor(const Address& address) const;

  Options options_;
  Netlink netlink_;
  int host_index_ = 0;
  std::vector<std::pair<std::string, std::string>> sysctls_to_restore_;
};

}  // namespace ballast

#endif  // IO_PUNT_H_
