// The part of validation about the addresses by which a pair's units reach each
// other, and the one they share.
#ifndef LB_CONFIG_VALIDATE_HA_LINKS_H_
#define LB_CONFIG_VALIDATE_HA_LINKS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "io/base/address.h"
#include "lb/config/ballast.pb.h"
#include "lb/config/ha_model.h"
#include "lb/config/problems.h"

namespace ballast::config {

inline constexpr int kHaLinksMax = 16;

// "ha.links[1]".
std::string LinkPath(size_t index);

// An address and the length of its network's prefix, "192.0.2.2/24", a host's.
// False: reported, or empty and not required.
bool ValidateOwnAddress(const std::string& path, const std::string& text,
                        bool required, Prefix& own, Problems& problems);

// Fills ha.links; the mode is there.
void ValidateHaLinks(const proto::HighAvailability& from, HighAvailability& ha,
                     Problems& problems);

// Fills ha.shared; the links are there.
void ValidateSharedAddress(const proto::HighAvailability& from,
                           HighAvailability& ha, Problems& problems);

// The index of the link called `name`, the value of `path`; of the first that
// is checked, if `name` is empty.
size_t ValidateLinkChoice(const char* path, const std::string& name,
                          const std::vector<HaLink>& links, Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_HA_LINKS_H_
