#include "lb/tls/context.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/tls/call_time.h"
#include "lb/tls/host_names.h"
#include "lb/tls/pem.h"
#include "lb/tls/resumption_cache.h"

namespace ballast::tls {
namespace {

// TLS 1.2's. Those in brackets are as good as each other: the client chooses.
constexpr char kCiphers[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305|"
    "ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr int kCurves[] = {NID_X25519, NID_X9_62_prime256v1, NID_secp384r1};
constexpr size_t kAlpnNameMax = 255;
constexpr size_t kOcspBytesMax = 64 << 10;

absl::Status Wrong(absl::string_view field, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

// Most of what cannot fail here but by our own fault.
void Must(bool good) { BALLAST_CHECK(good); }

void SetTime(const SSL*, timeval* time) {
  time->tv_sec = call_time;
  time->tv_usec = 0;
}

absl::StatusOr<bssl::UniquePtr<SSL_CTX>> MakeContext(Version version_min,
                                                     Version version_max) {
  const auto known = [](Version version) {
    return version == Version::kTls12 || version == Version::kTls13;
  };
  if (!known(version_min)) return Wrong("version_min", "not TLS 1.2 or 1.3");
  if (!known(version_max) || version_max < version_min) {
    return Wrong("version_max", "not TLS 1.2 or 1.3, or below version_min");
  }
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  Must(context != nullptr);
  Must(SSL_CTX_set_min_proto_version(context.get(),
                                     static_cast<uint16_t>(version_min)) == 1);
  Must(SSL_CTX_set_max_proto_version(context.get(),
                                     static_cast<uint16_t>(version_max)) == 1);
  Must(SSL_CTX_set_strict_cipher_list(context.get(), kCiphers) == 1);
  Must(SSL_CTX_set1_curves(context.get(), kCurves, std::size(kCurves)) == 1);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_current_time_cb(context.get(), SetTime);
  SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN);
  return context;
}

// Names of the wire: each behind its length.
absl::StatusOr<std::string> AlpnWire(const std::vector<std::string>& names) {
  if (names.size() > ServerOptions::kAlpnMax) {
    return Wrong("alpn", absl::StrCat(names.size(), " names, at most ",
                                      size_t{ServerOptions::kAlpnMax}));
  }
  std::string wire;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i].size() > kAlpnNameMax) {
      return Wrong(absl::StrCat("alpn[", i, "]"),
                   absl::StrCat(names[i].size(), " bytes, must be 1 .. ",
                                size_t{kAlpnNameMax}));
    }
    wire += static_cast<char>(names[i].size());
    wire += names[i];
  }
  return wire;
}

// Trust, and for a server the names it asks for certificates of.
absl::Status SetCas(SSL_CTX* context, absl::string_view field,
                    absl::string_view pem, bool ask) {
  BALLAST_ASSIGN_OR_RETURN(const auto cas, ParseCas(field, pem));
  const bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  bssl::UniquePtr<STACK_OF(X509_NAME)> names(sk_X509_NAME_new_null());
  for (const auto& ca : cas) {
    Must(X509_STORE_add_cert(store.get(), ca.get()) == 1);
    bssl::UniquePtr<X509_NAME> name(
        X509_NAME_dup(X509_get_subject_name(ca.get())));
    Must(name != nullptr && bssl::PushToStack(names.get(), std::move(name)));
  }
  Must(SSL_CTX_set1_verify_cert_store(context, store.get()) == 1);
  if (ask) SSL_CTX_set_client_CA_list(context, names.release());
  return absl::OkStatus();
}

// OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED, ... }; 0 is successful
// (RFC 6960 §4.2.1).
bool IsSuccessfulOcsp(absl::string_view der) {
  CBS all, response, status;
  CBS_init(&all, reinterpret_cast<const uint8_t*>(der.data()), der.size());
  return CBS_get_asn1(&all, &response, CBS_ASN1_SEQUENCE) == 1 &&
         CBS_len(&all) == 0 &&
         CBS_get_asn1(&response, &status, CBS_ASN1_ENUMERATED) == 1 &&
         CBS_len(&status) == 1 && CBS_data(&status)[0] == 0;
}

