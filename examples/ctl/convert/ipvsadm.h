// What `ipvsadm-save -n` prints, to a configuration. Pure.
//
// Source   ipvsadm(8) of 1.31; the scheduler modules of Linux' IPVS.
#ifndef EXAMPLES_CTL_CONVERT_IPVSADM_H_
#define EXAMPLES_CTL_CONVERT_IPVSADM_H_

#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"

namespace ballast::ctl {

Conversion ConvertIpvsadm(absl::string_view text,
                          const ConvertOptions& options);

// How IPVS calls a scheduler; reports what is only like it. False: there is
// nothing like it.
bool ScheduleAsIpvs(absl::string_view name, int line,
                    absl::string_view directive,
                    config::proto::VirtualService* service, Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_IPVSADM_H_
