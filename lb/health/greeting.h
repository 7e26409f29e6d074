// Checks of servers that speak first: how a greeting must begin, and how one
// takes leave.
//
//   FTP     "220"               QUIT      RFC 959
//   SMTP    "220"               QUIT      RFC 5321 §3.1
//   NNTP    "200" or "201"      QUIT      RFC 3977 §5.1
//   POP3    "+OK"               QUIT      RFC 1939 §4
//   IMAP    "* OK", "* PREAUTH" LOGOUT    RFC 9051 §7.1
//   TELNET  byte 255 (IAC)      nothing   RFC 854
//
// A code must end there: "2200" is none. Source as in dialogue.h; PREAUTH is
// ours, since such a server serves.
#ifndef LB_HEALTH_GREETING_H_
#define LB_HEALTH_GREETING_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lb/health/dialogue.h"

namespace ballast::health {

enum class Greeter : uint8_t { kFtp, kSmtp, kNntp, kPop3, kImap, kTelnet };

class GreetingDialogue final : public Dialogue {
 public:
  explicit GreetingDialogue(Greeter greeter) : greeter_(greeter) {}

  Step OnBytes(absl::string_view bytes) override;

 private:
  const Greeter greeter_;
  std::string heard_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_GREETING_H_
