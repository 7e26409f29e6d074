#include "lb/tls/session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/check.h"
#include "lb/tls/byte_queue.h"
#include "lb/tls/call_time.h"
#include "lb/tls/pem.h"

namespace ballast::tls {
namespace {

constexpr size_t kRecordMax = 16384;
constexpr size_t kServerNameMax = 255;

SessionError OfVerification(long code) {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return SessionError::kCertificateExpired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return SessionError::kCertificateHost;
    default:
      return SessionError::kCertificateUntrusted;
  }
}

SessionError OfReason(int reason) {
  if (reason > SSL_AD_REASON_OFFSET) return SessionError::kPeerAlert;
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return SessionError::kNotTls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_NO_SUPPORTED_VERSIONS_ENABLED:
      return SessionError::kNoCommonVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUP:
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
      return SessionError::kNoCommonCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return SessionError::kNoCommonAlpn;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return SessionError::kNoPeerCertificate;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return SessionError::kBadRecord;
    default:
      return SessionError::kProtocol;
  }
}

}  // namespace

const char* SessionErrorName(SessionError error) {
  switch (error) {
    case SessionError::kNone:
      return "none";
    case SessionError::kNotTls:
      return "not_tls";
    case SessionError::kNoCommonVersion:
      return "no_common_version";
    case SessionError::kNoCommonCipher:
      return "no_common_cipher";
    case SessionError::kNoCommonAlpn:
      return "no_common_alpn";
    case SessionError::kNoPeerCertificate:
      return "no_peer_certificate";
    case SessionError::kCertificateExpired:
      return "certificate_expired";
    case SessionError::kCertificateHost:
      return "certificate_host";
    case SessionError::kCertificateUntrusted:
      return "certificate_untrusted";
    case SessionError::kPeerAlert:
      return "peer_alert";
    case SessionError::kBadRecord:
      return "bad_record";
    case SessionError::kProtocol:
      return "protocol";
    case SessionError::kTruncated:
      return "truncated";
  }
  return "unknown";
}

// BoringSSL reads and writes through a BIO of ours: `in` and `out`.
struct Session::Connection {
  // One of the two, kept for as long as `ssl` uses it.
  std::shared_ptr<const ServerContext> server;
  std::shared_ptr<const ClientContext> client;
  Resumption resumption;  // A client's.
  bssl::UniquePtr<SSL> ssl;
  ByteQueue in;
  ByteQueue out;
  int64_t unix_seconds = 0;
  SessionState state = SessionState::kHandshake;
  SessionError error = SessionError::kNone;
  std::string detail;
  Info info;
  bool closed = false;  // By us.
  bool wire_ended = false;

