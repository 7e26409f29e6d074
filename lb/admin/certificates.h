// Certificates that the configuration keeps by name: put there, replaced and
// deleted. As part of it they last, go to the partner, and are in the history;
// a service names them in l7.tls.
//
// Errors  kInvalidArgument     no PEM of a certificate and its key
//         kAlreadyExists       one of that name, without `replace`
//         kNotFound            "Unknown certificate"
//         kFailedPrecondition  a service names it
//         of a key no word is told
#ifndef LB_ADMIN_CERTIFICATES_H_
#define LB_ADMIN_CERTIFICATES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::admin {

// `pem`: the certificate, those that lead to its root, and the key, in any
// order.
absl::Status PutCertificate(absl::string_view name, absl::string_view pem,
                            bool replace, config::proto::Config* config);
absl::Status DeleteCertificate(absl::string_view name,
                               config::proto::Config* config);
absl::StatusOr<const config::proto::NamedCertificate*> FindCertificate(
    absl::string_view name, const config::proto::Config& config);

// The services that name it: "192.0.2.10:443/tcp".
std::vector<std::string> ServicesOf(absl::string_view name,
                                    const config::proto::Config& config);

}  // namespace ballast::admin

#endif  // LB_ADMIN_CERTIFICATES_H_
