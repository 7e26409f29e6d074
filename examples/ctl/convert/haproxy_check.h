// HAProxy's `option httpchk`, `http-check` and other kinds of checks. Pure.
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_CHECK_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_CHECK_H_

#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy_proxy.h"
#include "examples/ctl/convert/haproxy_text.h"

namespace ballast::ctl {

// "option NAME ..." if NAME is a kind of check; else false.
bool ReadHaproxyCheckOption(const HaproxyLine& line, HaproxyProxy* proxy,
                            Ledger& ledger);

// "http-check ...", "tcp-check ...".
void ReadHaproxyCheckRule(const HaproxyLine& line, HaproxyProxy* proxy,
                          Ledger& ledger);

// How the servers of `proxy` are checked.
config::proto::HealthCheck HaproxyCheckOf(const HaproxyProxy& proxy,
                                          Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_CHECK_H_
