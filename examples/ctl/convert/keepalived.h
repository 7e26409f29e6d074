// keepalived's virtual servers, to a configuration. Pure.
//
// What VRRP does is done here by a pair (`ha`), which has secrets and links
// that only people know: it is reported, with the fields that mean the same.
//
// Source   keepalived.conf(5) of 2.2.7.
#ifndef EXAMPLES_CTL_CONVERT_KEEPALIVED_H_
#define EXAMPLES_CTL_CONVERT_KEEPALIVED_H_

#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"

namespace ballast::ctl {

Conversion ConvertKeepalived(absl::string_view text,
                             const ConvertOptions& options);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_KEEPALIVED_H_
