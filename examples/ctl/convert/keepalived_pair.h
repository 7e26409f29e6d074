// A vrrp_instance of keepalived: each of its settings with what a pair has for
// it (`ha` of ballast.proto). Pure.
#ifndef EXAMPLES_CTL_CONVERT_KEEPALIVED_PAIR_H_
#define EXAMPLES_CTL_CONVERT_KEEPALIVED_PAIR_H_

#include "examples/ctl/convert/block_text.h"
#include "examples/ctl/convert/conversion.h"

namespace ballast::ctl {

void ReportKeepalivedPair(const Directive& instance, Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_KEEPALIVED_PAIR_H_
