// Who is asking: users, passwords and API keys against the configuration.
//
// A password costs a slow hash, which is not computed here: kVerify says which,
// the owner computes VerifyPassword() wherever it may take its time, and tells
// Verified(). One that was right is remembered by a keyed hash for kRemembered,
// until then with what it was verified against: a changed password counts at
// once.
//
// Guessing   after kFreeFailures in a row an address is not heard as that user,
//            1 s and then twice as long each time up to kWaitMax, whatever it
//            says; kForgotten after its last failure it is as new. An unknown
//            user costs as much as a known one. IPv6 counts by /64.
// Bounds     kRememberedMax credentials, kFailuresMax pairs of address and
//            user: the oldest makes room.
// Threads    one.
#ifndef LB_ADMIN_AUTHENTICATOR_H_
#define LB_ADMIN_AUTHENTICATOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/siphash.h"
#include "lb/config/ballast.pb.h"

namespace ballast::admin {

// What a request says of itself; empty: nothing.
struct Credentials {
  std::string user;
  std::string password;
  std::string api_key;  // Has precedence.
};

// An Authorization field: `Basic` into user and password (RFC 7617), `Bearer`
// into the API key (RFC 6750) unless there is one; false: it is neither.
bool ReadAuthorization(absl::string_view authorization,
                       Credentials* credentials);

struct Identity {
  using Role = config::proto::User::Role;

  std::string user;
  Role role = config::proto::User::VIEWER;
  std::string by;  // "api key 3f2a0011"; empty: by password.

  // For the audit: "anna", "anna (api key 3f2a0011)".
  std::string Author() const {
    return by.empty() ? user : absl::StrCat(user, " (", by, ")");
  }
};

class Authenticator {
 public:
  static constexpr absl::Duration kRemembered = absl::Minutes(10);
  static constexpr size_t kRememberedMax = 64;
  static constexpr int kFreeFailures = 5;
  static constexpr absl::Duration kWaitMax = absl::Seconds(60);
  static constexpr absl::Duration kForgotten = absl::Minutes(15);
  static constexpr size_t kFailuresMax = 1024;

  enum class Verdict : uint8_t { kGranted, kRefused, kVerify };
  struct Decision {
    Verdict verdict = Verdict::kRefused;
    Identity who;      // kGranted.
    std::string hash;  // kVerify: what the password is to be held against.
  };
  struct Stats {
    uint64_t granted = 0;
    uint64_t refused = 0;
    uint64_t damped = 0;  // Of those refused: unheard, for earlier failures.
  };

  // `key`: by chance, of this process.
  explicit Authenticator(const SipKey& key) : key_(key) {}

  Decision Decide(absl::Time now, const Address& peer,
                  const Credentials& credentials,
                  const config::proto::Management& management);
  // After kVerify, with the same arguments.
  Decision Verified(absl::Time now, const Address& peer,
                    const Credentials& credentials,
                    const config::proto::Management& management,
                    absl::string_view hash, bool right);

  const Stats& stats() const { return stats_; }

 private:
  using Digest = std::array<uint64_t, 2>;
  struct Failures {
    int count = 0;
    absl::Time last;
    absl::Time free = absl::InfinitePast();  // Heard again from then on.
  };
  struct Remembered {
    Digest digest;
    absl::Time until;
  };

  // Address and user, as the latter says.
  using Guesser = std::pair<Address, std::string>;

  Digest DigestOf(const Credentials& credentials, absl::string_view hash) const;
  bool Damped(absl::Time now, const Guesser& guesser);
  Decision Refuse(absl::Time now, const Guesser& guesser);
  Decision Grant(const Guesser& guesser, const config::proto::User& user,
                 std::string by = "");

  const SipKey key_;
  std::deque<Remembered> remembered_;  // Oldest first.
  std::map<Guesser, Failures> failures_;
  Stats stats_;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_AUTHENTICATOR_H_