  static int BioRead(BIO* bio, char* data, int length) {
    BIO_clear_retry_flags(bio);
    auto* self = static_cast<Connection*>(BIO_get_data(bio));
    const size_t count = self->in.Take(
        {reinterpret_cast<uint8_t*>(data), static_cast<size_t>(length)});
    if (count > 0) return static_cast<int>(count);
    BIO_set_retry_read(bio);
    return -1;
  }
  static int BioWrite(BIO* bio, const char* data, int length) {
    auto* self = static_cast<Connection*>(BIO_get_data(bio));
    self->out.Append(
        {reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(length)});
    return length;
  }
  static long BioControl(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH;
  }
  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ballast");
      BIO_meth_set_read(made, BioRead);
      BIO_meth_set_write(made, BioWrite);
      BIO_meth_set_ctrl(made, BioControl);
      return made;
    }();
    return method;
  }

  void Attach(SSL* made) {
    ssl.reset(made);
    BIO* bio = BIO_new(Method());
    BALLAST_CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl.get(), bio, bio);
    SSL_set_shed_handshake_config(ssl.get(), 1);
  }

  bool handshaken() const {
    return state == SessionState::kOpen || state == SessionState::kPeerClosed;
  }

  void Fail(SessionError why, absl::string_view text) {
    state = SessionState::kFailed;
    error = why;
    detail = std::string(text);
    in.Clear();
  }
  // By what BoringSSL says of the call before.
  void FailOfLibrary() {
    const uint32_t code = ERR_peek_last_error();
    const int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
        reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      const long verification = SSL_get_verify_result(ssl.get());
      Fail(OfVerification(verification),
           X509_verify_cert_error_string(verification));
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
      const SessionError why = OfReason(reason);
      const char* text =
          why == SessionError::kPeerAlert
              ? SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET)
              : ERR_reason_error_string(code);
      Fail(why, text == nullptr ? "" : text);
    } else {
      const char* text = ERR_reason_error_string(code);
      Fail(SessionError::kProtocol, text == nullptr ? "" : text);
    }
    ERR_clear_error();
  }

  // Before a call into BoringSSL.
  void Enter() {
    call_time = unix_seconds;
    ERR_clear_error();
  }

  void Handshake() {
    Enter();
    // What the handshake is verified by.
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl.get()), unix_seconds);
    const int result = SSL_do_handshake(ssl.get());
    if (result == 1) {
      state = SessionState::kOpen;
      Learn();
      return;
    }
    if (SSL_get_error(ssl.get(), result) == SSL_ERROR_WANT_READ) return;
    FailOfLibrary();
  }
  void Learn() {
    info.version = static_cast<Version>(SSL_version(ssl.get()));
    info.cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl.get()));
    const uint8_t* alpn = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl.get(), &alpn, &length);
    info.alpn.assign(reinterpret_cast<const char*>(alpn), length);
    if (server != nullptr) {
      const char* name =
          SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name);
      if (name != nullptr) info.server_name = absl::AsciiStrToLower(name);
    }
    const bssl::UniquePtr<X509> peer(SSL_get_peer_certificate(ssl.get()));
    if (peer != nullptr) info.peer_subject = SubjectOf(peer.get());
    info.resumed = SSL_session_reused(ssl.get()) != 0;
  }

  // Whom a client asks for. False: nobody that could be asked for.
  bool SetServerName(absl::string_view name, bool verify) {
    if (name.empty()) return !verify;
    if (name.size() > kServerNameMax ||
        name.find('\0') != absl::string_view::npos) {
      return false;
    }
    const std::string text(name);
    X509_VERIFY_PARAM* param = SSL_get0_param(ssl.get());
    if (Address::Parse(name).ok()) {
      return X509_VERIFY_PARAM_set1_ip_asc(param, text.c_str()) == 1;
    }
    info.server_name = absl::AsciiStrToLower(name);
    return SSL_set_tlsext_host_name(ssl.get(), text.c_str()) == 1 &&
           X509_VERIFY_PARAM_set1_host(param, text.data(), text.size()) == 1;
  }
};

