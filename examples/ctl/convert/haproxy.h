// HAProxy's frontends, backends and listeners, to services of layer 7. Pure.
//
// A frontend with several backends becomes a service with sub services. The
// addresses that HAProxy binds are the host's own, so they are here
// (l7.host_address).
//
// Source   HAProxy 2.6 configuration manual.
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_H_

#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"

namespace ballast::ctl {

Conversion ConvertHaproxy(absl::string_view text,
                          const ConvertOptions& options);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_H_
