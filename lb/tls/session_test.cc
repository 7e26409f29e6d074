#include "lb/tls/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/tls/context.h"
#include "lb/tls/resumption_cache.h"
#include "lb/tls/ticket_keys.h"
#include "lb/tls/tls_testing.h"

namespace ballast::tls {
namespace {

ServerOptions One() { return {.certificates = {TestCertificate("one")}}; }

// A client and a server that have shaken hands, or failed to.
struct Pair {
  Pair(const ServerOptions& server_options, const ClientOptions& client_options,
       absl::string_view name = "one.test", size_t piece = 1 << 16,
       absl::Time now = kNow)
      : client(Session::Client(MakeClient(client_options), name)),
        server(Session::Server(MakeServer(server_options))),
        wire{.client = client.get(),
             .server = server.get(),
             .at_client = {},
             .at_server = {},
             .piece = piece,
             .now = now} {
    wire.Run();
  }
  bool open() const {
    return client->state() == SessionState::kOpen &&
           server->state() == SessionState::kOpen;
  }

  std::unique_ptr<Session> client, server;
  Wire wire;
};

class BothVersions : public testing::TestWithParam<Version> {
 protected:
  ServerOptions Server() const {
    ServerOptions options = One();
    options.version_max = GetParam();
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(, BothVersions,
                         testing::Values(Version::kTls12, Version::kTls13),
                         [](const auto& info) {
                           return info.param == Version::kTls12 ? "Tls12"
                                                                : "Tls13";
                         });

// -- The handshake ------------------------------------------------------------

TEST_P(BothVersions, ShakeHandsAndTalk) {
  ServerOptions options = Server();
  options.alpn = {"http/1.1"};
  Pair pair(options, {.alpn = {"h2", "http/1.1"}}, "ONE.test");
  ASSERT_TRUE(pair.open());
  for (const Session* session : {pair.client.get(), pair.server.get()}) {
    EXPECT_EQ(session->info().version, GetParam());
    EXPECT_EQ(session->info().alpn, "http/1.1");
    EXPECT_EQ(session->info().server_name, "one.test");
    EXPECT_FALSE(session->info().resumed);
  }
  EXPECT_EQ(pair.client->info().peer_subject, "CN=one.test");
  EXPECT_EQ(pair.server->info().peer_subject, "");
  EXPECT_EQ(pair.client->Write(AsBytes("question")), 8u);
  EXPECT_EQ(pair.server->Write(AsBytes("answer")), 6u);
  pair.wire.Run();
  EXPECT_EQ(pair.wire.at_server, "question");
  EXPECT_EQ(pair.wire.at_client, "answer");
}

TEST_P(BothVersions, ByteByByte) {
  Pair pair(Server(), {}, "one.test", 1);
  ASSERT_TRUE(pair.open());
  pair.client->Write(AsBytes("question"));
  pair.wire.Run();
  EXPECT_EQ(pair.wire.at_server, "question");
}

TEST(SessionTest, NoCommonVersion) {
  ServerOptions options = One();
  options.version_min = Version::kTls13;
  Pair pair(options, {.version_max = Version::kTls12});
  EXPECT_EQ(pair.server->error(), SessionError::kNoCommonVersion);
  EXPECT_EQ(pair.client->error(), SessionError::kPeerAlert);
  EXPECT_NE(pair.client->detail(), "");
}

// RFC 7301 §3.2.
TEST_P(BothVersions, NoCommonProtocolIsRefused) {
  ServerOptions options = Server();
  options.alpn = {"http/1.1"};
  Pair pair(options, {.alpn = {"h2"}});
  EXPECT_EQ(pair.server->error(), SessionError::kNoCommonAlpn);
  EXPECT_EQ(pair.client->error(), SessionError::kPeerAlert);
  EXPECT_TRUE(Pair(options, {}).open());  // None offered.
}

// -- Whom to trust ------------------------------------------------------------

TEST_P(BothVersions, TheHostMustBeTheOneAskedFor) {
  EXPECT_TRUE(Pair(Server(), {}, "www.one.test").open());
  for (const char* name : {"two.test", "one.test.two.test", "127.0.0.1", "::1",
                           "a.one.test", "test"}) {
    Pair pair(Server(), {}, name);
    EXPECT_EQ(pair.client->error(), SessionError::kCertificateHost) << name;
    if (GetParam() == Version::kTls12) {
      EXPECT_EQ(pair.server->error(), SessionError::kPeerAlert) << name;
    }
    EXPECT_EQ(pair.client->Write(AsBytes("secret")), 0u);
  }
  EXPECT_TRUE(Pair(Server(), {.verify = false}, "two.test").open());
}

TEST_P(BothVersions, AddressesAreHostsToo) {
  ServerOptions options = Server();
  options.certificates = {TestCertificate("address")};
  EXPECT_TRUE(Pair(options, {}, "127.0.0.1").open());
  EXPECT_TRUE(Pair(options, {}, "::1").open());
  EXPECT_EQ(Pair(options, {}, "127.0.0.2").client->error(),
            SessionError::kCertificateHost);
  EXPECT_EQ(Pair(options, {}, "127.0.0.1").server->info().server_name, "");
}

TEST(SessionTest, ANameThatCannotBeVerifiedFailsAtOnce) {
  for (const std::string& name :
       {std::string(), std::string(256, 'a'), std::string("a\0b", 3)}) {
    const auto session = Session::Client(MakeClient({}), name);
    EXPECT_EQ(session->error(), SessionError::kCertificateHost);
    session->OnCipher(kNow, {});
    EXPECT_EQ(session->cipher_pending(), 0u);
  }
  EXPECT_TRUE(Pair(One(), {.verify = false}, "").open());
}

TEST_P(BothVersions, CertificatesHaveTheirTime) {
  ServerOptions options = Server();
  options.certificates = {TestCertificate("expired")};  // Of the year 2020.
  EXPECT_EQ(Pair(options, {}).client->error(),
            SessionError::kCertificateExpired);
  // The authority's own certificate is younger than that.
  const absl::Time begin =
      absl::FromCivil(absl::CivilDay(2019, 12, 31), absl::UTCTimeZone());
  EXPECT_EQ(Pair(Server(), {}, "one.test", 1 << 16, begin).client->error(),
            SessionError::kCertificateExpired);
}

TEST_P(BothVersions, OnlyWhoseAuthorityIsKnown) {
  Pair pair(Server(), {.ca = TestFile("other_ca.pem")});
  EXPECT_EQ(pair.client->error(), SessionError::kCertificateUntrusted);
  // The chain is what makes it known.
  ServerOptions options = Server();
  options.certificates = {TestCertificate("deep")};
  EXPECT_TRUE(Pair(options, {}, "deep.test").open());
  std::string& chain = options.certificates[0].chain;
  chain.resize(chain.find("-----END") + 26);
  EXPECT_EQ(Pair(options, {}, "deep.test").client->error(),
            SessionError::kCertificateUntrusted);
}

// A certificate of a client is none of a server, and the other way round.
TEST_P(BothVersions, ACertificateServesItsPurpose) {
  ServerOptions options = Server();
  options.certificates = {TestCertificate("client")};
  EXPECT_EQ(Pair(options, {}).client->error(),
            SessionError::kCertificateUntrusted);
}

TEST_P(BothVersions, TheNameChoosesTheCertificate) {
  ServerOptions options = Server();
  options.certificates.push_back(TestCertificate("wild"));
  options.certificates.push_back(TestCertificate("deep"));
  for (const auto& [name, subject] : {std::pair("one.test", "CN=one.test"),
                                      std::pair("a.wild.test", "CN=wild.test"),
                                      std::pair("A.Wild.test", "CN=wild.test"),
                                      std::pair("deep.test", "CN=deep.test")}) {
    Pair pair(options, {}, name);
    ASSERT_TRUE(pair.open()) << name;
    EXPECT_EQ(pair.client->info().peer_subject, subject);
  }
  Pair unknown(options, {.verify = false}, "unknown.test");
  EXPECT_EQ(unknown.client->info().peer_subject, "CN=one.test");
}

// -- Certificates of clients --------------------------------------------------

TEST_P(BothVersions, AClientShowsWhoItIs) {
  ServerOptions options = Server();
  options.client_certificates = ClientCertificates::kRequired;
  options.client_ca = TestFile("ca.pem");
  Pair pair(options, {.certificate = TestCertificate("client")});
  ASSERT_TRUE(pair.open());
  EXPECT_EQ(pair.server->info().peer_subject, "O=Ballast tests,CN=client one");
  // None, where one is required.
  EXPECT_EQ(Pair(options, {}).server->error(),
            SessionError::kNoPeerCertificate);
  // Another authority's, and one that is no client's.
  for (const char* name : {"stranger", "one"}) {
    EXPECT_EQ(
        Pair(options, {.certificate = TestCertificate(name)}).server->error(),
        SessionError::kCertificateUntrusted)
        << name;
  }
}

TEST_P(BothVersions, AClientThatIsAskedMayHaveNone) {
  ServerOptions options = Server();
  options.client_certificates = ClientCertificates::kAsked;
  options.client_ca = TestFile("ca.pem");
  Pair none(options, {});
  ASSERT_TRUE(none.open());
  EXPECT_EQ(none.server->info().peer_subject, "");
  EXPECT_EQ(Pair(options, {.certificate = TestCertificate("stranger")})
                .server->error(),
            SessionError::kCertificateUntrusted);
}

// -- Ends ---------------------------------------------------------------------

TEST_P(BothVersions, ClosingIsSaidAndTheOtherMayFinish) {
  Pair pair(Server(), {});
  pair.client->Write(AsBytes("question"));
  pair.client->Close();
  EXPECT_EQ(pair.client->Write(AsBytes("more")), 0u);
  pair.wire.Run();
  EXPECT_EQ(pair.wire.at_server, "question");
  EXPECT_EQ(pair.server->state(), SessionState::kPeerClosed);
  EXPECT_EQ(pair.client->state(), SessionState::kOpen);
  EXPECT_EQ(pair.server->Write(AsBytes("answer")), 6u);
  pair.server->Close();
  pair.wire.Run();
  EXPECT_EQ(pair.wire.at_client, "answer");
  EXPECT_EQ(pair.client->state(), SessionState::kPeerClosed);
  pair.client->OnWireEnd();
  EXPECT_EQ(pair.client->state(), SessionState::kPeerClosed);
}

TEST_P(BothVersions, CipherMayBeTakenWithoutACopy) {
  Pair pair(Server(), {});
  std::vector<uint8_t> cipher;
  for (int i = 0; i < 3; ++i) {
    const std::string piece(40'000, static_cast<char>('a' + i));
    EXPECT_EQ(pair.client->Write(AsBytes(piece)), piece.size());
    std::array<uint8_t, 7> first;  // Of a record.
    ASSERT_EQ(pair.client->TakeCipher(first), first.size());
    pair.client->TakeCipher(&cipher);
    EXPECT_EQ(pair.client->cipher_pending(), 0u);
    EXPECT_GT(cipher.size(), piece.size());
    pair.server->OnCipher(kNow, first);
    std::vector<uint8_t> plain(piece.size());
    size_t read = 0;
    for (std::span<const uint8_t> left = cipher; !left.empty();) {
      left = left.subspan(pair.server->OnCipher(kNow, left));
      read += pair.server->Read(std::span(plain).subspan(read));
    }
    EXPECT_EQ(std::string(plain.begin(), plain.end()), piece);
  }
  pair.client->TakeCipher(&cipher);
  EXPECT_TRUE(cipher.empty());
}

TEST_P(BothVersions, AWireCutOffIsTold) {
  Pair pair(Server(), {});
  pair.client->Write(AsBytes("question"));
  std::array<uint8_t, 4096> bytes;
  const size_t count = pair.client->TakeCipher(bytes);
  pair.server->OnCipher(kNow, std::span(bytes).first(count));
  // What came whole is read first.
  pair.server->OnWireEnd();
  EXPECT_EQ(pair.server->state(), SessionState::kOpen);
  std::array<uint8_t, 100> plain;
  EXPECT_EQ(pair.server->Read(plain), 8u);
  EXPECT_EQ(pair.server->error(), SessionError::kTruncated);
  // In a record.
  pair.client->OnCipher(kNow, std::vector<uint8_t>{23, 3, 3, 0, 100, 1});
  pair.client->OnWireEnd();
  EXPECT_EQ(pair.client->error(), SessionError::kTruncated);
  // In the handshake.
  const auto session = Session::Server(MakeServer(One()));
  session->OnCipher(kNow, std::vector<uint8_t>{22, 3, 1});
  session->OnWireEnd();
  EXPECT_EQ(session->error(), SessionError::kTruncated);
}

TEST(SessionTest, WhoDoesNotSpeakTlsIsTold) {
  for (const char* text : {"GET / HTTP/1.1\r\n\r\n", "EHLO one.test\r\n",
                           "SSH-2.0-OpenSSH_9.2\r\n"}) {
    const auto session = Session::Server(MakeServer(One()));
    session->OnCipher(kNow, AsBytes(text));
    EXPECT_EQ(session->error(), SessionError::kNotTls) << text;
    EXPECT_EQ(session->OnCipher(kNow, AsBytes(text)), std::string(text).size());
    EXPECT_EQ(session->Write(AsBytes("secret")), 0u);
  }
}

TEST_P(BothVersions, AChangedBitIsNotTaken) {
  Pair pair(Server(), {});
  pair.client->Write(AsBytes("question"));
  std::vector<uint8_t> bytes(4096);
  bytes.resize(pair.client->TakeCipher(bytes));
  bytes.back() ^= 1;
  pair.server->OnCipher(kNow, bytes);
  std::array<uint8_t, 100> plain;
  EXPECT_EQ(pair.server->Read(plain), 0u);
  EXPECT_EQ(pair.server->error(), SessionError::kBadRecord);
  EXPECT_GT(pair.server->cipher_pending(), 0u);  // The alert.
  pair.wire.Run();
  EXPECT_EQ(pair.client->error(), SessionError::kPeerAlert);
}

// -- Bounds -------------------------------------------------------------------

TEST_P(BothVersions, BothDirectionsHaveABound) {
  Pair pair(Server(), {});
  const std::string much(1 << 20, 'x');
  // What is written waits for whoever sends it.
  size_t written = pair.client->Write(AsBytes(much));
  EXPECT_FALSE(pair.client->writable());
  EXPECT_EQ(pair.client->Write(AsBytes(much)), 0u);
  EXPECT_GE(pair.client->cipher_pending(), Session::kCipherOutMax);
  EXPECT_LT(pair.client->cipher_pending(), Session::kCipherOutMax + 17000);
  // What is taken waits for whoever reads it.
  std::vector<uint8_t> bytes(Session::kCipherOutMax);
  pair.client->TakeCipher(bytes);
  size_t taken = pair.server->OnCipher(kNow, bytes);
  EXPECT_EQ(taken, Session::kCipherInMax);
  EXPECT_EQ(pair.server->cipher_room(), 0u);
  EXPECT_EQ(pair.server->OnCipher(kNow, std::span(bytes).subspan(taken)), 0u);
  std::vector<uint8_t> plain(1 << 16);
  size_t read = 0;
  while (taken < bytes.size()) {
    read += pair.server->Read(plain);
    taken += pair.server->OnCipher(kNow, std::span(bytes).subspan(taken));
  }
  read += pair.server->Read(plain);
  EXPECT_EQ(read, written / 16384 * 16384 - 16384);  // The last is not whole.
}

TEST_P(BothVersions, AMegabyteArrivesWhole) {
  for (const size_t piece : {1000, 16384, 1 << 16}) {
    Pair pair(Server(), {}, "one.test", piece);
    std::mt19937 prng(42);
    std::string much(1 << 20, 0);
    for (char& c : much) c = static_cast<char>(prng());
    for (size_t at = 0; at < much.size();) {
      at += pair.client->Write(AsBytes(much).subspan(at));
      pair.wire.Run();
    }
    EXPECT_EQ(pair.wire.at_server, much);
    pair.client->Trim();
    pair.server->Trim();
    pair.server->Write(AsBytes("thanks"));
    pair.wire.Run();
    EXPECT_EQ(pair.wire.at_client, "thanks");
  }
}

// -- Resumption ---------------------------------------------------------------

class Resuming {
 public:
  Resuming(ServerOptions options, size_t sessions_max = 100) {
    options.ticket_keys = {MakeTicketKey(std::array<uint8_t, 32>{7})};
    server_ = MakeServer(options);
    cache = std::make_shared<ResumptionCache>(sessions_max);
  }
  // Whether the connection was resumed.
  bool Connect(absl::string_view name, absl::Time now = kNow) {
    const auto client =
        Session::Client(context_, name, {cache, absl::StrCat("server ", name)});
    const auto server = Session::Server(server_);
    Wire wire{.client = client.get(),
              .server = server.get(),
              .at_client = {},
              .at_server = {},
              .piece = 1 << 16,
              .now = now};
    wire.Run();
    EXPECT_EQ(client->state(), SessionState::kOpen);
    EXPECT_EQ(client->info().resumed, server->info().resumed);
    // As long as it goes on, more tickets may come.
    server->Write(AsBytes("answer"));
    wire.Run();
    EXPECT_EQ(wire.at_client, "answer");
    return client->info().resumed;
  }

  std::shared_ptr<ResumptionCache> cache;

 private:
  std::shared_ptr<const ServerContext> server_;
  std::shared_ptr<const ClientContext> context_ = MakeClient({});
};

TEST_P(BothVersions, AClientResumesWhatItsServerGave) {
  Resuming resuming(Server());
  EXPECT_FALSE(resuming.Connect("one.test"));
  EXPECT_GT(resuming.cache->size(), 0u);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(resuming.Connect("one.test")) << i;
  EXPECT_LE(resuming.cache->size(), ResumptionCache::kPerKeyMax);
  // As another name it is another's: the server's tickets are bound to it, too.
  EXPECT_FALSE(resuming.Connect("www.one.test"));
  // Tickets are good for two hours.
  EXPECT_TRUE(resuming.Connect("one.test", kNow + absl::Minutes(119)));
  EXPECT_FALSE(resuming.Connect("one.test", kNow + absl::Hours(5)));
}

// RFC 8446 §C.4.
TEST_P(BothVersions, OnlySessionsOfTls12AreUsedTwice) {
  Resuming resuming(Server());
  resuming.Connect("one.test");
  auto first = resuming.cache->Take("server one.test");
  ASSERT_NE(first, nullptr);
  while (const auto next = resuming.cache->Take("server one.test")) {
    if (GetParam() == Version::kTls12) break;
    EXPECT_NE(next.get(), first.get());
  }
  EXPECT_EQ(resuming.cache->size(), GetParam() == Version::kTls12 ? 1u : 0u);
}

TEST_P(BothVersions, TheCacheIsBoundedAndTheOldestGoes) {
  Resuming resuming(Server(), 2);
  resuming.Connect("one.test");
  resuming.Connect("www.one.test");
  resuming.Connect("www.one.test");
  EXPECT_LE(resuming.cache->size(), 2u);
  EXPECT_TRUE(resuming.Connect("www.one.test"));
  Resuming none(Server(), 0);
  none.Connect("one.test");
  EXPECT_FALSE(none.Connect("one.test"));
}

// -- Contexts -----------------------------------------------------------------

TEST_P(BothVersions, AConnectionOutlivesItsContextsReplacement) {
  auto context = MakeServer(Server());
  const auto client = Session::Client(MakeClient({}), "one.test");
  const auto server = Session::Server(context);
  context = MakeServer({.certificates = {TestCertificate("wild")}});
  Wire wire{.client = client.get(),
            .server = server.get(),
            .at_client = {},
            .at_server = {}};
  wire.Run();
  EXPECT_EQ(client->info().peer_subject, "CN=one.test");
  client->Write(AsBytes("question"));
  wire.Run();
  EXPECT_EQ(wire.at_server, "question");
}

}  // namespace
}  // namespace ballast::tls
