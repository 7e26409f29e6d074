#include "lb/tls/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <climits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"

namespace ballast::tls {
namespace {

absl::Status Wrong(absl::string_view field, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::StatusOr<bssl::UniquePtr<BIO>> Open(absl::string_view field,
                                          absl::string_view pem) {
  if (pem.size() > kPemBytesMax) {
    return Wrong(field, absl::StrCat(pem.size(), " bytes, at most ",
                                     size_t{kPemBytesMax}));
  }
  return bssl::UniquePtr<BIO>(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Calls take(DER) for each certificate; it says whether all is well so far.
template <typename Take>
absl::Status ForEachCertificate(absl::string_view field, absl::string_view pem,
                                size_t count_max, Take&& take) {
  BALLAST_ASSIGN_OR_RETURN(auto bio, Open(field, pem));
  size_t count = 0;
  for (;;) {
    char* name = nullptr;
    char* header = nullptr;
    uint8_t* data = nullptr;
    long length = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &length) == 0) {
      const uint32_t error = ERR_peek_last_error();
      const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                          ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
      ERR_clear_error();
      if (!at_end) {
        return Wrong(field,
                     absl::StrCat("block ", count + 1, " is no proper PEM"));
      }
      break;
    }
    const bssl::UniquePtr<char> free_name(name), free_header(header);
    const bssl::UniquePtr<uint8_t> free_data(data);
    const absl::string_view kind = name;
    if (kind != PEM_STRING_X509 && kind != PEM_STRING_X509_OLD) continue;
    if (++count > count_max) {
      return Wrong(field,
                   absl::StrCat("more than ", count_max, " certificates"));
    }
    const uint8_t* at = data;
    bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &at, length));
    if (certificate == nullptr || at != data + length) {
      return Wrong(field,
                   absl::StrCat("certificate ", count, " cannot be decoded"));
    }
    BALLAST_RETURN_IF_ERROR(
        take(std::move(certificate),
             absl::string_view(reinterpret_cast<const char*>(data),
                               static_cast<size_t>(length))));
  }
  if (count == 0) return Wrong(field, "no certificate in it");
  return absl::OkStatus();
}

std::vector<std::string> NamesOf(const X509* certificate) {
  std::vector<std::string> names;
  const bssl::UniquePtr<GENERAL_NAMES> alternatives(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (alternatives != nullptr) {
    for (size_t i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
      if (name->type != GEN_DNS) continue;
      names.push_back(absl::AsciiStrToLower(absl::string_view(
          reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
          static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)))));
    }
    return names;
  }
  char common[256];
  const int length =
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                NID_commonName, common, sizeof(common));
  if (length > 0) {
    names.push_back(absl::AsciiStrToLower(
        absl::string_view(common, static_cast<size_t>(length))));
  }
  ERR_clear_error();
  return names;
}

std::string TextOf(const X509_NAME* name) {
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (BIO_mem_contents(bio.get(), &data, &size) == 0) return "";
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

absl::StatusOr<Chain> ParseChain(absl::string_view field,
                                 absl::string_view pem) {
  Chain chain;
  BALLAST_RETURN_IF_ERROR(ForEachCertificate(
      field, pem, kChainMax,
      [&](bssl::UniquePtr<X509> certificate, absl::string_view der) {
        if (chain.certificates.empty())
          chain.names = NamesOf(certificate.get());
        chain.certificates.emplace_back(CRYPTO_BUFFER_new(
            reinterpret_cast<const uint8_t*>(der.data()), der.size(), nullptr));
        return absl::OkStatus();
      }));
  return chain;
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ParseKey(absl::string_view field,
                                                   absl::string_view pem) {
  BALLAST_ASSIGN_OR_RETURN(auto bio, Open(field, pem));
  bool asked = false;
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(
      bio.get(), nullptr,
      [](char*, int, int, void* asked) {
        *static_cast<bool*>(asked) = true;
        return -1;
      },
      &asked));
  if (asked) return Wrong(field, "the key is encrypted");
  if (key == nullptr) return Wrong(field, "no private key in it");
  switch (EVP_PKEY_id(key.get())) {
    case EVP_PKEY_RSA:
      if (static_cast<unsigned>(EVP_PKEY_bits(key.get())) < kRsaBitsMin) {
        return Wrong(field,
                     absl::StrCat("RSA of ", EVP_PKEY_bits(key.get()),
                                  " bits, at least ", unsigned{kRsaBitsMin}));
      }
      return key;
    case EVP_PKEY_EC:
      return key;
    default:
      return Wrong(field, "neither RSA nor ECDSA");
  }
}

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCas(
    absl::string_view field, absl::string_view pem) {
  std::vector<bssl::UniquePtr<X509>> cas;
  BALLAST_RETURN_IF_ERROR(ForEachCertificate(
      field, pem, kCaMax,
      [&](bssl::UniquePtr<X509> certificate, absl::string_view) {
        cas.push_back(std::move(certificate));
        return absl::OkStatus();
      }));
  return cas;
}

std::string SubjectOf(const X509* certificate) {
  return TextOf(X509_get_subject_name(certificate));
}

std::string IssuerOf(const X509* certificate) {
  return TextOf(X509_get_issuer_name(certificate));
}

}  // namespace ballast::tls
