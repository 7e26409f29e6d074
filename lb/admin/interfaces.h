// The links of a unit by number, as the API has them: `interfaces` of the
// configuration in their order, then what else is in ha.links.
#ifndef LB_ADMIN_INTERFACES_H_
#define LB_ADMIN_INTERFACES_H_

#include <string>
#include <vector>

#include "lb/config/ballast.pb.h"

namespace ballast::admin {

struct NumberedInterface {
  std::string name;
  int link = -1;  // Its place in ha.links; -1: not there.
};

std::vector<NumberedInterface> InterfacesOf(
    const config::proto::Config& config);

// Whether adverts go over ha.links[link]: as it says, or the first one's
// default.
bool IsChecked(const config::proto::Config& config, int link);

}  // namespace ballast::admin

#endif  // LB_ADMIN_INTERFACES_H_