struct Loaded {
  Chain chain;
  std::vector<CRYPTO_BUFFER*> certificates;  // Of `chain`.
  bssl::UniquePtr<EVP_PKEY> key;
  std::string ocsp;
};

absl::StatusOr<Loaded> Load(const std::string& field,
                            const Certificate& certificate) {
  Loaded loaded;
  BALLAST_ASSIGN_OR_RETURN(
      loaded.chain,
      ParseChain(absl::StrCat(field, ".chain"), certificate.chain));
  BALLAST_ASSIGN_OR_RETURN(
      loaded.key, ParseKey(absl::StrCat(field, ".key"), certificate.key));
  for (const auto& one : loaded.chain.certificates) {
    loaded.certificates.push_back(one.get());
  }
  if (certificate.ocsp.size() > kOcspBytesMax ||
      (!certificate.ocsp.empty() && !IsSuccessfulOcsp(certificate.ocsp))) {
    return Wrong(absl::StrCat(field, ".ocsp"),
                 absl::StrCat("no successful OCSP response in DER of at most ",
                              size_t{kOcspBytesMax}, " bytes"));
  }
  loaded.ocsp = certificate.ocsp;
  return loaded;
}

// Also sees that key and certificate belong together.
absl::Status Use(SSL_CTX* context, const std::string& field,
                 const Loaded& loaded) {
  if (SSL_CTX_set_chain_and_key(context, loaded.certificates.data(),
                                loaded.certificates.size(), loaded.key.get(),
                                nullptr) != 1) {
    return Wrong(absl::StrCat(field, ".key"),
                 "does not belong to the chain's first certificate");
  }
  return absl::OkStatus();
}

}  // namespace

// -- Server -------------------------------------------------------------------

struct ServerContext::State {
  bssl::UniquePtr<SSL_CTX> context;
  std::vector<Loaded> certificates;
  HostNames names;
  std::vector<TicketKey> ticket_keys;
  std::string alpn;  // As on the wire.

  static const State& Of(const SSL* ssl) {
    return *static_cast<const State*>(
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  }
  static std::string HostOf(const SSL* ssl) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : absl::AsciiStrToLower(name);
  }

  static int OnCertificate(SSL* ssl, void*) {
    const State& state = Of(ssl);
    const size_t i = state.names.Find(HostOf(ssl));
    const Loaded& loaded = state.certificates[i];
    if (i != 0 && SSL_set_chain_and_key(ssl, loaded.certificates.data(),
                                        loaded.certificates.size(),
                                        loaded.key.get(), nullptr) != 1) {
      return 0;
    }
    return loaded.ocsp.empty() ||
           SSL_set_ocsp_response(
               ssl, reinterpret_cast<const uint8_t*>(loaded.ocsp.data()),
               loaded.ocsp.size()) == 1;
  }
  static int OnAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_length,
                    const uint8_t* offered, unsigned offered_length, void*) {
    const std::string& ours = Of(ssl).alpn;
    uint8_t* chosen = nullptr;
    const int result = SSL_select_next_proto(
        &chosen, out_length, reinterpret_cast<const uint8_t*>(ours.data()),
        static_cast<unsigned>(ours.size()), offered, offered_length);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                            : SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  static size_t TicketOverhead(SSL*) { return kTicketOverhead; }
  static int OnSealTicket(SSL* ssl, uint8_t* out, size_t* out_length,
                          size_t out_max, const uint8_t* in, size_t length) {
    std::array<uint8_t, 12> nonce;
    RAND_bytes(nonce.data(), nonce.size());
    *out_length = length + kTicketOverhead;
    return SealTicket(Of(ssl).ticket_keys[0], HostOf(ssl), nonce, {in, length},
                      {out, out_max});
  }
  static ssl_ticket_aead_result_t OnOpenTicket(SSL* ssl, uint8_t* out,
                                               size_t* out_length,
                                               size_t out_max,
                                               const uint8_t* in,
                                               size_t length) {
    const auto size = OpenTicket(Of(ssl).ticket_keys, HostOf(ssl), {in, length},
                                 {out, out_max});
    if (!size) return ssl_ticket_aead_ignore_ticket;
    *out_length = *size;
    return ssl_ticket_aead_success;
  }
  static constexpr SSL_TICKET_AEAD_METHOD kTicketMethod = {
      TicketOverhead, OnSealTicket, OnOpenTicket};

  absl::Status LoadCertificates(const std::vector<Certificate>& from);
  absl::Status SetClientCertificates(const ServerOptions& options);
  absl::Status SetTickets(const ServerOptions& options);
};

