// The part of validation that looks at certificates kept by name.
#ifndef LB_CONFIG_VALIDATE_CERTIFICATES_H_
#define LB_CONFIG_VALIDATE_CERTIFICATES_H_

#include "lb/config/ballast.pb.h"
#include "lb/config/problems.h"
#include "lb/config/validate_service.h"

namespace ballast::config {

// Into `defaults`, which points into `from`. Whether they are any good is seen
// when something is made of them.
void ValidateCertificates(const proto::Config& from, ServiceDefaults& defaults,
                          Problems& problems);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_CERTIFICATES_H_
