// The listener of the management before clients of all kinds: whoever is slow,
// greedy, or speaks something else costs the others nothing.
#include "lb/run/admin_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "io/base/check.h"
#include "io/unique_fd.h"
#include "lb/admin/fake_backend.h"
#include "lb/admin/password.h"
#include "lb/tls/context.h"
#include "lb/tls/session.h"

namespace ballast::run {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kPatience = absl::Seconds(20);

uint16_t FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{.sin_family = AF_INET};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BALLAST_CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)) ==
                0);
  socklen_t size = sizeof(at);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}

// A blocking client's socket. It gives up after kPatience.
class Wire {
 public:
  explicit Wire(uint16_t port)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open_ =
        connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
    // Not before: with a time limit the kernel says EINTR where it would go on,
    // if this thread has an io_uring with something to do.
    const timeval patience = absl::ToTimeval(kPatience);
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  }
  bool open() const { return open_; }
  bool Send(const void* bytes, size_t size) {
    return send(fd_.get(), bytes, size, MSG_NOSIGNAL) ==
           static_cast<ssize_t>(size);
  }
  // 0: the end, or a reset; below it: nothing came.
  ssize_t Receive(void* bytes, size_t size) {
    const ssize_t got = recv(fd_.get(), bytes, size, 0);
    return got < 0 && errno == ECONNRESET ? 0 : got;
  }
  // Whether the other end has ended it, in the end.
  bool Ends() {
    char bytes[4096];
    ssize_t got;
    while ((got = Receive(bytes, sizeof(bytes))) > 0) {
    }
    return got == 0;
  }
  void Close() { fd_.Reset(); }

 private:
  UniqueFd fd_;
  bool open_;
};

// TLS that takes any certificate.
class Client {
 public:
  explicit Client(uint16_t port, size_t piece = 1 << 16)
      : wire_(port), piece_(piece) {
    static const auto context =
        *tls::ClientContext::Create({.verify = false, .alpn = {"http/1.1"}});
    session_ = tls::Session::Client(context, "");
    session_->OnCipher(absl::Now(), {});
    Flush();
    while (session_->state() == tls::SessionState::kHandshake && Take()) {
    }
  }
  bool open() const { return session_->state() == tls::SessionState::kOpen; }
  Wire& wire() { return wire_; }

