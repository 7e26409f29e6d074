// A certificate that vouches for itself: where nobody has given one yet.
//
// ECDSA P-256, for the names and addresses given, good for ten years from a day
// before `now`. Whoever connects has to know it, or take it unseen.
//
// Cost  some 100 us.
#ifndef LB_TLS_SELF_SIGNED_H_
#define LB_TLS_SELF_SIGNED_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lb/tls/context.h"

namespace ballast::tls {

// `names`: DNS names and IP addresses; the first is the subject's.
//   kInvalidArgument  none, or what cannot be one
absl::StatusOr<Certificate> MakeSelfSigned(std::span<const std::string> names,
                                           absl::Time now);

}  // namespace ballast::tls

#endif  // LB_TLS_SELF_SIGNED_H_
