// Property: whatever a client and a server say in whatever pieces, persistence
// by SSL session ID makes at most one entry, of a server's hello of TLS 1.2 or
// older alone, and makes the same one of any pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/check.h"
#include "lb/l7/service_chooser.h"
#include "lb/tls/hello.h"
#include "persist/key_store.h"

namespace {

using namespace ballast;

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

template <typename Read>
void InPieces(absl::string_view bytes, size_t size, Read&& read) {
  for (size_t at = 0; at < bytes.size(); at += size) {
    if (!read(bytes.substr(at, size))) return;
  }
}

uint32_t Entries(absl::string_view client_says, absl::string_view server_says,
                 size_t piece) {
  l7::ServicePlan plan;
  plan.config.l7.emplace().type = config::L7Type::kGeneric;
  plan.config.servers.emplace_back().endpoint = {Address::V4(0x0a000001), 443};
  plan.config.persistence.enabled = true;
  plan.config.persistence.mode = config::PersistenceMode::kSslSessionId;
  plan.config.persistence.timeout = absl::Minutes(6);
  plan.ids = {{1}};
  plan.tables = {1};
  plan.store = *persist::KeyStore::Create({.limit = 8, .huge_pages = false});
  const auto store = plan.store;
  l7::ServiceChooser service;
  service.Apply(kNow, std::make_shared<const l7::ServicePlan>(std::move(plan)));
  const l7::Client client{
      {Address::V4(0xc6336401), 40000}, {Address::V4(0xc0000201), 443}, false};
  l7::ConnectionChooser chooser(service, 77);
  InPieces(client_says, piece,
           [&](absl::string_view bytes) { return chooser.ReadClient(bytes); });
  const auto answer = chooser.Choose(kNow, client, 0, client_says);
  const auto& choice = std::get<l7::ServerChoice>(answer);
  BALLAST_CHECK(store->CountOf(1) == 0);
  InPieces(server_says, piece, [&](absl::string_view bytes) {
    return chooser.ReadServer(kNow, choice, bytes);
  });
  chooser.OnEnd(kNow, choice, l7::Outcome::kTunnelled);
  return store->CountOf(1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const size_t cut = std::min(size - 3, size_t{data[0]} << 8 | data[1]);
  const absl::string_view all(reinterpret_cast<const char*>(data) + 3,
                              size - 3);
  const absl::string_view server_says = all.substr(cut);
  const uint32_t whole = Entries(all.substr(0, cut), server_says, size);
  BALLAST_CHECK(whole <= 1);
  BALLAST_CHECK(Entries(all.substr(0, cut), server_says, data[2] % 9 + 1) ==
                whole);
  if (whole == 1) {
    tls::ServerHelloReader reader;
    BALLAST_CHECK(reader.Push({data + 3 + cut, server_says.size()}) ==
                  tls::HelloState::kDone);
    BALLAST_CHECK(reader.hello().version < tls::kTls13);
    BALLAST_CHECK(reader.hello().session_id.size > 0);
  }
  return 0;
}
