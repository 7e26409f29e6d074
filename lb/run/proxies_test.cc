// Proxies on the loopback: the control thread is the test's, clients and
// servers are blocking sockets of its own.
#include "lb/run/proxies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "io/clock.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "io/unique_fd.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"
#include "lb/l7/application.h"
#include "lb/tls/tls_testing.h"
#include "persist/key_store.h"

namespace ballast::run {
namespace {

Endpoint LocalOf(const UniqueFd& fd) {
  return SocketAddress::Local(fd.get()).endpoint();
}
UniqueFd Listen() { return ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value(); }
bool Readable(const UniqueFd& fd, absl::Duration patience) {
  pollfd waited = {fd.get(), POLLIN, 0};
  return poll(&waited, 1,
              static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}
UniqueFd Accept(const UniqueFd& listener) {
  EXPECT_TRUE(Readable(listener, absl::Seconds(10)));
  return UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}
UniqueFd Connect(const Endpoint& to, const Address& from = Address::V4(0)) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress source(Endpoint{from, 0});
  EXPECT_EQ(bind(fd.get(), source.get(), source.length()), 0);
  const SocketAddress address(to);
  EXPECT_EQ(connect(fd.get(), address.get(), address.length()), 0);
  return fd;
}
void Send(const UniqueFd& fd, absl::string_view text) {
  EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}
// "" at the end of the stream, "(reset)" or "(nothing)".
std::string Receive(const UniqueFd& fd) {
  if (!Readable(fd, absl::Seconds(10))) return "(nothing)";
  std::array<char, 4096> bytes;
  const ssize_t size = recv(fd.get(), bytes.data(), bytes.size(), 0);
  if (size < 0) return "(reset)";
  return std::string(bytes.data(), static_cast<size_t>(size));
}

// Stands still in each request until it is let go.
struct Gate : l7::Application {
  explicit Gate(std::atomic<int>* standing, std::shared_future<void> go)
      : standing(standing), go(std::move(go)) {}
  std::optional<l7::Denial> OnRequest(const l7::Asked&,
                                      l7::FieldEditor&) override {
    ++*standing;
    go.wait();
    return l7::Denial{.status = 204};
  }
  std::atomic<int>* standing;
  std::shared_future<void> go;
};

class ProxiesTest : public ::testing::Test {
 protected:
  ProxiesTest() { reactor_ = MakeReactor().value(); }