Session::Session(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
Session::~Session() = default;

std::unique_ptr<Session> Session::Server(
    std::shared_ptr<const ServerContext> context) {
  auto connection = std::make_unique<Connection>();
  connection->Attach(context->NewConnection());
  connection->server = std::move(context);
  return std::unique_ptr<Session>(new Session(std::move(connection)));
}

std::unique_ptr<Session> Session::Client(
    std::shared_ptr<const ClientContext> context, absl::string_view server_name,
    Resumption resumption) {
  auto connection = std::make_unique<Connection>();
  connection->Attach(context->NewConnection());
  const bool verify = context->verify();
  connection->client = std::move(context);
  if (!connection->SetServerName(server_name, verify)) {
    ERR_clear_error();
    connection->Fail(SessionError::kCertificateHost,
                     server_name.empty() ? "no server name to verify"
                                         : "not a server's name");
  } else if (resumption.cache != nullptr) {
    SSL* ssl = connection->ssl.get();
    if (const auto last = resumption.cache->Take(resumption.key)) {
      BALLAST_CHECK(SSL_set_session(ssl, last.get()) == 1);
    }
    connection->resumption = std::move(resumption);
    SSL_set_app_data(ssl, &connection->resumption);
  }
  return std::unique_ptr<Session>(new Session(std::move(connection)));
}

// -- The wire -----------------------------------------------------------------

size_t Session::cipher_room() const {
  return kCipherInMax - std::min(kCipherInMax, connection_->in.size());
}

size_t Session::OnCipher(absl::Time now, std::span<const uint8_t> bytes) {
  Connection& c = *connection_;
  c.unix_seconds = absl::ToUnixSeconds(now);
  // Nothing behind a close_notify counts.
  if (c.state == SessionState::kFailed ||
      c.state == SessionState::kPeerClosed) {
    return bytes.size();
  }
  const auto taken = bytes.first(std::min(bytes.size(), cipher_room()));
  c.in.Append(taken);
  if (c.state == SessionState::kHandshake) c.Handshake();
  return taken.size();
}

void Session::OnWireEnd() {
  Connection& c = *connection_;
  c.wire_ended = true;
  if (c.state == SessionState::kHandshake) {
    c.Fail(SessionError::kTruncated, "the wire ended in the handshake");
  } else {
    Read({});  // Tells now, unless there is something to be read before.
  }
}

size_t Session::TakeCipher(std::span<uint8_t> out) {
  return connection_->out.Take(out);
}
void Session::TakeCipher(std::vector<uint8_t>* out) {
  connection_->out.TakeAll(out);
}
size_t Session::cipher_pending() const { return connection_->out.size(); }

// -- The application ----------------------------------------------------------

size_t Session::Read(std::span<uint8_t> out) {
  Connection& c = *connection_;
  size_t filled = 0;
  while (c.state == SessionState::kOpen) {
    const auto room = out.subspan(filled);
    if (room.empty() && !(c.wire_ended && out.empty())) break;
    c.Enter();
    uint8_t none;
    const int result =
        room.empty()
            ? SSL_peek(c.ssl.get(), &none, 1)
            : SSL_read(
                  c.ssl.get(), room.data(),
                  static_cast<int>(std::min(room.size(), size_t{1} << 30)));
    if (result > 0) {
      if (room.empty()) break;
      filled += static_cast<size_t>(result);
      continue;
    }
    switch (SSL_get_error(c.ssl.get(), result)) {
      case SSL_ERROR_WANT_READ:
        if (!c.wire_ended) return filled;
        // Who has said that it is over need not wait for an answer.
        if (c.closed) {
          c.state = SessionState::kPeerClosed;
        } else {
          c.Fail(SessionError::kTruncated, "the wire ended without a word");
        }
        break;
      case SSL_ERROR_ZERO_RETURN:
        c.state = SessionState::kPeerClosed;
        c.in.Clear();
        break;
      default:
        c.FailOfLibrary();
    }
  }
  return filled;
}

bool Session::quiet() const {
  return connection_->in.empty() && !SSL_has_pending(connection_->ssl.get());
}

bool Session::writable() const {
  return connection_->handshaken() && !connection_->closed &&
         connection_->out.size() < kCipherOutMax;
}

size_t Session::Write(std::span<const uint8_t> plain) {
  Connection& c = *connection_;
  size_t written = 0;
  while (written < plain.size() && writable()) {
    const auto piece =
        plain.subspan(written, std::min(plain.size() - written, kRecordMax));
    c.Enter();
    // All of it: the wire takes whatever is written.
    const int result =
        SSL_write(c.ssl.get(), piece.data(), static_cast<int>(piece.size()));
    if (result <= 0) {
      c.FailOfLibrary();
      break;
    }
    written += static_cast<size_t>(result);
  }
  return written;
}

void Session::Close() {
  Connection& c = *connection_;
  if (c.closed || !c.handshaken()) return;
  c.closed = true;
  c.Enter();
  SSL_shutdown(c.ssl.get());
  ERR_clear_error();
}

void Session::Trim() {
  connection_->in.Trim();
  connection_->out.Trim();
}

// -- Outcome ------------------------------------------------------------------

SessionState Session::state() const { return connection_->state; }
SessionError Session::error() const { return connection_->error; }
const std::string& Session::detail() const { return connection_->detail; }
const Session::Info& Session::info() const { return connection_->info; }

}  // namespace ballast::tls