absl::Status ServerContext::State::LoadCertificates(
    const std::vector<Certificate>& from) {
  if (from.empty() || from.size() > ServerOptions::kCertificatesMax) {
    return Wrong("certificates",
                 absl::StrCat(from.size(), ", must be 1 .. ",
                              size_t{ServerOptions::kCertificatesMax}));
  }
  const auto field = [](size_t i) {
    return absl::StrCat("certificates[", i, "]");
  };
  for (size_t i = 0; i < from.size(); ++i) {
    BALLAST_ASSIGN_OR_RETURN(Loaded loaded, Load(field(i), from[i]));
    for (const std::string& name : loaded.chain.names) names.Add(name, i);
    certificates.push_back(std::move(loaded));
  }
  // The first last: it is the one that stays.
  for (size_t i = certificates.size(); i-- > 0;) {
    BALLAST_RETURN_IF_ERROR(Use(context.get(), field(i), certificates[i]));
  }
  SSL_CTX_set_cert_cb(context.get(), OnCertificate, nullptr);
  return absl::OkStatus();
}

absl::Status ServerContext::State::SetClientCertificates(
    const ServerOptions& options) {
  if (options.client_certificates == ClientCertificates::kNotAsked) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    return absl::OkStatus();
  }
  int mode = SSL_VERIFY_PEER;
  if (options.client_certificates == ClientCertificates::kRequired) {
    mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_CTX_set_verify(context.get(), mode, nullptr);
  return SetCas(context.get(), "client_ca", options.client_ca, /*ask=*/true);
}

absl::Status ServerContext::State::SetTickets(const ServerOptions& options) {
  if (options.ticket_keys.size() > ServerOptions::kTicketKeysMax) {
    return Wrong("ticket_keys",
                 absl::StrCat(options.ticket_keys.size(), " keys, at most ",
                              size_t{ServerOptions::kTicketKeysMax}));
  }
  for (size_t i = 0; i < options.ticket_keys.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (options.ticket_keys[i].name != options.ticket_keys[j].name) continue;
      return Wrong(absl::StrCat("ticket_keys[", i, "].name"),
                   absl::StrCat("is that of ticket_keys[", j, "]"));
    }
  }
  if (options.ticket_lifetime < absl::Minutes(1) ||
      options.ticket_lifetime > absl::Hours(7 * 24)) {
    return Wrong("ticket_lifetime",
                 absl::StrCat(absl::FormatDuration(options.ticket_lifetime),
                              ", must be 1m .. 168h"));
  }
  if (options.ticket_keys.empty()) {
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    return absl::OkStatus();
  }
  ticket_keys = options.ticket_keys;
  const auto seconds =
      static_cast<uint32_t>(absl::ToInt64Seconds(options.ticket_lifetime));
  SSL_CTX_set_timeout(context.get(), seconds);
  SSL_CTX_set_session_psk_dhe_timeout(context.get(), seconds);
  SSL_CTX_set_ticket_aead_method(context.get(), &kTicketMethod);
  // What a ticket says of its client counts only where it would have been asked
  // the same.
  const std::string policy = absl::StrCat(
      options.session_scope.size(), " ", options.session_scope,
      static_cast<int>(options.client_certificates), options.client_ca);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(policy.data()), policy.size(),
         digest);
  static_assert(sizeof(digest) <= SSL_MAX_SID_CTX_LENGTH);
  Must(SSL_CTX_set_session_id_context(context.get(), digest, sizeof(digest)) ==
       1);
  return absl::OkStatus();
}

