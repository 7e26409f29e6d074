// /v1/certificates: what certificates there are.
#ifndef LB_ADMIN_V1_CERTIFICATES_H_
#define LB_ADMIN_V1_CERTIFICATES_H_

#include "absl/time/time.h"
#include "lb/admin/v1.pb.h"
#include "lb/config/ballast.pb.h"

namespace ballast::admin {

// Of one that is no PEM, as a file may have it, there is but the name.
proto::Certificates CertificatesOf(absl::Time now,
                                   const config::proto::Config& config);

}  // namespace ballast::admin

#endif  // LB_ADMIN_V1_CERTIFICATES_H_
