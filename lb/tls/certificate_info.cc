#include "lb/tls/certificate_info.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/tls/pem.h"

namespace ballast::tls {
namespace {

absl::Status Wrong(absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(what);
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  const bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (epoch == nullptr ||
      ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) {
    return Wrong("a time that is none");
  }
  return absl::UnixEpoch() + absl::Hours(24) * days + absl::Seconds(seconds);
}

std::string TextOf(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (BIO_mem_contents(bio, &data, &size) == 0) return "";
  return {reinterpret_cast<const char*>(data), size};
}

bool IsKey(absl::string_view kind) {
  return absl::EndsWith(kind, "PRIVATE KEY");
}

}  // namespace

absl::StatusOr<CertificateInfo> DescribeCertificate(absl::string_view chain) {
  BALLAST_ASSIGN_OR_RETURN(const Chain parsed, ParseChain("chain", chain));
  const CRYPTO_BUFFER* leaf = parsed.certificates.front().get();
  const uint8_t* const der = CRYPTO_BUFFER_data(leaf);
  const size_t size = CRYPTO_BUFFER_len(leaf);
  const uint8_t* at = der;
  const bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(size)));
  if (certificate == nullptr) return Wrong("chain: cannot be decoded");
  CertificateInfo info{.subject = SubjectOf(certificate.get()),
                       .issuer = IssuerOf(certificate.get()),
                       .names = parsed.names};
  for (std::string& name : info.names) {
    for (char& c : name) {
      if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
    }
  }
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate.get()));
  const int type = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_id(key.get());
  info.key_type = type == EVP_PKEY_RSA  ? "RSA"
                  : type == EVP_PKEY_EC ? "EC"
                                        : "unknown";
  ERR_clear_error();
  BALLAST_ASSIGN_OR_RETURN(info.not_before,
                           TimeOf(X509_get0_notBefore(certificate.get())));
  BALLAST_ASSIGN_OR_RETURN(info.not_after,
                           TimeOf(X509_get0_notAfter(certificate.get())));
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(der, size, digest);
  info.sha256 = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
  return info;
}

absl::StatusOr<Certificate> SplitPem(absl::string_view pem) {
  if (pem.size() > kPemBytesMax) {
    return Wrong(
        absl::StrCat(pem.size(), " bytes, at most ", size_t{kPemBytesMax}));
  }
  const bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const bssl::UniquePtr<BIO> chain(BIO_new(BIO_s_mem()));
  const bssl::UniquePtr<BIO> secret(BIO_new(BIO_s_mem()));
  size_t certificates = 0;
  size_t keys = 0;
  for (size_t count = 1;; ++count) {
    char* name = nullptr;
    char* header = nullptr;
    uint8_t* data = nullptr;
    long length = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &length) == 0) {
      const uint32_t error = ERR_peek_last_error();
      const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                          ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (at_end) break;
      return Wrong(absl::StrCat("block ", count, " is no proper PEM"));
    }
    const bssl::UniquePtr<char> free_name(name), free_header(header);
    const bssl::UniquePtr<uint8_t> free_data(data);
    const bool is_key = IsKey(name);
    const bool is_certificate = absl::string_view(name) == PEM_STRING_X509 ||
                                absl::string_view(name) == PEM_STRING_X509_OLD;
    if (!is_key && !is_certificate) continue;
    if (is_key && ++keys > 1) return Wrong("more than one private key");
    if (is_certificate && ++certificates > kChainMax) {
      return Wrong(
          absl::StrCat("more than ", size_t{kChainMax}, " certificates"));
    }
    if (PEM_write_bio(is_key ? secret.get() : chain.get(), name, header, data,
                      length) == 0) {
      return Wrong(absl::StrCat("block ", count, " is no proper PEM"));
    }
  }
  if (certificates == 0) return Wrong("no certificate in it");
  if (keys == 0) return Wrong("no private key in it");
  return Certificate{.chain = TextOf(chain.get()), .key = TextOf(secret.get())};
}

absl::Status CheckCertificate(const Certificate& certificate) {
  return ServerContext::Create({.certificates = {certificate}}).status();
}

}  // namespace ballast::tls
