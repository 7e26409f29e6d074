// What TLS sessions are made of: a server's certificates and policy, a client's
// trust. Built whole from a value, or refused; never changed. A session holds
// its context, so a new one is swapped in without touching what is open.
//
// Secure by default and not otherwise: TLS 1.2 and 1.3; ECDHE with an AEAD (of
// TLS 1.2: AES-GCM, ChaCha20-Poly1305); X25519, P-256, P-384; no renegotiation,
// no compression, no early data; RSA keys of 2048 bits and more.
//
// Resumption  of a server by tickets only (ticket_keys.h): nothing is kept
//   between connections, and whoever has the keys resumes. A ticket is good for
//   the host name it was made for, and where `session_scope`,
//   client_certificates and client_ca are as they were. Of a client by what a
//   ResumptionCache has.
//
// Errors   kInvalidArgument names the field: "certificates[1].key: ...".
// Cost     Create: parsing, milliseconds. Memory: some 10 KB and the
//          certificates.
// Threads  any may use one at once.
#ifndef LB_TLS_CONTEXT_H_
#define LB_TLS_CONTEXT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/tls/ticket_keys.h"

struct ssl_st;  // BoringSSL's SSL.

namespace ballast::tls {

enum class Version : uint16_t { kTls12 = 0x0303, kTls13 = 0x0304 };

struct Certificate {
  std::string chain;  // PEM: the host's, then those that lead to its root.
  std::string key;    // PEM, not encrypted. A secret.
  std::string ocsp;   // DER: a response to be stapled. Empty: none.

  friend bool operator==(const Certificate&, const Certificate&) = default;
};

enum class ClientCertificates : uint8_t {
  kNotAsked,
  kAsked,  // Verified if there is one.
  kRequired,
};

struct ServerOptions {
  static constexpr size_t kCertificatesMax = 256;
  static constexpr size_t kAlpnMax = 16;
  static constexpr size_t kTicketKeysMax = 8;

  // Chosen by the names in them and the client's SNI; the first one is for
  // clients that name no host or an unknown one.
  std::vector<Certificate> certificates;
  Version version_min = Version::kTls12;
  Version version_max = Version::kTls13;
  // As this server prefers them. Who offers others only is refused (RFC 7301
  // §3.2); who offers none goes on without.
  std::vector<std::string> alpn;
  ClientCertificates client_certificates = ClientCertificates::kNotAsked;
  std::string client_ca;  // PEM; not empty unless kNotAsked.
  // None: no tickets, no resumption.
  std::vector<TicketKey> ticket_keys;
  absl::Duration ticket_lifetime = absl::Hours(2);  // 1 min to 7 days.
  // Sessions are resumed within it: the virtual service's name, say. Equal on
  // both units.
  std::string session_scope;
};

struct ClientOptions {
  bool verify = true;
  std::string ca;  // PEM; not empty with `verify`.
  Version version_min = Version::kTls12;
  Version version_max = Version::kTls13;
  std::vector<std::string> alpn;
  // Shown when the server asks. Without a chain: none.
  Certificate certificate;

  friend bool operator==(const ClientOptions&, const ClientOptions&) = default;
};

class ServerContext {
 public:
  static absl::StatusOr<std::shared_ptr<const ServerContext>> Create(
      const ServerOptions& options);
  ~ServerContext();

  // The place of the certificate for a host name, in lower case.
  size_t CertificateFor(absl::string_view host) const;

 private:
  friend class Session;
  struct State;
  explicit ServerContext(std::unique_ptr<State> state);

  // Of a new connection; call_time.h.
  ssl_st* NewConnection() const;

  std::unique_ptr<State> state_;
};

class ClientContext {
 public:
  static absl::StatusOr<std::shared_ptr<const ClientContext>> Create(
      const ClientOptions& options);
  ~ClientContext();

 private:
  friend class Session;
  struct State;
  explicit ClientContext(std::unique_ptr<State> state);

  ssl_st* NewConnection() const;
  bool verify() const;

  std::unique_ptr<State> state_;
};

}  // namespace ballast::tls

#endif  // LB_TLS_CONTEXT_H_
