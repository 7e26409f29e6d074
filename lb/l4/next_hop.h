// Where a packet leaves: ports, routes and neighbours as an immutable view made
// on the control thread, and each packet thread's cache of resolved next hops.
//
// Units    port: position in ForwardingView::ports. mtu: bytes of IP packet.
// Cost     HopCache::operator[] one load. Find() a hash lookup after a scan of
//          the routes, longest prefix first: for new flows and host traffic.
// Threads  a view never changes once published; a HopCache is one thread's.
// Source   the host kernel's own routes and managed neighbours
//          (ARCHITECTURE.md, "A packet").
#ifndef LB_L4_NEXT_HOP_H_
#define LB_L4_NEXT_HOP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/address.h"

namespace ballast::l4 {

struct Port {
  std::string name{};
  MacAddress mac{};  // Ours on this port: frames to it are for the director.
  uint32_t mtu = 1500;
  bool up = true;
  // Set on the port that leads to the host's own stack: the MAC of the other
  // end. Frames from it are the host's, not a client's.
  std::optional<MacAddress> host_mac{};
};

struct Route {
  Prefix prefix{};
  uint16_t port = 0;
  std::optional<Address> gateway{};  // None: on-link.
  uint32_t mtu = 0;                  // 0: the port's.

  friend bool operator==(const Route&, const Route&) = default;
};

struct NeighbourKey {
  uint16_t port = 0;
  Address address;

  friend bool operator==(const NeighbourKey&, const NeighbourKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const NeighbourKey& k) {
    return H::combine(std::move(h), k.port, k.address);
  }
};

class ForwardingView {
 public:
  ForwardingView() = default;
  ForwardingView(std::vector<Port> ports, std::vector<Route> routes,
                 absl::flat_hash_map<NeighbourKey, MacAddress> neighbours);

  const std::vector<Port>& ports() const { return ports_; }
  // By descending prefix length; the first that contains an address is its
  // route.
  const std::vector<Route>& routes() const { return routes_; }
  const Route* FindRoute(const Address& destination) const;
  std::optional<MacAddress> FindNeighbour(const NeighbourKey& key) const;
  // Whether `address`, floating, lives on `port`: the one named `interface`, or
  // with that empty, wherever its network is connected; an address of no
  // connected network lives everywhere.
  bool LivesOn(uint16_t port, const Address& address,
               const std::string& interface) const;
  // The port to the host's stack, if there is one.
  std::optional<uint16_t> punt_port() const;

 private:
  std::vector<Port> ports_;
  std::vector<Route> routes_;
  absl::flat_hash_map<NeighbourKey, MacAddress> neighbours_;
};

// A next hop with what is written into a frame that takes it.
struct Hop {
  NeighbourKey key{};
  MacAddress destination_mac{};
  MacAddress source_mac{};
  uint32_t mtu = 0;
  bool resolved = false;  // The MAC is known and the port is up.
};

class HopCache {
 public:
  using Index = uint16_t;
  static constexpr Index kNone = 0xffff;
  static constexpr size_t kHopCountMax = 16384;

  explicit HopCache(std::shared_ptr<const ForwardingView> view);

  const ForwardingView& view() const { return *view_; }
  // Changes whenever an Index found before may be wrong: look it up again.
  uint16_t epoch() const { return epoch_; }
  // The hop to `destination`, or kNone without a route. A full cache starts
  // over, with a new epoch.
  Index Find(const Address& destination);
  const Hop& operator[](Index index) const { return hops_[index]; }
  size_t size() const { return hops_.size(); }

  // Takes a newer view. MACs and ports are looked up anew; the epoch moves only
  // if routes or ports changed.
  void Update(std::shared_ptr<const ForwardingView> view);
  // Next hops that came into use since the last call; the owner has them
  // resolved, and kept so, and publishes new views. Those known already are
  // among them: the kernel forgets a neighbour that only the director uses.
  std::vector<NeighbourKey> TakeWantedHops();
  bool has_wanted_hops() const { return !wanted_.empty(); }

 private:
  void Resolve(Hop& hop) const;
  void StartOver();

  std::shared_ptr<const ForwardingView> view_;
  absl::flat_hash_map<std::pair<NeighbourKey, uint32_t>, Index> index_;
  std::vector<Hop> hops_;
  std::vector<NeighbourKey> wanted_;
  uint16_t epoch_ = 1;
};

}  // namespace ballast::l4

#endif  // LB_L4_NEXT_HOP_H_
