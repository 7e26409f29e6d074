// The LDAP check: an anonymous bind, which the server must answer. Any result
// but "busy", "unavailable" or "unwilling to perform" shows a directory at
// work: one that wants a password says so.
//
// Source  RFC 4511 §4.2, §4.1.9, appendix A; X.690 for the bytes.
#ifndef LB_HEALTH_LDAP_DIALOGUE_H_
#define LB_HEALTH_LDAP_DIALOGUE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lb/health/dialogue.h"

namespace ballast::health {

class LdapDialogue final : public Dialogue {
 public:
  Step OnOpen() override;
  Step OnBytes(absl::string_view bytes) override;

 private:
  std::string heard_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_LDAP_DIALOGUE_H_
