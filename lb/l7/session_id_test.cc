// Persistence by SSL session ID: LoadMaster behaviour §4.5, with hellos of
// OpenSSL's (lb/tls/testdata/make_hellos.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "io/base/check.h"
#include "lb/l7/service_chooser.h"

namespace ballast::l7 {
namespace {

std::string Hello(const std::string& name) {
  std::ifstream file("lb/tls/testdata/hello_" + name + ".bin",
                     std::ios::binary);
  BALLAST_CHECK(file.is_open());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class SessionIdTest : public ::testing::Test {
 protected:
  SessionIdTest() {
    plan_.config.address = *Address::Parse("192.0.2.1");
    plan_.config.port = 443;
    plan_.config.l7.emplace().type = config::L7Type::kGeneric;
    for (uint32_t i = 1; i <= 3; ++i) {
      plan_.config.servers.emplace_back().endpoint = {
          Address::V4(0x0a000000 + i), 443};
    }
    plan_.config.persistence = {.enabled = true,
                                .mode = config::PersistenceMode::kSslSessionId,
                                .name = {},
                                .timeout = absl::Minutes(6)};
    plan_.ids = {{1, 2, 3}};
    plan_.tables = {1};
    plan_.store = *persist::KeyStore::Create({.limit = 1000});
    Apply();
  }
  void Apply() {
    service_.Apply(now_, std::make_shared<const ServicePlan>(plan_));
  }
  // The server of a connection on which these are said, `piece` bytes at a
  // time; more than the hellos as well.
  uint64_t Connect(const std::string& client_says,
                   const std::string& server_says, size_t piece = 1 << 16,
                   const char* address = "198.51.100.1") {
    const Client client{
        {*Address::Parse(address), 40000}, {plan_.config.address, 443}, false};
    ConnectionChooser chooser(service_, 77);
    for (size_t at = 0; at < client_says.size(); at += piece) {
      if (!chooser.ReadClient(
              absl::string_view(client_says).substr(at, piece))) {
        break;
      }
    }
    auto answer = chooser.Choose(now_, client, 0, client_says);
    BALLAST_CHECK(std::holds_alternative<ServerChoice>(answer));
    const ServerChoice& choice = std::get<ServerChoice>(answer);
    for (size_t at = 0; at < server_says.size(); at += piece) {
      if (!chooser.ReadServer(
              now_, choice, absl::string_view(server_says).substr(at, piece))) {
        break;
      }
    }
    chooser.OnEnd(now_, choice, Outcome::kTunnelled);
    return choice.tag;
  }
  uint32_t Entries() const {
    return plan_.store->CountOf(1) + plan_.store->CountOf(2) +
           plan_.store->CountOf(3);
  }

  ServicePlan plan_;
  ServiceChooser service_;
  Instant now_ = Instant::FromNanos(1'000'000'000'000);
};

TEST_F(SessionIdTest, WhoShowsASessionGetsTheServerThatGaveIt) {
  for (const size_t piece : {1, 7, 1 << 16}) {
    plan_.store = *persist::KeyStore::Create({.limit = 1000});
    Apply();
    const uint64_t first =
        Connect(Hello("client_tls12"), Hello("server_session_id"), piece);
    EXPECT_EQ(Entries(), 1u);
    for (const char* address :
         {"198.51.100.1", "198.51.100.2", "2001:db8::3"}) {
      EXPECT_EQ(Connect(Hello("client_session_id"),
                        Hello("server_session_id_resumed"), piece, address),
                first);
    }
    // Others go round.
    EXPECT_NE(Connect(Hello("client_tls12"), "", piece), first);
    EXPECT_EQ(Entries(), 1u);
  }
}

TEST_F(SessionIdTest, TheClockBeginsAnewWithEachConnection) {
  const uint64_t first =
      Connect(Hello("client_tls12"), Hello("server_session_id"));
  for (int i = 0; i < 3; ++i) {
    now_ = now_ + absl::Minutes(5);
    EXPECT_EQ(
        Connect(Hello("client_session_id"), Hello("server_session_id_resumed")),
        first);
  }
  // A server that does not answer gives nothing.
  now_ = now_ + absl::Minutes(5);
  EXPECT_EQ(Connect(Hello("client_session_id"), ""), first);
  now_ = now_ + absl::Minutes(1);
  EXPECT_NE(Connect(Hello("client_session_id"), ""), first);
}

// Else anybody could fill the table.
TEST_F(SessionIdTest, WhatAClientClaimsIsNoEntry) {
  const uint64_t first = Connect(Hello("client_session_id"), "");
  EXPECT_NE(Connect(Hello("client_session_id"), ""), first);
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(SessionIdTest, AServerThatIsDownLosesItsEntries) {
  const uint64_t first =
      Connect(Hello("client_tls12"), Hello("server_session_id"));
  service_.SetHealthy(now_, static_cast<uint32_t>(first), false);
  const uint64_t second =
      Connect(Hello("client_session_id"), Hello("server_session_id_resumed"));
  EXPECT_NE(second, first);
  service_.SetHealthy(now_, static_cast<uint32_t>(first), true);
  EXPECT_EQ(Connect(Hello("client_session_id"), ""), second);
}

// RFC 8446 §4.1.3: the server returns what the client made up.
TEST_F(SessionIdTest, Tls13HasNoIds) {
  for (int i = 0; i < 4; ++i) {
    Connect(Hello("client_tls13"), Hello("server_tls13"));
    Connect(Hello("client_psk"), Hello("server_tls13_resumed"));
  }
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(SessionIdTest, Tls13CanGoByNameOrAddress) {
  plan_.config.persistence.tls13 = config::Tls13Key::kSourceIp;
  Apply();
  const auto tls13 = [&](const char* address) {
    return Connect(Hello("client_tls13"), Hello("server_tls13"), 1 << 16,
                   address);
  };
  const uint64_t one = tls13("198.51.100.1");
  EXPECT_EQ(Entries(), 1u);
  EXPECT_NE(tls13("198.51.100.2"), one);
  EXPECT_EQ(tls13("198.51.100.1"), one);
  plan_.config.persistence.tls13 = config::Tls13Key::kServerName;
  Apply();
  const uint64_t named = tls13("198.51.100.7");
  EXPECT_EQ(tls13("198.51.100.8"), named);
  // TLS 1.2 goes by its session ID as ever.
  const uint64_t first =
      Connect(Hello("client_tls12"), Hello("server_session_id"));
  EXPECT_EQ(Connect(Hello("client_session_id"), ""), first);
}

TEST_F(SessionIdTest, WhatIsNoTlsHasNoPersistence) {
  const uint64_t first = Connect("GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n");
  EXPECT_NE(Connect("GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n"), first);
  // Nor half a hello, when no more comes.
  Connect(Hello("client_session_id").substr(0, 60),
          Hello("server_session_id_resumed"));
  EXPECT_EQ(Entries(), 0u);
}

}  // namespace
}  // namespace ballast::l7
