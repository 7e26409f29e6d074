// What a check says to a server over TCP, made ready once from its
// configuration for all the servers and probes that have it.
//
// Cost     Create: milliseconds at most (a regular expression). NewDialogue:
//          one allocation.
// Threads  never changes; any may use it. A dialogue is one thread's.
// Source   lb/health/dialogue.h and what derives from it.
#ifndef LB_HEALTH_STREAM_CHECK_H_
#define LB_HEALTH_STREAM_CHECK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "lb/config/server_pool.h"
#include "lb/health/dialogue.h"

namespace ballast::health {

class HttpCheck;

class StreamCheck {
 public:
  // Null: the check's type is no dialogue over TCP. `port`: that is checked.
  // `check` is valid: a pattern that is none is our bug.
  static std::shared_ptr<const StreamCheck> Create(
      const config::HealthCheck& check, uint16_t port);

  std::unique_ptr<Dialogue> NewDialogue() const;
  // Inside TLS: HTTPS, and LDAP on its port 636.
  bool tls() const { return tls_; }
  // To ask for there; empty: none.
  const std::string& server_name() const { return server_name_; }

 private:
  StreamCheck() = default;

  config::CheckType type_ = config::CheckType::kTcp;
  bool tls_ = false;
  std::string server_name_;
  std::shared_ptr<const HttpCheck> http_;
  std::string request_;  // Of kBinary.
  std::string pattern_;
  size_t match_length_ = 0;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_STREAM_CHECK_H_
