// HAProxy's ACLs and use_backend rules, to matches of requests. Pure.
#ifndef EXAMPLES_CTL_CONVERT_HAPROXY_RULES_H_
#define EXAMPLES_CTL_CONVERT_HAPROXY_RULES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy_text.h"
#include "lb/config/ballast.pb.h"

namespace ballast::ctl {

class HaproxyRules {
 public:
  // Any one is enough; empty: there is nothing like it here.
  using Matches = std::vector<config::proto::RequestMatch>;

  // "acl NAME CRITERION [FLAG...] VALUE..."
  void AddAcl(const HaproxyLine& line, Ledger& ledger);

  // Of "if CONDITION" at the word `place` of a line; no value: reported, it is
  // nothing that sub services can do.
  std::optional<Matches> Condition(const HaproxyLine& line, size_t place,
                                   Ledger& ledger) const;

 private:
  std::map<std::string, Matches> acls_;
};

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_HAPROXY_RULES_H_
