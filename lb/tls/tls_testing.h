// For tests of TLS: the certificates of testdata/, and two sessions that talk
// in memory.
#ifndef LB_TLS_TLS_TESTING_H_
#define LB_TLS_TLS_TESTING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "io/base/check.h"
#include "lb/tls/context.h"
#include "lb/tls/session.h"

namespace ballast::tls {

// All of testdata's certificates but `expired` are good then.
inline const absl::Time kNow =
    absl::FromCivil(absl::CivilDay(2027, 1, 1), absl::UTCTimeZone());

inline std::string TestFile(const std::string& name) {
  std::ifstream file("lb/tls/testdata/" + name, std::ios::binary);
  BALLAST_CHECK(file.is_open());
  return std::string(std::istreambuf_iterator<char>(file), {});
}
inline Certificate TestCertificate(const std::string& name) {
  return {.chain = TestFile(name + ".pem"), .key = TestFile(name + ".key.pem")};
}

inline std::shared_ptr<const ServerContext> MakeServer(
    const ServerOptions& options) {
  auto made = ServerContext::Create(options);
  BALLAST_CHECK(made.ok());
  return *std::move(made);
}
inline std::shared_ptr<const ClientContext> MakeClient(ClientOptions options) {
  if (options.verify && options.ca.empty()) options.ca = TestFile("ca.pem");
  auto made = ClientContext::Create(options);
  BALLAST_CHECK(made.ok());
  return *std::move(made);
}

inline std::span<const uint8_t> AsBytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Moves what either has to send to the other, in pieces of `piece` bytes, until
// neither has. What is read on the way is added to its text.
struct Wire {
  Session* client;
  Session* server;
  std::string at_client, at_server;
  size_t piece = 1 << 16;
  absl::Time now = kNow;

  void Run() {
    client->OnCipher(now, {});
    while (Move(*client, *server, at_server) ||
           Move(*server, *client, at_client)) {
    }
  }
  bool Move(Session& from, Session& to, std::string& text) {
    std::vector<uint8_t> bytes(std::min(piece, to.cipher_room()));
    const size_t count = from.TakeCipher(bytes);
    to.OnCipher(now, std::span(bytes).first(count));
    std::vector<uint8_t> plain(1 << 16);
    while (const size_t read = to.Read(plain)) {
      text.append(plain.begin(), plain.begin() + static_cast<ptrdiff_t>(read));
    }
    return count > 0;
  }
};

}  // namespace ballast::tls

#endif  // LB_TLS_TLS_TESTING_H_