  // A service on a port of the loopback that was free a moment ago.
  void Start(const std::string& l7, const std::string& fields,
             const std::string& unit = "",
             l7::ApplicationFactory application = nullptr) {
    at_ = LocalOf(Listen());
    text_ = absl::StrCat(
        unit, " virtual_services { address: '127.0.0.1' port: ", at_.port,
        " l7 { host_address: true ", l7, " } health_check { type: NONE } ",
        fields, " }");
    auto made = Proxies::Create(
        *reactor_,
        {.store = *persist::KeyStore::Create({.limit = 1000}),
         .log = [](const LogRecord&) {},
         .application = std::move(application),
         .networks = std::make_shared<l7::LocalNetworks>(
             std::vector<Prefix>(),
             std::vector<Address>{*Address::Parse("192.0.2.7")})},
        *Model(), {{}});
    ASSERT_THAT(made, IsOk());
    proxies_ = *std::move(made);
  }
  std::shared_ptr<const config::Model> Model() const {
    const auto parsed = config::ParseConfig(text_);
    EXPECT_THAT(parsed, IsOk());
    const config::Validated validated = config::Validate(*parsed, 1);
    EXPECT_NE(validated.model, nullptr) << config::Report(validated);
    return validated.model;
  }
  static std::string Server(const UniqueFd& listener) {
    return absl::StrCat("real_servers { address: '127.0.0.1' port: ",
                        LocalOf(listener).port, " }");
  }
  Statistics Collect() const {
    Statistics statistics;
    proxies_->Collect(&statistics);
    return statistics;
  }
  static uint64_t Count(
      const std::vector<std::pair<std::string, uint64_t>>& events,
      absl::string_view name) {
    for (const auto& [known, count] : events) {
      if (known == name) return count;
    }
    return 0;
  }
  // Of the service; of the unit.
  uint64_t Event(absl::string_view name) const {
    return Count(Collect().services.at(0).events, name);
  }
  uint64_t UnitEvent(absl::string_view name) const {
    return Count(Collect().proxy_events, name);
  }
  template <typename Condition>
  static bool Eventually(Condition condition) {
    const Instant end = MonotonicNow() + absl::Seconds(10);
    while (!condition()) {
      if (MonotonicNow() > end) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }

  std::unique_ptr<Reactor> reactor_;
  std::string text_;
  std::unique_ptr<Proxies> proxies_;
  Endpoint at_;
};

// -- Configurations -----------------------------------------------------------

TEST_F(ProxiesTest, SourcesAreTheHostsAddresses) {
  const UniqueFd server = Listen();
  const std::string unit = "l7 { connection_scaling: true }";
  Start("alternate_source_addresses: ['192.0.2.7', '127.0.0.9']",
        Server(server), unit);
  text_ = absl::StrReplaceAll(text_, {{"127.0.0.9", "192.0.2.9"}});
  const absl::Status status = proxies_->Apply(*Model(), {{}});
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(
      status.message(),
      ::testing::AllOf(::testing::HasSubstr("alternate_source_addresses"),
                       ::testing::HasSubstr("192.0.2.9"),
                       ::testing::HasSubstr(at_.ToString())));
  // A floating one is ours, or will be.
  text_ +=
      " interfaces { name: 'e' } virtual_services { address: '192.0.2.9'"
      " port: 80 real_servers { address: '192.0.2.11' } }";
  EXPECT_THAT(proxies_->Apply(*Model(), {{}}), IsOk());
}

// -- Threads ------------------------------------------------------------------

TEST_F(ProxiesTest, NobodyWaitsForAThreadThatIsBusy) {
  std::atomic<int> standing = 0;
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  const UniqueFd server = Listen();
  Start("", Server(server), "",
        [&](int) { return std::make_unique<Gate>(&standing, gone); });
  const UniqueFd client = Connect(at_);
  Send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return standing == 1; }));
  // However that ends, the test does.
  std::atomic<bool> late = false;
  std::promise<void> done;
  std::thread watch([&, over = done.get_future()] {
    late = over.wait_for(std::chrono::seconds(5)) != std::future_status::ready;
    go.set_value();
  });
  const Statistics statistics = Collect();
  EXPECT_EQ(statistics.services.at(0).traffic.open_connections, 1u);
  EXPECT_EQ(Count(statistics.proxy_events, "accepted"), 1u);
  EXPECT_EQ(Count(statistics.services.at(0).events, "requests"), 1u);
  proxies_->SetNetworks(std::make_shared<l7::LocalNetworks>(
      std::vector<Prefix>(), std::vector<Address>{Address::V4(1)}));
  EXPECT_THAT(proxies_->Apply(*Model(), {{}}), IsOk());
  proxies_->Tick(MonotonicNow());
  proxies_->Leave();
  EXPECT_FALSE(proxies_->left());
  done.set_value();
  watch.join();
  EXPECT_FALSE(late);
  EXPECT_THAT(Receive(client), ::testing::StartsWith("HTTP/1.1 204 "));
  EXPECT_TRUE(Eventually([&] { return proxies_->left(); }));
  EXPECT_EQ(Collect().services.at(0).application.answered, 1u);
}

TEST_F(ProxiesTest, ConnectionsAreListedByTheirEnds) {
  const UniqueFd server = Listen();
  Start("alternate_source_addresses: '127.0.0.1'", Server(server),
        "threads: 2 l7 { connection_scaling: true }");
  const auto list = [&](ConnectionQuery query) {
    std::vector<ConnectionRecord> records;
    EXPECT_TRUE(proxies_->List(query, 10, MonotonicNow() + absl::Seconds(10),
                               &records));
    return records;
  };
  const ServiceAddress service = {at_, Protocol::kTcp};
  EXPECT_TRUE(proxies_->Has(service));
  EXPECT_FALSE(proxies_->Has({at_, Protocol::kUdp}));
  const UniqueFd client = Connect(at_, *Address::Parse("127.0.0.7"));
  const UniqueFd idle = Connect(at_, *Address::Parse("127.0.0.8"));
  Send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const UniqueFd accepted = Accept(server);
  ASSERT_TRUE(Readable(accepted, absl::Seconds(10)));
  ASSERT_TRUE(Eventually([&] { return list({}).size() == 2; }));

  const auto of_client = list({.service = service, .client = LocalOf(client)});
  ASSERT_EQ(of_client.size(), 1u);
  EXPECT_TRUE(of_client[0].layer7);
  EXPECT_EQ(of_client[0].destination, at_);
  EXPECT_EQ(of_client[0].service, at_);
  EXPECT_EQ(of_client[0].server, LocalOf(server));
  EXPECT_EQ(of_client[0].source,
            SocketAddress::Peer(accepted.get()).endpoint());
  EXPECT_EQ(of_client[0].state, "open");
  const auto waiting = list({.client = Endpoint{LocalOf(idle).address, 0}});
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_EQ(waiting[0].state, "waiting");
  EXPECT_FALSE(waiting[0].server.has_value());
  EXPECT_EQ(list({.server = LocalOf(server)}).size(), 1u);
  EXPECT_EQ(list({.server = at_}).size(), 0u);
  Endpoint other = at_;
  --other.port;
  EXPECT_EQ(list({.service = ServiceAddress{other, Protocol::kTcp}}).size(),
            0u);
}

