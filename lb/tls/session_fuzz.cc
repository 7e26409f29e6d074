// Property: whatever a stranger sends, a server's and a client's session stay
// within their bounds, and one that has failed gives and takes nothing more.
#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "io/base/check.h"
#include "lb/tls/context.h"
#include "lb/tls/session.h"
#include "lb/tls/tls_testing.h"

namespace {

using namespace ballast::tls;

void Feed(Session& session, std::span<const uint8_t> bytes, size_t piece) {
  std::array<uint8_t, 4096> plain;
  std::array<uint8_t, 4096> sent;
  session.OnCipher(kNow, {});
  while (!bytes.empty()) {
    const size_t room = session.cipher_room();
    const bool failed = session.state() == SessionState::kFailed;
    const size_t taken =
        session.OnCipher(kNow, bytes.first(std::min(piece, bytes.size())));
    BALLAST_CHECK(failed || taken <= room);
    bytes = bytes.subspan(taken);
    const size_t read = session.Read(plain);
    BALLAST_CHECK(read == 0 || !failed);
    BALLAST_CHECK(session.cipher_pending() <
                  Session::kCipherOutMax + (size_t{64} << 10));
    session.TakeCipher(sent);
    if (taken == 0 && read == 0) break;
  }
  session.OnWireEnd();
  BALLAST_CHECK(session.state() == SessionState::kFailed);
  BALLAST_CHECK(session.error() != SessionError::kNone);
  BALLAST_CHECK(session.Write(sent) == 0 && session.Read(plain) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const server =
      new auto(MakeServer({.certificates = {TestCertificate("one")},
                           .ticket_keys = {TicketKey{}}}));
  static const auto* const client = new auto(MakeClient({}));
  const std::span<const uint8_t> bytes(data, size);
  const size_t piece = size % 3 == 0 ? size + 1 : size % 50 + 1;
  Feed(*Session::Server(*server), bytes, piece);
  Feed(*Session::Client(*client, "one.test"), bytes, piece);
  return 0;
}
