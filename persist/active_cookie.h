// Active cookies: values that this pair alone can make, and knows again.
//
// A value is 32 hex digits: 8 bytes that name the user, unique as far as
// `unique` and the client's address (and port) are, and 8 bytes that prove that
// we made it for this service. What the value stands for is in the store:
// the server is not in it, since the server of a cookie changes when it fails,
// and all of a user's connections must then find the same new one.
//
// Rotation  values are made with the first secret and accepted under each. So a
//           new secret goes in front of the old one; a client that comes with
//           an old value is given a new one for the same server; and once every
//           client has been back or timed out (one persistence timeout), the
//           old secret can go.
// Wire      user = SipHash-2-4 under the secret of: the address (16 bytes, IPv4
//           mapped), the port or 0, `unique` (8 bytes each, little endian);
//           proof = SipHash-2-4 of: the service, the user. The value is user
//           and proof, each as 16 lower-case hex digits, the highest first.
// Threads   any; it does not change.
#ifndef PERSIST_ACTIVE_COOKIE_H_
#define PERSIST_ACTIVE_COOKIE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/base/siphash.h"

namespace ballast::persist {

class ActiveCookies {
 public:
  static constexpr size_t kSecretsMax = 4;
  static constexpr size_t kValueSize = 32;

  // `service`: the same on both units, and for SubVSs that share their entries.
  // 1..kSecretsMax secrets, the pair's, the newest first.
  ActiveCookies(uint64_t service, std::span<const SipKey> secrets);

  // `unique`: random, or never the same twice. `port`: 0 unless it shall take
  // part ([addcookieport]).
  std::string Make(const Address& client, uint16_t port, uint64_t unique) const;

  enum class Standing : uint8_t {
    kForeign,  // We did not make it, or not for this service.
    kCurrent,
    kEarlier,  // Under an older secret: give the client a new one.
  };
  Standing Examine(absl::string_view value) const;

 private:
  uint64_t ProofOf(const SipKey& secret, uint64_t user) const;

  uint64_t service_;
  std::vector<SipKey> secrets_;
};

// The Set-Cookie field's value: a session cookie for the whole site.
std::string ActiveCookieField(absl::string_view name, absl::string_view value);

}  // namespace ballast::persist

#endif  // PERSIST_ACTIVE_COOKIE_H_
