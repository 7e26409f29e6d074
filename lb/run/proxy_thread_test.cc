// A proxy's thread with real sockets on the loopback: clients and servers are
// threads with blocking ones.
#include "lb/run/proxy_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "io/clock.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "lb/l7/limiter.h"
#include "lb/l7/server_counters.h"
#include "lb/run/server_news.h"
#include "lb/tls/tls_testing.h"
#include "persist/key_store.h"

namespace ballast::run {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Waits for bytes; "" at the end of the stream.
std::string ReceiveSome(int fd) {
  pollfd waited = {fd, POLLIN, 0};
  if (poll(&waited, 1, 10'000) != 1) return "(nothing came)";
  std::array<char, 65536> buffer;
  const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
  return size <= 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
}
void SendAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    pollfd waited = {fd, POLLOUT, 0};
    poll(&waited, 1, 10'000);
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

// Answers each request with its target, but "/silent".
class TestServer {
 public:
  // `requests_max`: as many on a connection, which it then closes without a
  // word.
  explicit TestServer(int requests_max) : requests_max_(requests_max) {
    listener_ = ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value();
    thread_ = std::thread([this] { Run(); });
  }
  ~TestServer() {
    stop_ = true;
    thread_.join();
  }
  Endpoint endpoint() const {
    return SocketAddress::Local(listener_.get()).endpoint();
  }
  int connections() const { return connections_; }

 private:
  void Run() {
    std::vector<std::thread> threads;
    while (!stop_) {
      pollfd waited = {listener_.get(), POLLIN, 0};
      if (poll(&waited, 1, 20) != 1) continue;
      const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      ++connections_;
      threads.emplace_back([this, fd] { Serve(UniqueFd(fd)); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  void Serve(UniqueFd fd) {
    std::string text;
    for (int served = 0; served < requests_max_;) {
      pollfd waited = {fd.get(), POLLIN, 0};
      if (poll(&waited, 1, 20) != 1) {
        if (stop_) return;
        continue;
      }
      const std::string more = ReceiveSome(fd.get());
      if (more.empty()) return;
      text += more;
      size_t end;
      while ((end = text.find("\r\n\r\n")) != std::string::npos) {
        const size_t target = text.find(' ') + 1;
        const std::string body =
            text.substr(target, text.find(' ', target) - target);
        text.erase(0, end + 4);
        if (body == "/silent") continue;
        SendAll(fd.get(), absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ",
                                       body.size(), "\r\n\r\n", body));
        ++served;
      }
    }
  }

  const int requests_max_;
  UniqueFd listener_;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

class ProxyThreadTest
    : public ::testing::TestWithParam<ReactorOptions::Backend> {
 protected:
  void Start(const Endpoint& server, size_t connections_max = 100,
             std::shared_ptr<const tls::ServerContext> tls = nullptr,
             std::shared_ptr<const ServerTls> server_tls = nullptr) {
    ProxyThread::Options options;
    options.connections_max = connections_max;
    options.reactor.backend = GetParam();
    options.reactor.log = [](absl::string_view) {};
    auto thread = ProxyThread::Start(options);
    if (absl::IsUnavailable(thread.status())) {
      GTEST_SKIP() << "SKIPPED: " << thread.status();
    }
    ASSERT_THAT(thread, IsOk());
    thread_ = *std::move(thread);
    auto plan = std::make_shared<l7::ServicePlan>();
    plan->config.l7.emplace();
    plan->config.servers.emplace_back().endpoint = server;
    plan->ids = {{1}};
    plan->tables = {1};
    plan->store = *persist::KeyStore::Create({.limit = 10});
    service_ = std::make_shared<ProxyService>();
    service_->id = 1;
    service_->chooser = std::make_shared<l7::ServiceChooser>();
    service_->counted = std::make_shared<ProxyService::Counted>();
    service_->tls = std::move(tls);
    service_->server_tls = std::move(server_tls);
    UniqueFd listener = ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value();
    address_ = SocketAddress::Local(listener.get());
    thread_->Call([&](ProxyThread& thread) {
      service_->chooser->Apply(thread.Now(), plan);
      std::vector<ProxyThread::Placed> placed(1);
      placed[0].service = service_;
      placed[0].listeners.push_back(std::move(listener));
      thread.SetServices(std::move(placed));
    });
  }
  UniqueFd Connect() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), address_.get(), address_.length()), 0);
    return fd;
  }
  static std::string Get(int fd, const std::string& target) {
    SendAll(fd, absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n"));
    std::string text;
    while (!absl::EndsWith(text, target)) {
      const std::string more = ReceiveSome(fd);
      if (more.empty() || more[0] == '(') return absl::StrCat(text, more);
      text += more;
    }
    return text;
  }
  ProxyThread::Stats Stats() {
    ProxyThread::Stats stats;
    thread_->Call([&](ProxyThread& thread) { stats = thread.stats(); });
    return stats;
  }

  std::unique_ptr<ProxyThread> thread_;
  std::shared_ptr<ProxyService> service_;
  SocketAddress address_;
};

TEST_P(ProxyThreadTest, ServersConnectionsAreUsedAgain) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  for (int i = 0; i < 10; ++i) {
    const UniqueFd client = Connect();
    for (int j = 0; j < 10; ++j) {
      const std::string target = absl::StrCat("/", i, "/", j);
      EXPECT_THAT(Get(client.get(), target), StartsWith("HTTP/1.1 200 OK\r\n"));
    }
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(Stats().accepted, 10u);
}

TEST_P(ProxyThreadTest, AServerThatClosesAfterEachAnswerIsNoFailure) {
  TestServer server(1);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(Get(client.get(), absl::StrCat("/", i)),
                StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  EXPECT_GE(server.connections(), 50);
}

// What a server says on an idle connection, or its end, is there when the next
// request comes, with the proxy's thread busy elsewhere: the client's bytes are
// seen first. None of it is an answer to that.
TEST_P(ProxyThreadTest, WhatCameBeforeARequestDoesNotAnswerIt) {
  const UniqueFd listener = ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value();
  Start(SocketAddress::Local(listener.get()).endpoint());
  if (IsSkipped()) return;
  const auto accepted = [&] {
    pollfd waited = {listener.get(), POLLIN, 0};
    EXPECT_EQ(poll(&waited, 1, 10'000), 1);
    return UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  };
  const auto answer = [](absl::string_view text) {
    return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", text.size(),
                        "\r\n\r\n", text);
  };
  const UniqueFd client = Connect();
  std::vector<UniqueFd> servers;
  for (int i = 0; i < 6; ++i) {
    const std::string request = "POST / HTTP/1.1\r\nHost: h\r\n\r\n";
    if (i == 0) {
      SendAll(client.get(), request);
    } else {
      std::promise<void> go;
      std::atomic<bool> stands{false};
      ASSERT_TRUE(thread_->Post([&](ProxyThread&) {
        stands = true;
        go.get_future().wait();
      }));
      while (!stands) {
      }
      SendAll(client.get(), request);
      if (i % 2 == 1) {
        SendAll(servers.back().get(), answer("wrong"));
      } else {
        servers.back() = UniqueFd();
      }
      go.set_value();
    }
    servers.push_back(accepted());
    ASSERT_TRUE(servers.back().valid());
    EXPECT_THAT(ReceiveSome(servers.back().get()), HasSubstr(" / HTTP/1.1"));
    SendAll(servers.back().get(), answer("right"));
    const std::string got = ReceiveSome(client.get());
    EXPECT_THAT(got, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(got, EndsWith("right")) << i;
  }
  uint64_t stale = 0;
  thread_->Call(
      [&](ProxyThread& thread) { stale = thread.pool().stats().stale; });
  EXPECT_EQ(stale, 5u);
}

TEST_P(ProxyThreadTest, NobodyListeningIs502OrSo) {
  const Endpoint nobody = [] {
    return SocketAddress::Local(
               ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value().get())
        .endpoint();
  }();
  Start(nobody);
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/"), StartsWith("HTTP/1.1 50"));
}

TEST_P(ProxyThreadTest, OneTooManyIsClosedAndCounted) {
  TestServer server(1000);
  Start(server.endpoint(), 1);
  if (IsSkipped()) return;
  const UniqueFd first = Connect();
  EXPECT_THAT(Get(first.get(), "/a"), HasSubstr("/a"));
  const UniqueFd second = Connect();
  EXPECT_EQ(ReceiveSome(second.get()), "");
  EXPECT_EQ(Stats().too_many, 1u);
  EXPECT_THAT(Get(first.get(), "/b"), HasSubstr("/b"));
}

TEST_P(ProxyThreadTest, IdleConnectionsOfARemovedServiceEnd) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/a"), HasSubstr("/a"));
  thread_->Call([](ProxyThread& thread) { thread.SetServices({}); });
  EXPECT_EQ(ReceiveSome(client.get()), "");
  UniqueFd late(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(connect(late.get(), address_.get(), address_.length()), 0);
}

// Whatever state connections are in when a thread ends.
TEST_P(ProxyThreadTest, EndsWithConnectionsInEveryState) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd idle = Connect();
  EXPECT_THAT(Get(idle.get(), "/a"), HasSubstr("/a"));
  const UniqueFd silent = Connect();
  const UniqueFd partly = Connect();
  SendAll(partly.get(), "GET / HT");
  const UniqueFd body = Connect();
  SendAll(body.get(),
          "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx");
  while (Stats().connections < 4) {
  }
  thread_.reset();
  for (const UniqueFd* fd : {&idle, &silent, &partly}) {
    EXPECT_EQ(ReceiveSome(fd->get()), "");
  }
}

TEST_P(ProxyThreadTest, ClientsMaySpeakTls) {
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
TEST_P(ProxyThreadTest, AClientsLastWordOfTheHandshakeIsAcknowledgedAtOnce) {
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
TEST_P(ProxyThreadTest, ServersMaySpeakTls) {
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
TEST_P(ProxyThreadTest, StreamsHaveServersOfTheNameTheirClientAsksFor) {
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

TEST_P(ProxyThreadTest, WhoIsRefusedIsToldWhy) {
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

TEST_P(ProxyThreadTest, OrdersArePostedWithoutWaitingUpToABound) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  // The thread stands still, as one without a processor does.
  std::promise<void> go;
  std::atomic<bool> stands{false};
  ASSERT_TRUE(thread_->Post([&](ProxyThread&) {
    stands = true;
    go.get_future().wait();
  }));
  while (!stands) {
  }
  int ran = 0;
  for (size_t i = 0; i < ProxyThread::kOrdersMax; ++i) {
    ASSERT_TRUE(thread_->Post([&](ProxyThread&) { ++ran; }));
  }
  EXPECT_FALSE(thread_->Post([&](ProxyThread&) { ran = -1; }));
  go.set_value();
  thread_->Call([](ProxyThread&) {});  // Behind all of them.
  EXPECT_EQ(ran, static_cast<int>(ProxyThread::kOrdersMax));
}

TEST_P(ProxyThreadTest, NewsThatAFullMailboxRefusedIsToldLater) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/a"), HasSubstr("/a"));
  std::vector<std::unique_ptr<ProxyThread>> threads;
  threads.push_back(std::move(thread_));
  ServerNews news(threads);
  const std::vector<std::shared_ptr<l7::ServiceChooser>> choosers = {
      service_->chooser};
  const ServerNews::Server about = {.id = 1,
                                    .endpoint = server.endpoint(),
                                    .service = 1,
                                    .choosers = choosers};
  std::promise<void> go;
  std::atomic<bool> stands{false};
  ASSERT_TRUE(threads[0]->Post([&](ProxyThread&) {
    stands = true;
    go.get_future().wait();
  }));
  while (!stands) {
  }
  while (threads[0]->Post([](ProxyThread&) {})) {
  }
  news.Health(about, false);
  news.Send();
  EXPECT_EQ(news.refused(), 1u);
  go.set_value();
  threads[0]->Call([](ProxyThread&) {});
  EXPECT_TRUE(service_->chooser->up());
  news.Send();
  news.Send();  // Nothing is told twice.
  threads[0]->Call([](ProxyThread&) {});
  EXPECT_FALSE(service_->chooser->up());
  EXPECT_EQ(news.refused(), 1u);
  SendAll(client.get(), "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(ReceiveSome(client.get()), StartsWith("HTTP/1.1 503 "));
}

TEST_P(ProxyThreadTest, WhatIsOpenToACutServerEnds) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd busy = Connect();
  SendAll(busy.get(), "GET /silent HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto made = [&] {
    return service_->chooser->counters(1)->Sum(
        &l7::ServerCounters::OfThread::connections);
  };
  while (made() < 1) {
  }
  const UniqueFd idle = Connect();
  EXPECT_THAT(Get(idle.get(), "/a"), HasSubstr("/a"));
  size_t pooled = 0;
  thread_->Call([&](ProxyThread& thread) {
    thread.CutServer(2, 1, *Endpoint::Parse("127.0.0.2:1"));
    pooled = thread.pool().size();
  });
  EXPECT_EQ(pooled, 1u);
  thread_->Call([&](ProxyThread& thread) {
    thread.CutServer(1, 1, server.endpoint());
    pooled = thread.pool().size();
  });
  EXPECT_EQ(pooled, 0u);
  EXPECT_EQ(ReceiveSome(busy.get()), "");
  // A client that waits for nothing of that server does not notice.
  const int before = server.connections();
  EXPECT_THAT(Get(idle.get(), "/b"), HasSubstr("/b"));
  EXPECT_EQ(server.connections(), before + 1);
}

TEST_P(ProxyThreadTest, OneConnectionTooManyOfAServiceIsToldSoOrClosed) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  auto limiter = std::make_shared<l7::Limiter>(l7::Limiter::Options());
  const auto limits = limiter->NewService();
  config::TrafficLimits configured = {.all = {.connections = 1},
                                      .excess = config::Excess::kStatus429};
  const auto set = [&] {
    thread_->Call([&](ProxyThread& thread) {
      limits->Set(thread.Now(), configured);
      service_->limits = limits;
    });
  };
  set();
  const UniqueFd first = Connect();
  EXPECT_THAT(Get(first.get(), "/a"), HasSubstr("/a"));
  const UniqueFd told = Connect();
  EXPECT_THAT(Get(told.get(), "/b"),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("Retry-After: 1")));
  configured.excess = config::Excess::kClose;
  set();
  const UniqueFd closed = Connect();
  EXPECT_EQ(ReceiveSome(closed.get()), "");
  EXPECT_THAT(Get(first.get(), "/c"), HasSubstr("/c"));
  EXPECT_EQ(limits->refused(l7::LimitReason::kConnections), 2u);
}

TEST_P(ProxyThreadTest, BandwidthPausesReadingAndLosesNothing) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  auto limiter = std::make_shared<l7::Limiter>(l7::Limiter::Options());
  service_->limits = limiter->NewService();
  service_->limits->Set(Instant::FromNanos(0),
                        {.all = {.bandwidth_kbit_s = 800}});
  // Each request and its answer are some 14 KB, of 100 KB a second, after 16 KB
  // at once: the tenth is complete after a second at least.
  const UniqueFd client = Connect();
  const std::string path = absl::StrCat("/", std::string(7000, 'a'), "z");
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Get(client.get(), path), StartsWith("HTTP/1.1 200 OK"));
  }
  EXPECT_GT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  const auto& counted = *service_->counted;
  // What was sent is counted a moment after the client has it.
  while (counted.bytes_out.value() <= 70'000 &&
         absl::Now() - begin < absl::Seconds(10)) {
  }
  EXPECT_GT(counted.bytes_in.value(), 70'000u);
  EXPECT_GT(counted.bytes_out.value(), 70'000u);
  const auto server_counted = service_->chooser->counters(1);
  using OfThread = l7::ServerCounters::OfThread;
  EXPECT_EQ(server_counted->Sum(&OfThread::requests), 10u);
  EXPECT_EQ(server_counted->Sum(&OfThread::connections), 1u);
  EXPECT_EQ(server_counted->Sum(&OfThread::open), 0u);
  EXPECT_GT(server_counted->Sum(&OfThread::bytes_in), 70'000u);
  EXPECT_GT(server_counted->Sum(&OfThread::bytes_out), 70'000u);
}

INSTANTIATE_TEST_SUITE_P(Backends, ProxyThreadTest,
                         ::testing::Values(ReactorOptions::Backend::kIoUring,
                                           ReactorOptions::Backend::kEpoll),
                         [](const auto& info) {
                           return info.param == ReactorOptions::Backend::kEpoll
                                      ? "Epoll"
                                      : "IoUring";
                         });

}  // namespace
}  // namespace ballast::run
