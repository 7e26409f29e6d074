// The networks this unit is in itself, as a proxy needs them: whether a
// server's packets to a client come by way of this unit, and which addresses it
// can use. Pure; never changed.
//
// Cost  linear in the networks, of which a host has few.
#ifndef LB_L7_LOCAL_NETWORKS_H_
#define LB_L7_LOCAL_NETWORKS_H_

#include <utility>
#include <vector>

#include "io/base/address.h"

namespace ballast::l7 {

class LocalNetworks {
 public:
  LocalNetworks() = default;
  // The networks whose hosts are reached without a gateway, and this host's
  // addresses.
  LocalNetworks(std::vector<Prefix> connected, std::vector<Address> own)
      : connected_(std::move(connected)), own_(std::move(own)) {}

  // Whether `server` would send to `client` without a gateway, or the client's
  // address means nothing on the way there: then a connection that showed it
  // would never be answered.
  bool Direct(const Address& client, const Address& server) const;

  // Whether it is this host's.
  bool Own(const Address& address) const;

  friend bool operator==(const LocalNetworks&, const LocalNetworks&) = default;

 private:
  std::vector<Prefix> connected_;
  std::vector<Address> own_;
};

}  // namespace ballast::l7

#endif  // LB_L7_LOCAL_NETWORKS_H_
