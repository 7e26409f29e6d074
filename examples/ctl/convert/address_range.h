// Addresses that differ in their end: "192.0.2.3-10" is up to 192.0.2.10;
// "2001:db8::9-b", in hexadecimal, up to 2001:db8::b. Pure.
#ifndef EXAMPLES_CTL_CONVERT_ADDRESS_RANGE_H_
#define EXAMPLES_CTL_CONVERT_ADDRESS_RANGE_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast::ctl {

// One without a hyphen; at most 256. Empty: it is none.
std::vector<Address> ReadAddressRange(absl::string_view text);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_ADDRESS_RANGE_H_
