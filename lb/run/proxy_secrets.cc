#include "lb/run/proxy_secrets.h"

#include <openssl/hmac.h>

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "persist/active_cookie.h"

namespace ballast::run {
namespace {

std::array<uint8_t, 32> Derive(const config::L7Secret& secret,
                               absl::string_view use) {
  std::array<uint8_t, 32> key;
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), secret.size(),
       reinterpret_cast<const uint8_t*>(use.data()), use.size(), key.data(),
       &length);
  return key;
}

SipKey DeriveSip(const config::L7Secret& secret, absl::string_view use) {
  const auto key = Derive(secret, use);
  return {LoadBig64(key.data()), LoadBig64(key.data() + 8)};
}

}  // namespace

ProxySecrets DeriveProxySecrets(const std::vector<config::L7Secret>& secrets) {
  BALLAST_CHECK(!secrets.empty());
  ProxySecrets derived;
  derived.persistence = DeriveSip(secrets[0], "persistence");
  for (const config::L7Secret& secret : secrets) {
    derived.tickets.push_back(
        tls::MakeTicketKey(Derive(secret, "TLS tickets")));
    if (derived.cookies.size() == persist::ActiveCookies::kSecretsMax) continue;
    derived.cookies.push_back(DeriveSip(secret, "active cookie"));
  }
  return derived;
}

}  // namespace ballast::run