ServerContext::ServerContext(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
ServerContext::~ServerContext() = default;

absl::StatusOr<std::shared_ptr<const ServerContext>> ServerContext::Create(
    const ServerOptions& options) {
  auto state = std::make_unique<State>();
  BALLAST_ASSIGN_OR_RETURN(
      state->context, MakeContext(options.version_min, options.version_max));
  Must(SSL_CTX_set_ex_data(state->context.get(), 0, state.get()) == 1);
  BALLAST_RETURN_IF_ERROR(state->LoadCertificates(options.certificates));
  BALLAST_RETURN_IF_ERROR(state->SetClientCertificates(options));
  BALLAST_RETURN_IF_ERROR(state->SetTickets(options));
  BALLAST_ASSIGN_OR_RETURN(state->alpn, AlpnWire(options.alpn));
  if (!state->alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(state->context.get(), State::OnAlpn, nullptr);
  }
  return std::shared_ptr<const ServerContext>(
      new ServerContext(std::move(state)));
}

size_t ServerContext::CertificateFor(absl::string_view host) const {
  return state_->names.Find(host);
}

ssl_st* ServerContext::NewConnection() const {
  SSL* ssl = SSL_new(state_->context.get());
  Must(ssl != nullptr);
  SSL_set_accept_state(ssl);
  return ssl;
}

// -- Client -------------------------------------------------------------------

struct ClientContext::State {
  bssl::UniquePtr<SSL_CTX> context;
  bool verify = true;

  // A ticket has come, or a session ID: session.cc has told where it goes.
  static int OnNewSession(SSL* ssl, SSL_SESSION* session) {
    auto* resumption = static_cast<Resumption*>(SSL_get_app_data(ssl));
    if (resumption == nullptr || resumption->cache == nullptr) return 0;
    resumption->cache->Put(resumption->key, ResumptionCache::Handle(session));
    return 1;  // It is the cache's now.
  }
};

ClientContext::ClientContext(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
ClientContext::~ClientContext() = default;

absl::StatusOr<std::shared_ptr<const ClientContext>> ClientContext::Create(
    const ClientOptions& options) {
  auto state = std::make_unique<State>();
  BALLAST_ASSIGN_OR_RETURN(
      state->context, MakeContext(options.version_min, options.version_max));
  SSL_CTX* context = state->context.get();
  state->verify = options.verify;
  SSL_CTX_set_session_cache_mode(
      context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, State::OnNewSession);
  SSL_CTX_set_verify(
      context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.verify) {
    BALLAST_RETURN_IF_ERROR(SetCas(context, "ca", options.ca, /*ask=*/false));
  }
  BALLAST_ASSIGN_OR_RETURN(const std::string alpn, AlpnWire(options.alpn));
  Must(SSL_CTX_set_alpn_protos(context,
                               reinterpret_cast<const uint8_t*>(alpn.data()),
                               static_cast<unsigned>(alpn.size())) == 0);
  if (!options.certificate.chain.empty()) {
    BALLAST_ASSIGN_OR_RETURN(const Loaded loaded,
                             Load("certificate", options.certificate));
    BALLAST_RETURN_IF_ERROR(Use(context, "certificate", loaded));
  }
  return std::shared_ptr<const ClientContext>(
      new ClientContext(std::move(state)));
}

ssl_st* ClientContext::NewConnection() const {
  SSL* ssl = SSL_new(state_->context.get());
  Must(ssl != nullptr);
  SSL_set_connect_state(ssl);
  return ssl;
}

bool ClientContext::verify() const { return state_->verify; }

}  // namespace ballast::tls
