// Property: however a stream is cut into pieces, it is read alike; and what is
// kept stays within its bounds.
#include <algorithm>
#include <span>

#include "io/base/check.h"
#include "lb/tls/hello.h"

namespace {

using namespace ballast::tls;

template <typename Reader>
void InPieces(std::span<const uint8_t> bytes, size_t size, Reader& reader) {
  for (size_t at = 0; at < bytes.size(); at += size) {
    reader.Push(bytes.subspan(at, std::min(size, bytes.size() - at)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  ClientHelloReader client, client_pieces;
  const HelloState state = client.Push(bytes);
  InPieces(bytes, size % 7 + 1, client_pieces);
  BALLAST_CHECK(client_pieces.Push({}) == state);
  BALLAST_CHECK(client_pieces.error() == client.error());
  BALLAST_CHECK((state == HelloState::kRefused) ==
                (client.error() != HelloError::kNone));
  if (state == HelloState::kDone) {
    const ClientHello& a = client.hello();
    const ClientHello& b = client_pieces.hello();
    BALLAST_CHECK(a.session_id == b.session_id);
    BALLAST_CHECK(a.server_name == b.server_name);
    BALLAST_CHECK(a.alpn == b.alpn && a.versions == b.versions);
    BALLAST_CHECK(a.session_id.size <= 32 && a.server_name.size() <= 255);
    BALLAST_CHECK(a.alpn.size() <= ClientHello::kAlpnMax);
    BALLAST_CHECK(a.versions.size() <= ClientHello::kVersionsMax);
    BALLAST_CHECK(a.version() <= kTls13);
  }
  ServerHelloReader server, server_pieces;
  server.Push(bytes);
  InPieces(bytes, 1, server_pieces);
  BALLAST_CHECK(server_pieces.error() == server.error());
  BALLAST_CHECK(server_pieces.hello().session_id == server.hello().session_id);
  return 0;
}
