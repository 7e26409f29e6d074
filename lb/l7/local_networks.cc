#include "lb/l7/local_networks.h"

#include <algorithm>

namespace ballast::l7 {

bool LocalNetworks::Direct(const Address& client, const Address& server) const {
  if (client.is_loopback() || client.is_link_local()) return true;
  // A server on this host sends nothing back by any link.
  if (Own(server)) return true;
  return std::any_of(
      connected_.begin(), connected_.end(), [&](const Prefix& network) {
        return network.Contains(client) && network.Contains(server);
      });
}

bool LocalNetworks::Own(const Address& address) const {
  return address.is_loopback() ||
         std::find(own_.begin(), own_.end(), address) != own_.end();
}

}  // namespace ballast::l7