TEST_F(ProxiesTest, StreamsEndByThemselvesWhenTheUnitEnds) {
  const UniqueFd server = Listen();
  Start("type: GENERIC", Server(server));
  const UniqueFd client = Connect(at_);
  Send(client, "one");
  UniqueFd peer = Accept(server);
  EXPECT_EQ(Receive(peer), "one");
  const UniqueFd lasting = Connect(at_);
  Send(lasting, "one");
  const UniqueFd lasting_peer = Accept(server);
  EXPECT_EQ(Receive(lasting_peer), "one");
  const UniqueFd silent = Connect(at_);
  ASSERT_TRUE(Eventually([&] { return UnitEvent("accepted") == 3; }));
  proxies_->Leave();
  EXPECT_EQ(Receive(silent), "");  // Nothing of it is under way.
  const UniqueFd late(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address(at_);
  EXPECT_NE(connect(late.get(), address.get(), address.length()), 0);
  Send(peer, "two");
  EXPECT_EQ(Receive(client), "two");
  EXPECT_FALSE(proxies_->left());
  EXPECT_EQ(UnitEvent("open"), 2u);
  peer = UniqueFd();
  EXPECT_EQ(Receive(client), "");
  shutdown(client.get(), SHUT_WR);
  EXPECT_TRUE(Eventually([&] { return UnitEvent("open") == 1; }));
  EXPECT_FALSE(proxies_->left());
  proxies_ = nullptr;  // The patience has run out.
  EXPECT_EQ(Receive(lasting), "(reset)");
}

TEST_F(ProxiesTest, ASubServicesLimitIsTheUnits) {
  const UniqueFd server = Listen();
  Start(absl::StrCat("sub_services { name: 'a' connection_limit: 3 "
                     "health_check { type: NONE } ",
                     Server(server), " }"),
        "", "threads: 4");
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(Connect(at_));
    Send(clients.back(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    // The server takes its time with all it gets.
    EXPECT_TRUE(Eventually([&] {
      const ServiceStatistics service = Collect().services.at(0);
      const uint64_t open = service.servers.at(0).traffic.open_connections;
      return open + Count(service.events, "denied") == clients.size();
    }));
  }
  EXPECT_EQ(Event("denied"), 13u);
}

// -- Statistics ---------------------------------------------------------------

TEST_F(ProxiesTest, WhyTlsFailedWithClientsIsCounted) {
  const UniqueFd server = Listen();
  Start(absl::StrCat("tls { certificates { chain: '",
                     absl::CEscape(tls::TestFile("one.pem")), "' key: '",
                     absl::CEscape(tls::TestFile("one.key.pem")), "' } }"),
        Server(server));
  {
    const UniqueFd plain = Connect(at_);
    Send(plain, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    while (Receive(plain).size() > 1) {  // An alert, perhaps.
    }
  }
  EXPECT_TRUE(Eventually([&] { return Event("client_tls_not_tls") == 1; }));
  Connect(at_);
  EXPECT_TRUE(Eventually([&] { return Event("client_tls_truncated") == 1; }));
  {
    const UniqueFd reset = Connect(at_);
    EXPECT_TRUE(Eventually([&] { return UnitEvent("open") == 1; }));
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(reset.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  EXPECT_TRUE(Eventually([&] { return Event("client_tls_unfinished") == 1; }));
}

TEST_F(ProxiesTest, WhyTlsFailedWithServersIsCounted) {
  const UniqueFd server = Listen();
  Start("reencrypt { no_verify: true }", Server(server));
  const UniqueFd client = Connect(at_);
  Send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  constexpr int kTries = 3;  // l7/settings.h.
  for (int i = 0; i < kTries; ++i) {
    const UniqueFd plain = Accept(server);
    Receive(plain);
    Send(plain, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    Receive(plain);
  }
  EXPECT_THAT(Receive(client), ::testing::StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(Event("server_tls_not_tls"), 3u);
  EXPECT_EQ(Event("client_tls_unfinished"), 0u);
}

TEST_F(ProxiesTest, ClientsWithoutLimitsForWantOfRoomAreCounted) {
  Start("limits { client_connections_per_second: 1 }", Server(Listen()),
        "limits { l7_connections: 16 }");  // Twice as many have a place.
  EXPECT_EQ(UnitEvent("limits_clients_full"), 0u);
  for (uint32_t i = 1; i < 2000; ++i) {
    {
      const UniqueFd client = Connect(at_, Address::V4(0x7f000100 + i));
      Send(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      Receive(client);
    }
    if (UnitEvent("limits_clients_full") > 0) break;
  }
  EXPECT_GT(UnitEvent("limits_clients_full"), 0u);
}

}  // namespace
}  // namespace ballast::run
