#include "lb/run/server_tls.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/tls/tls_testing.h"

namespace ballast::run {
namespace {

const Address kServer = *Address::Parse("10.0.0.1");

std::string NameOf(const ServerTls& tls, absl::string_view host) {
  std::string name = "left over";
  const bool clients = tls.Name(host, kServer, name);
  return absl::StrCat(name, clients ? " (the client's)" : "");
}

TEST(ServerTlsTest, WhatIsConfiguredComesFirst) {
  const ServerTls tls(tls::MakeClient({}), "one.test", 1);
  EXPECT_EQ(NameOf(tls, "shop.example"), "one.test");
  EXPECT_EQ(NameOf(tls, ""), "one.test");
}

TEST(ServerTlsTest, ElseTheHostOfTheRequest) {
  const ServerTls tls(tls::MakeClient({}), "", 1);
  EXPECT_EQ(NameOf(tls, "shop.example"), "shop.example (the client's)");
  EXPECT_EQ(NameOf(tls, "Shop.Example:8443"), "shop.example (the client's)");
  // RFC 6066 §3: without the last dot.
  EXPECT_EQ(NameOf(tls, "shop.example.:8443"), "shop.example (the client's)");
  EXPECT_EQ(NameOf(tls, "a_b.example"), "a_b.example (the client's)");
}

TEST(ServerTlsTest, ElseTheServersAddress) {
  const ServerTls tls(tls::MakeClient({}), "", 1);
  for (const std::string& host :
       {std::string(), std::string("192.0.2.1"), std::string("192.0.2.1:80"),
        std::string("[2001:db8::1]:80"), std::string("."), std::string(":80"),
        std::string("a%20b"), std::string(254, 'a')}) {
    EXPECT_EQ(NameOf(tls, host), "10.0.0.1") << host;
  }
}

// Names that pass are good enough for a handshake to begin.
TEST(ServerTlsTest, EveryNameCanBeAskedFor) {
  const ServerTls tls(tls::MakeClient({}), "", 1);
  for (const std::string& host :
       {std::string(253, 'a'), std::string("-"), std::string("a..b"),
        std::string("1.2.3"), std::string("*.a"), std::string()}) {
    std::string name;
    tls.Name(host, kServer, name);
    const auto session = tls.Connect({kServer, 443}, name);
    session->OnCipher(tls::kNow, {});
    EXPECT_EQ(session->state(), tls::SessionState::kHandshake) << host;
    EXPECT_GT(session->cipher_pending(), 0u) << host;
  }
}

}  // namespace
}  // namespace ballast::run
