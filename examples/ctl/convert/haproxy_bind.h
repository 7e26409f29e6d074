// A `bind` line of HAProxy. Pure.
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_BIND_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_BIND_H_

#include <vector>

#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy_proxy.h"
#include "examples/ctl/convert/haproxy_text.h"

namespace ballast::ctl {

// Adds what the line listens on; reports what it cannot.
void ReadHaproxyBind(const HaproxyLine& line, const HaproxyGlobal& global,
                     const ConvertOptions& options,
                     std::vector<HaproxyBind>& binds, Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_BIND_H_
