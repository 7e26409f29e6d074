#include "lb/tls/self_signed.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"

namespace ballast::tls {
namespace {

constexpr absl::Duration kLifetime = absl::Hours(24 * 3650);

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr &&
         X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::string TextOf(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  BIO_mem_contents(bio, &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

bssl::UniquePtr<EVP_PKEY> MakeKey() {
  bssl::UniquePtr<EC_KEY> curve(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (curve == nullptr || key == nullptr ||
      EC_KEY_generate_key(curve.get()) != 1 ||
      EVP_PKEY_set1_EC_KEY(key.get(), curve.get()) != 1) {
    return nullptr;
  }
  return key;
}

}  // namespace

absl::StatusOr<Certificate> MakeSelfSigned(std::span<const std::string> names,
                                           absl::Time now) {
  std::string alternatives;
  for (const std::string& name : names) {
    absl::StrAppend(&alternatives, alternatives.empty() ? "" : ",",
                    Address::Parse(name).ok() ? "IP:" : "DNS:", name);
    if (name.find_first_of(",\r\n") != std::string::npos) {
      return absl::InvalidArgumentError("a name with a comma or a line end");
    }
  }
  if (names.empty()) return absl::InvalidArgumentError("no name");
  const bssl::UniquePtr<EVP_PKEY> key = MakeKey();
  const bssl::UniquePtr<X509> certificate(X509_new());
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<uint8_t*>(&serial), sizeof(serial));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const bool made =
      key != nullptr && X509_set_version(certificate.get(), 2) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()),
                              serial >> 1) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()),
                    absl::ToTimeT(now - absl::Hours(24))) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                    absl::ToTimeT(now + kLifetime)) != nullptr &&
      X509_set_pubkey(certificate.get(), key.get()) == 1 &&
      X509_NAME_add_entry_by_txt(
          subject, "CN", MBSTRING_UTF8,
          reinterpret_cast<const uint8_t*>(names[0].data()),
          static_cast<int>(names[0].size()), -1, 0) == 1 &&
      X509_set_issuer_name(certificate.get(), subject) == 1 &&
      AddExtension(certificate.get(), NID_basic_constraints,
                   "critical,CA:TRUE") &&
      AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
      AddExtension(certificate.get(), NID_subject_alt_name, alternatives) &&
      X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
  const bssl::UniquePtr<BIO> chain(BIO_new(BIO_s_mem()));
  const bssl::UniquePtr<BIO> secret(BIO_new(BIO_s_mem()));
  if (!made || PEM_write_bio_X509(chain.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0,
                               nullptr, nullptr) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("no certificate can be made for ", alternatives));
  }
  return Certificate{.chain = TextOf(chain.get()), .key = TextOf(secret.get())};
}

}  // namespace ballast::tls
