// A proxy's thread under test, with real sockets on the loopback: clients and
// servers are threads with blocking ones.
#ifndef LB_RUN_PROXY_THREAD_TESTING_H_
#define LB_RUN_PROXY_THREAD_TESTING_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io/base/status_matchers.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "io/unique_fd.h"
#include "lb/run/proxy_thread.h"
#include "persist/key_store.h"

namespace ballast::run {

// Waits for bytes; "" at the end of the stream.
inline std::string ReceiveSome(int fd) {
  pollfd waited = {fd, POLLIN, 0};
  if (poll(&waited, 1, 10'000) != 1) return "(nothing came)";
  std::array<char, 65536> buffer;
  const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
  return size <= 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
}
inline void SendAll(int fd, absl::string_view text) {
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

// On every reactor.
inline auto AllBackends() {
  return ::testing::Values(ReactorOptions::Backend::kIoUring,
                           ReactorOptions::Backend::kEpoll);
}
inline std::string BackendName(
    const ::testing::TestParamInfo<ReactorOptions::Backend>& info) {
  return info.param == ReactorOptions::Backend::kEpoll ? "Epoll" : "IoUring";
}

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_THREAD_TESTING_H_
