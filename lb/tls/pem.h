// PEM texts into what BoringSSL takes. For lb/tls only.
//
// Errors   kInvalidArgument: "FIELD: what is wrong"; never a word of a key.
#ifndef LB_TLS_PEM_H_
#define LB_TLS_PEM_H_

#include <openssl/base.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast::tls {

inline constexpr size_t kPemBytesMax = 4 << 20;
inline constexpr size_t kChainMax = 16;
inline constexpr size_t kCaMax = 4096;
inline constexpr unsigned kRsaBitsMin = 2048;

struct Chain {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> certificates;  // The leaf first.
  // Of the leaf, in lower case: the DNS names of subjectAltName, or if it has
  // none its common name.
  std::vector<std::string> names;
};

// 1 .. kChainMax certificates. Other blocks in the text do not count.
absl::StatusOr<Chain> ParseChain(absl::string_view field,
                                 absl::string_view pem);
// RSA of kRsaBitsMin and more, or ECDSA; not encrypted.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ParseKey(absl::string_view field,
                                                   absl::string_view pem);
// 1 .. kCaMax certificates that sign others.
absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCas(
    absl::string_view field, absl::string_view pem);

// The subject as RFC 2253 writes it.
std::string SubjectOf(const X509* certificate);
std::string IssuerOf(const X509* certificate);

}  // namespace ballast::tls

#endif  // LB_TLS_PEM_H_
