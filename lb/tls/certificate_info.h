// What somebody hands over as a certificate: taken apart, looked at, checked.
//
// Errors   kInvalidArgument: what is wrong with it; never a word of a key.
// Cost     some 100 us.
// Threads  any.
#ifndef LB_TLS_CERTIFICATE_INFO_H_
#define LB_TLS_CERTIFICATE_INFO_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/tls/context.h"

namespace ballast::tls {

// Of the first certificate of a chain.
struct CertificateInfo {
  std::string subject;  // As RFC 2253 writes it.
  std::string issuer;
  std::vector<std::string> names;  // Those that clients may ask for.
  std::string key_type;            // "RSA", "EC"
  absl::Time not_before;
  absl::Time not_after;
  std::string sha256;  // Of its DER: 64 hex digits.
};

absl::StatusOr<CertificateInfo> DescribeCertificate(absl::string_view chain);

// All certificates of `pem` and its private key, in any order and with anything
// between them: a key that stands beside certificates is not among them after.
//   kInvalidArgument  no certificate, no key or two of them, or no proper PEM
absl::StatusOr<Certificate> SplitPem(absl::string_view pem);

// Whether a server can be made of it: both can be read, and belong together.
absl::Status CheckCertificate(const Certificate& certificate);

}  // namespace ballast::tls

#endif  // LB_TLS_CERTIFICATE_INFO_H_
