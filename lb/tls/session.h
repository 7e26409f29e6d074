// One TLS connection over memory: cipher bytes of the wire on one side, plain
// bytes on the other. No socket, no clock.
//
//   auto session = Session::Server(context);
//   n = session->OnCipher(now, received);     // what it has room for
//   n = session->Read(plain);  n = session->Write(plain);
//   n = session->TakeCipher(to_be_sent);      // after anything of the above
//
// Call TakeCipher() until cipher_pending() is 0 also when the session has
// failed or was closed: its last words are in it.
//
// Ends     Close() says close_notify; what the peer still sends can be read.
//          The peer's is state kPeerClosed: Read() gives what came before it,
//          and Write() goes on. A wire that ends without one is to be told by
//          OnWireEnd(): kFailed, kTruncated, since anybody could have cut it.
// Bounds   kCipherInMax taken and not yet read; Write() takes while less than
//          kCipherOutMax waits. A handshake's flight, bounded by the
//          certificates on either side, is on top of that.
// Time     calendar time, for certificates and tickets: `now` of the last
//          OnCipher().
// Errors   SessionError and, for a log, detail(). A session that failed stays
//          so.
// Cost     no allocation per record but BoringSSL's own; a copy each way.
// Threads  one at a time.
#ifndef LB_TLS_SESSION_H_
#define LB_TLS_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/tls/context.h"
#include "lb/tls/resumption_cache.h"

namespace ballast::tls {

enum class SessionState : uint8_t {
  kHandshake,
  kOpen,
  kPeerClosed,  // It said close_notify; open towards it.
  kFailed,
};

enum class SessionError : uint8_t {
  kNone,
  kNotTls,  // The peer speaks something else; HTTP, say.
  kNoCommonVersion,
  kNoCommonCipher,  // Or curve, or signature algorithm.
  kNoCommonAlpn,
  kNoPeerCertificate,   // Required, and not given.
  kCertificateExpired,  // The peer's, or not valid yet.
  kCertificateHost,     // Of another host than was asked for.
  kCertificateUntrusted,
  kPeerAlert,  // The peer gave up; detail() says why.
  kBadRecord,  // Does not decrypt.
  kProtocol,   // Anything else the peer did wrong.
  kTruncated,  // The wire ended without close_notify.
};
inline constexpr size_t kSessionErrorCount = 13;
const char* SessionErrorName(SessionError error);

class Session {
 public:
  // A whole record fits, with what may be of the next one.
  static constexpr size_t kCipherInMax = 32 << 10;
  static constexpr size_t kCipherOutMax = 64 << 10;

  // What was agreed on; whole once the handshake is done.
  struct Info {
    Version version = Version::kTls12;
    std::string cipher;        // IANA's name.
    std::string alpn;          // Empty: none.
    std::string server_name;   // Asked for by the client, in lower case.
    std::string peer_subject;  // As RFC 2253 writes it; empty: no certificate.
    bool resumed = false;
  };

  static std::unique_ptr<Session> Server(
      std::shared_ptr<const ServerContext> context);
  // `server_name`: asked for and, unless the context does not verify, required
  // of the certificate; a host name or an IP address. Empty only if the context
  // does not verify.
  // `resumption`: its key must stand for `server_name`, too.
  static std::unique_ptr<Session> Client(
      std::shared_ptr<const ClientContext> context,
      absl::string_view server_name, Resumption resumption = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // -- The wire ---------------------------------------------------------------
  // Takes a prefix of `bytes` and returns its length; goes on with the
  // handshake. A client's first call may be with nothing. After a failure all
  // is taken, and dropped.
  size_t OnCipher(absl::Time now, std::span<const uint8_t> bytes);
  // How much OnCipher() takes.
  size_t cipher_room() const;
  void OnWireEnd();
  // Moves what is to be sent into `out`; returns how much.
  size_t TakeCipher(std::span<uint8_t> out);
  // Makes `out` all that is to be sent, without a copy: what memory it had is
  // what the session goes on with.
  void TakeCipher(std::vector<uint8_t>* out);
  size_t cipher_pending() const;

  // -- The application --------------------------------------------------------
  // 0: nothing there now.
  size_t Read(std::span<uint8_t> out);
  // Takes a prefix of `plain`; 0 before the handshake is done, after Close(),
  // and while too much waits to be sent.
  size_t Write(std::span<const uint8_t> plain);
  // Nothing of a record has come that Read() did not give.
  bool quiet() const;
  // Whether Write() would take anything.
  bool writable() const;
  void Close();
  // Gives back the memory of empty buffers: of a connection that will be idle.
  void Trim();

  // -- Outcome ----------------------------------------------------------------
  SessionState state() const;
  SessionError error() const;
  const std::string& detail() const;
  const Info& info() const;

 private:
  struct Connection;
  explicit Session(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;
};

}  // namespace ballast::tls

#endif  // LB_TLS_SESSION_H_
