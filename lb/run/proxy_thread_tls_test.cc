// A proxy's thread whose clients or servers speak TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/clock.h"
#include "lb/run/proxy_thread_testing.h"
#include "lb/tls/tls_testing.h"

namespace ballast::run {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using ProxyThreadTlsTest = ProxyThreadTest;

TEST_P(ProxyThreadTlsTest, ClientsMaySpeakTls) {
  TestServer server(1000);
  tls::ServerOptions options;
  options.certificates = {tls::TestCertificate("one")};
  Start(server.endpoint(), 100, tls::MakeServer(options));
  if (IsSkipped()) return;
  const UniqueFd fd = Connect();
  const auto session =
      tls::Session::Client(tls::MakeClient({.verify = false}), "");
  const auto pump = [&] {
    std::vector<uint8_t> cipher(session->cipher_pending());
    cipher.resize(session->TakeCipher(cipher));
    SendAll(fd.get(),
            {reinterpret_cast<const char*>(cipher.data()), cipher.size()});
  };
  session->OnCipher(tls::kNow, {});
  std::string text;
  bool asked = false;
  // A target long enough for several records.
  const std::string target = absl::StrCat("/", std::string(7000, 'a'), "z");
  while (!absl::EndsWith(text, "z")) {
    pump();
    const std::string more = ReceiveSome(fd.get());
    ASSERT_NE(more, "") << text;
    ASSERT_NE(more[0], '(') << text;
    for (auto left = tls::AsBytes(more); !left.empty();) {
      left = left.subspan(session->OnCipher(tls::kNow, left));
      std::vector<uint8_t> plain(1 << 16);
      while (const size_t read = session->Read(plain)) {
        text.append(plain.begin(),
                    plain.begin() + static_cast<ptrdiff_t>(read));
      }
    }
    if (!asked && session->writable()) {
      asked = true;
      const std::string request =
          absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n");
      EXPECT_EQ(session->Write(tls::AsBytes(request)), request.size());
    }
  }
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(text, HasSubstr(target));
  // What is no TLS gets no answer of HTTP.
  const UniqueFd plain = Connect();
  SendAll(plain.get(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(absl::StartsWith(ReceiveSome(plain.get()), "HTTP"));
}

// Of several handshakes: on a busy machine any one acknowledgement may be late.
// One that is held back for data to go with it is so for 40 ms.
TEST_P(ProxyThreadTlsTest, AClientsLastWordOfTheHandshakeIsAcknowledgedAtOnce) {
  TestServer server(1000);
  tls::ServerOptions options;
  options.certificates = {tls::TestCertificate("one")};
  Start(server.endpoint(), 100, tls::MakeServer(options));
  if (IsSkipped()) return;
  absl::Duration shortest = absl::InfiniteDuration();
  for (int i = 0; i < 10 && shortest > absl::Milliseconds(20); ++i) {
    const UniqueFd fd = Connect();
    const auto session =
        tls::Session::Client(tls::MakeClient({.verify = false}), "");
    const auto pump = [&] {
      std::vector<uint8_t> cipher;
      session->TakeCipher(&cipher);
      SendAll(fd.get(),
              {reinterpret_cast<const char*>(cipher.data()), cipher.size()});
    };
    session->OnCipher(tls::kNow, {});
    while (session->state() == tls::SessionState::kHandshake) {
      pump();
      const std::string more = ReceiveSome(fd.get());
      session->OnCipher(tls::kNow, tls::AsBytes(more));
    }
    ASSERT_EQ(session->state(), tls::SessionState::kOpen);
    const absl::Time begin = absl::Now();
    pump();
    tcp_info info = {};
    do {
      socklen_t size = sizeof(info);
      ASSERT_EQ(getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    } while (info.tcpi_unacked > 0 && absl::Now() - begin < absl::Seconds(1));
    shortest = std::min(shortest, absl::Now() - begin);
  }
  EXPECT_LT(shortest, absl::Milliseconds(20));
}

// A proxy that speaks TLS to another one.
TEST_P(ProxyThreadTlsTest, ServersMaySpeakTls) {
  TestServer server(1000);
  tls::ServerOptions options;
  options.certificates = {tls::TestCertificate("address")};
  Start(server.endpoint(), 100, tls::MakeServer(options));
  if (IsSkipped()) return;
  const auto behind = std::move(thread_);
  const auto behind_service = std::move(service_);
  const Endpoint at = address_.endpoint();
  const auto errors = [](const ProxyService& service, auto counted,
                         tls::SessionError error) {
    return ((*service.counted).*counted)[static_cast<size_t>(error)].value();
  };

  Start(at, 100, nullptr,
        std::make_shared<ServerTls>(tls::MakeClient({}), "127.0.0.1", 1));
  for (int i = 0; i < 10; ++i) {
    const UniqueFd client = Connect();
    // Long enough for several records.
    const std::string target = absl::StrCat("/", std::string(7000, 'a'), i);
    EXPECT_THAT(Get(client.get(), target), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  ProxyThread::Stats stats;
  behind->Call([&](ProxyThread& thread) { stats = thread.stats(); });
  EXPECT_EQ(stats.accepted, 1u);
  thread_.reset();

  // Not who it should be; it is told so.
  Start(at, 100, nullptr,
        std::make_shared<ServerTls>(tls::MakeClient({}), "one.test", 1));
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/a"), StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(errors(*service_, &ProxyService::Counted::server_tls_failed,
                   tls::SessionError::kCertificateHost),
            3u);
  thread_.reset();
  const Instant end = MonotonicNow() + absl::Seconds(10);
  while (errors(*behind_service, &ProxyService::Counted::client_tls_failed,
                tls::SessionError::kPeerAlert) < 3 &&
         MonotonicNow() < end) {
  }
  EXPECT_EQ(errors(*behind_service, &ProxyService::Counted::client_tls_failed,
                   tls::SessionError::kPeerAlert),
            3u);
}

// A client of a stream, with TLS.
class TlsClient {
 public:
  TlsClient(UniqueFd fd, const std::string& name)
      : fd_(std::move(fd)),
        session_(
            tls::Session::Client(tls::MakeClient({.verify = false}), name)) {
    session_->OnCipher(tls::kNow, {});
    Pump();
    while (!session_->writable() && Turn()) {
    }
  }
  // The answer's first bytes; "" if there is none.
  std::string Ask(absl::string_view text) {
    session_->Write(tls::AsBytes(text));
    Pump();
    return Read();
  }
  std::string Read() {
    std::array<uint8_t, 4096> plain;
    while (true) {
      if (const size_t size = session_->Read(plain)) {
        return std::string(plain.begin(), plain.begin() + size);
      }
      if (!Turn()) return "";
    }
  }

 private:
  void Pump() {
    std::vector<uint8_t> cipher(session_->cipher_pending());
    cipher.resize(session_->TakeCipher(cipher));
    SendAll(fd_.get(),
            {reinterpret_cast<const char*>(cipher.data()), cipher.size()});
  }
  bool Turn() {
    const std::string more = ReceiveSome(fd_.get());
    if (more.empty() || more[0] == '(') return false;
    session_->OnCipher(tls::kNow, tls::AsBytes(more));
    Pump();
    return true;
  }
  UniqueFd fd_;
  std::unique_ptr<tls::Session> session_;
};

// Whoever speaks first.
TEST_P(ProxyThreadTlsTest, StreamsHaveServersOfTheNameTheirClientAsksFor) {
  TestServer server(1000);
  tls::ServerOptions options;
  options.certificates = {tls::TestCertificate("one")};
  Start(server.endpoint(), 100, tls::MakeServer(options));
  if (IsSkipped()) return;
  const auto behind = std::move(thread_);
  const auto behind_service = std::move(service_);
  const Endpoint at = address_.endpoint();
  options.certificates.push_back(tls::TestCertificate("wild"));
  const std::string ask = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const bool server_first : {false, true}) {
    Start(at, 100, tls::MakeServer(options),
          std::make_shared<ServerTls>(tls::MakeClient({}), "", 1));
    thread_->Call([&](ProxyThread&) {
      service_->http = false;
      service_->settings.stream.server_speaks_first = server_first;
    });
    EXPECT_THAT(TlsClient(Connect(), "one.test").Ask(ask),
                StartsWith("HTTP/1.1 200 OK"));
    const auto failed = [&] {
      return service_->counted
          ->server_tls_failed[static_cast<size_t>(
              tls::SessionError::kCertificateHost)]
          .value();
    };
    EXPECT_EQ(failed(), 0u);
    // It would be wrong for others, whoever serves them, and so is refused.
    EXPECT_EQ(TlsClient(Connect(), "wild.test").Ask(ask), "");
    EXPECT_EQ(failed(), 3u);
    EXPECT_EQ(TlsClient(Connect(), "").Ask(ask), "");  // By its address, then.
    EXPECT_EQ(failed(), 6u);
    thread_.reset();
  }
}

TEST_P(ProxyThreadTlsTest, WhoIsRefusedIsToldWhy) {
  TestServer server(1000);
  tls::ServerOptions options;
  options.certificates = {tls::TestCertificate("one")};
  options.version_min = tls::Version::kTls13;
  Start(server.endpoint(), 100, tls::MakeServer(options));
  if (IsSkipped()) return;
  const UniqueFd fd = Connect();
  const auto session = tls::Session::Client(
      tls::MakeClient({.verify = false, .version_max = tls::Version::kTls12}),
      "");
  session->OnCipher(tls::kNow, {});
  std::vector<uint8_t> cipher(session->cipher_pending());
  cipher.resize(session->TakeCipher(cipher));
  SendAll(fd.get(),
          {reinterpret_cast<const char*>(cipher.data()), cipher.size()});
  // What it sends meanwhile does no harm.
  SendAll(fd.get(), std::string(1000, 'x'));
  const std::string alert = ReceiveSome(fd.get());
  session->OnCipher(tls::kNow, tls::AsBytes(alert));
  EXPECT_EQ(session->error(), tls::SessionError::kPeerAlert);
  EXPECT_EQ(ReceiveSome(fd.get()), "");
}

INSTANTIATE_TEST_SUITE_P(Backends, ProxyThreadTlsTest, AllBackends(),
                         BackendName);

}  // namespace
}  // namespace ballast::run