  void Send(absl::string_view text) {
    while (!text.empty()) {
      const size_t took = session_->Write(
          {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
      if (took == 0) return;
      text.remove_prefix(took);
      Flush();
    }
  }
  // What comes until it ends in `end`, or the connection does.
  std::string Read(absl::string_view end = "") {
    std::string text;
    char plain[4096];
    for (;;) {
      while (const size_t got = session_->Read(
                 {reinterpret_cast<uint8_t*>(plain), sizeof(plain)})) {
        text.append(plain, got);
      }
      if (!end.empty() && text.size() >= end.size() &&
          text.compare(text.size() - end.size(), end.size(), end.data(),
                       end.size()) == 0) {
        return text;
      }
      if (!Take()) return text;
    }
  }

 private:
  void Flush() {
    std::vector<uint8_t> bytes(piece_);
    while (const size_t count = session_->TakeCipher(bytes)) {
      wire_.Send(bytes.data(), count);
    }
  }
  bool Take() {
    uint8_t bytes[16 << 10];
    const ssize_t got = wire_.Receive(bytes, sizeof(bytes));
    if (got <= 0) return false;
    session_->OnCipher(absl::Now(), {bytes, static_cast<size_t>(got)});
    Flush();
    return session_->state() != tls::SessionState::kFailed;
  }

  Wire wire_;
  const size_t piece_;
  std::unique_ptr<tls::Session> session_;
};

// Of user "bal", who has the API key "key".
constexpr char kGet[] =
    "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n";
constexpr char kEnd[] = "}";  // Of a reply in JSON.

class AdminServerTest : public ::testing::TestWithParam<bool> {
 protected:
  AdminServerTest() {
    char folder[] = "/tmp/admin_server_testXXXXXX";
    BALLAST_CHECK(mkdtemp(folder) != nullptr);
    folder_ = folder;
    port_ = FreePort();
  }
  ~AdminServerTest() override {
    Stop();
    std::filesystem::remove_all(folder_);
  }

  // `management`: beside the user, address and port.
  void Start(AdminServer::Options options = {},
             absl::string_view management = "") {
    backend_ = std::make_unique<admin::FakeBackend>(
        absl::StrCat("interfaces { name: \"eth0\" } state_dir: \"", folder_,
                     "/state\" management { port: ", port_, " ", management,
                     " users { name: \"bal\" role: ADMIN password_hash: \"",
                     kHash, "\" api_keys { id: \"00000000\" sha256: \"",
                     admin::Sha256Hex("key"), "\" } } }"));
    options.backend = backend_.get();
    options.force_epoll = GetParam();
    options.log = [this](const LogRecord& record) {
      absl::StrAppend(&log_, record.message, "\n");
    };
    std::promise<void> started;
    std::future<void> is_started = started.get_future();
    // Its reactor is of one thread.
    thread_ = std::thread([this, &options, &started] {
      auto made = AdminServer::Create(std::move(options));
      BALLAST_CHECK(made.ok());
      const std::unique_ptr<AdminServer> server = *std::move(made);
      server->Follow();
      while (log_.empty()) server->RunOnce();
      started.set_value();
      while (!ending_) {
        pollfd one{.fd = server->fd(), .events = POLLIN, .revents = 0};
        poll(&one, 1, 10);
        server->RunOnce();
      }
      stats_ = server->stats();
    });
    is_started.wait();
  }
  // With all connections as they are.
  void Stop() {
    if (!thread_.joinable()) return;
    ending_ = true;
    thread_.join();
    ending_ = false;
  }

  // scrypt of "correct horse", that takes no time: admin/rig.h.
  static constexpr char kHash[] =
      "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
      "A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI";

  std::string folder_;
  uint16_t port_;
  std::string log_;  // Nothing comes to it after Start().
  std::unique_ptr<admin::FakeBackend> backend_;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  AdminServer::Stats stats_;
};
INSTANTIATE_TEST_SUITE_P(, AdminServerTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Epoll" : "Uring";
                         });

TEST_P(AdminServerTest, RequestsOfOneConnectionAreAnsweredInOrder) {
  Start();
  EXPECT_THAT(log_, HasSubstr(absl::StrCat("HTTPS at 127.0.0.1:", port_)));
  Client client(port_);
  ASSERT_TRUE(client.open());
  client.Send(kGet);
  EXPECT_THAT(client.Read(kEnd), StartsWith("HTTP/1.1 200 OK\r\n"));
  // Two at once.
  client.Send(
      "HEAD /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n"
      "\r\nGET /nothing HTTP/1.0\r\n\r\n");
  const std::string both = client.Read();
  EXPECT_THAT(both, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(both, HasSubstr(" 404 "));
  EXPECT_THAT(both, ::testing::Not(HasSubstr("{")));
}

// The password is verified on another thread, meanwhile others are answered.
TEST_P(AdminServerTest, PasswordsAreVerified) {
  Start();
  for (const auto& [password, status] :
       {std::pair{"correct horse", " 200 "}, {"wrong", " 401 "}}) {
    Client client(port_);
    client.Send(absl::StrCat(
        "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ",
        absl::Base64Escape(absl::StrCat("bal:", password)), "\r\n\r\n"));
    EXPECT_THAT(client.Read(kEnd), HasSubstr(status));
  }
}

TEST_P(AdminServerTest, ByteByByteIsSlowNotWrong) {
  Start();
  Client client(port_, /*piece=*/1);
  ASSERT_TRUE(client.open());
  for (const char c : absl::string_view(kGet)) {
    client.Send(absl::string_view(&c, 1));
  }
  EXPECT_THAT(client.Read(kEnd), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_P(AdminServerTest, WhoStopsInTheMiddleIsClosed) {
  Start({.times = {.request = absl::Milliseconds(200),
                   .idle = absl::Milliseconds(200)}});
  Wire silent(port_);
  Wire half_hello(port_);
  half_hello.Send("\x16\x03\x01\x02\x00\x01", 6);
  Client half_head(port_);
  half_head.Send("GET /v1/status HT");
  Client half_body(port_);
  half_body.Send(
      "POST /accessv2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
      "\r\n{");
  Client idle(port_);
  idle.Send(kGet);
  EXPECT_THAT(idle.Read(kEnd), HasSubstr(" 200 "));
  for (Wire* wire : {&silent, &half_hello, &half_head.wire(), &half_body.wire(),
                     &idle.wire()}) {
    EXPECT_TRUE(wire->Ends());
  }
}

TEST_P(AdminServerTest, WhatIsNoTlsIsClosed) {
  Start();
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        std::string(100000, '\0'), std::string(1000, '\xff')}) {
    Wire wire(port_);
    ASSERT_TRUE(wire.open());
    wire.Send(bytes.data(), bytes.size());
    EXPECT_TRUE(wire.Ends());
  }
  Client client(port_);
  client.Send(kGet);
  EXPECT_THAT(client.Read(kEnd), HasSubstr(" 200 "));
}

TEST_P(AdminServerTest, WhatIsNoHttpIsRefusedAndClosed) {
  Start();
  for (const auto& [request, status] :
       {std::pair<std::string, std::string>{"nonsense\r\n\r\n", " 400 "},
        {absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\nA: ",
                      std::string(100000, 'a'), "\r\n\r\n"),
         " 431 "}}) {
    Client client(port_);
    client.Send(request);
    EXPECT_THAT(client.Read(), HasSubstr(status));
  }
}

TEST_P(AdminServerTest, ABodyIsBounded) {
  Start();
  constexpr char kPost[] = "POST /accessv2 HTTP/1.1\r\nHost: x\r\n";
  Client said(port_);
  said.Send(absl::StrCat(kPost, "Content-Length: 1048577\r\n\r\n"));
  EXPECT_THAT(said.Read(), StartsWith("HTTP/1.1 413 "));
  // Not said before.
  Client chunked(port_);
  chunked.Send(absl::StrCat(kPost, "Transfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk =
      absl::StrCat("10000\r\n", std::string(0x10000, 'x'), "\r\n");
  for (int i = 0; i < 17; ++i) chunked.Send(chunk);
  EXPECT_THAT(chunked.Read(), StartsWith("HTTP/1.1 413 "));
}

TEST_P(AdminServerTest, ConnectionsAreBounded) {
  Start();
  std::vector<std::unique_ptr<Wire>> all;
  for (size_t i = 0; i < AdminServer::kConnectionsMax; ++i) {
    all.push_back(std::make_unique<Wire>(port_));
    ASSERT_TRUE(all.back()->open());
  }
  Wire beyond(port_);
  EXPECT_TRUE(beyond.Ends());
  // One goes, another comes: once the server has seen it go.
  all.pop_back();
  std::string reply;
  const absl::Time until = absl::Now() + kPatience;
  while (reply.empty() && absl::Now() < until) {
    Client next(port_);
    if (!next.open()) continue;
    next.Send(kGet);
    reply = next.Read(kEnd);
  }
  EXPECT_THAT(reply, HasSubstr(" 200 "));
  Stop();
  EXPECT_GE(stats_.too_many, 1u);
}

// Whatever is under way: a password being verified, a reply nobody reads, half
// a handshake.
TEST_P(AdminServerTest, EndsInTheMiddleOfEverything) {
  Start();
  Wire half(port_);
  half.Send("\x16\x03", 2);
  Client asking(port_);
  asking.Send(
      "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YmFsOng=\r\n\r\n");
  Client deaf(port_);
  for (int i = 0; i < 50; ++i) deaf.Send(kGet);
  Stop();
  EXPECT_TRUE(half.Ends());
  EXPECT_TRUE(asking.wire().Ends());
  EXPECT_TRUE(deaf.wire().Ends());
}

TEST_P(AdminServerTest, ItsOwnCertificateIsKept) {
  Start();
  Stop();
  const std::string key = folder_ + "/state/management.key";
  struct stat info;
  ASSERT_EQ(stat(key.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto first = std::filesystem::last_write_time(key);
  log_.clear();
  Start();
  EXPECT_THAT(log_, HasSubstr("HTTPS at"));
  EXPECT_EQ(std::filesystem::last_write_time(key), first);
}

// It says why, and listens once the configuration has another.
TEST_P(AdminServerTest, WithoutACertificateItServesNobody) {
  Start({}, "certificate_file: \"/no/such/file\" key_file: \"/no/such/file\"");
  EXPECT_THAT(log_, HasSubstr("management: cannot open /no/such/file"));
  EXPECT_FALSE(Wire(port_).open());
  Stop();
  EXPECT_EQ(stats_.accepted, 0u);
}

TEST_P(AdminServerTest, FollowsTheConfiguration) {
  Start();
  Stop();  // This thread changes what it reads.
  auto made = AdminServer::Create({.backend = backend_.get(),
                                   .log = [](const LogRecord&) {},
                                   .force_epoll = GetParam()});
  ASSERT_TRUE(made.ok());
  const std::unique_ptr<AdminServer> server = *std::move(made);
  const auto follow = [&](uint16_t port) {
    config::proto::Config config = backend_->configuration();
    config.mutable_management()->set_port(port);
    if (port == 0) config.mutable_management()->clear_users();
    ASSERT_TRUE(backend_->Change(config, "", {}).ok());
    const absl::Time until = absl::Now() + kPatience;
    do {
      server->Follow();
      server->RunOnce();
    } while (server->at().port != port && absl::Now() < until);
  };
  follow(port_);
  EXPECT_TRUE(Wire(port_).open());
  const uint16_t other = FreePort();
  follow(other);
  EXPECT_TRUE(Wire(other).open());
  EXPECT_FALSE(Wire(port_).open());
  follow(0);  // Nobody may ask anything.
  EXPECT_FALSE(Wire(other).open());
}

}  // namespace
}  // namespace ballast::run
