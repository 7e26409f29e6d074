#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "examples/session_block.h"
#include "examples/session_load.h"
#include "io/base/check.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"

namespace ballast::testbed {
namespace {

class EpollSessionServer : public SessionServer {
 public:
  EpollSessionServer(UniqueFd epoll, UniqueFd wake, UniqueFd listener)
      : epoll_(std::move(epoll)),
        wake_(std::move(wake)),
        listener_(std::move(listener)) {
    Watch(wake_.get(), EPOLLIN);
    Watch(listener_.get(), EPOLLIN);
    thread_ = std::thread([this] { Run(); });
  }
  ~EpollSessionServer() override {
    stop_ = true;
    eventfd_write(wake_.get(), 1);
    thread_.join();
  }

  Counts counts() const override {
    return {.accepted = accepted_,
            .refused = refused_,
            .ended = ended_,
            .failed = failed_,
            .bytes = bytes_};
  }

 private:
  // Reads no more while what it read before has not gone back.
  struct Connection {
    UniqueFd fd;
    uint64_t offset = 0;  // Of the stream: received so far.
    std::array<uint8_t, 4096> bytes;
    size_t begin = 0, end = 0;  // Of `bytes`: still to be sent.
    bool awaits_room = false;
  };

  void Watch(int fd, uint32_t events, int operation = EPOLL_CTL_ADD) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    BALLAST_CHECK(epoll_ctl(epoll_.get(), operation, fd, &event) == 0);
  }

  void Run() {
    std::array<epoll_event, 64> events;
    while (!stop_) {
      const int n = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      for (int i = 0; i < n; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener_.get()) {
          Accept();
          continue;
        }
        const auto found = connections_.find(fd);
        if (found == connections_.end()) continue;
        if (!Serve(*found->second)) connections_.erase(found);
      }
    }
  }

  void Accept() {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid() && (errno == EMFILE || errno == ENFILE)) {
      // Readable until there is room again: stop asking, what is there goes on.
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
      ++refused_;
    }
    if (!fd.valid()) return;
    if (connections_.size() == kConnectionsMax) {
      ++refused_;
      return;
    }
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const int key = fd.get();
    Watch(key, EPOLLIN);
    auto connection = std::make_unique<Connection>();
    connection->fd = std::move(fd);
    connections_[key] = std::move(connection);
    ++accepted_;
  }

  // False: the connection has ended.
  bool Serve(Connection& connection) {
    const int fd = connection.fd.get();
    if (connection.begin == connection.end) {
      const ssize_t n =
          recv(fd, connection.bytes.data(), connection.bytes.size(), 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
      if (n <= 0) {
        ++(n == 0 ? ended_ : failed_);
        return false;
      }
      connection.begin = 0;
      connection.end = static_cast<size_t>(n);
      TransformEcho(connection.offset,
                    std::span(connection.bytes).first(connection.end));
      connection.offset += connection.end;
    }
    const ssize_t n = send(fd, connection.bytes.data() + connection.begin,
                           connection.end - connection.begin, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      ++failed_;
      return false;
    }
    if (n > 0) {
      connection.begin += static_cast<size_t>(n);
      bytes_ += static_cast<uint64_t>(n);
    }
    const bool awaits_room = connection.begin != connection.end;
    if (awaits_room != connection.awaits_room) {
      Watch(fd, awaits_room ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
      connection.awaits_room = awaits_room;
    }
    return true;
  }

  UniqueFd epoll_, wake_, listener_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> accepted_{0}, refused_{0}, ended_{0}, failed_{0},
      bytes_{0};
  absl::flat_hash_map<int, std::unique_ptr<Connection>> connections_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionServer>> SessionServer::Start(
    uint16_t port) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd listener(
      socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!epoll.valid() || !wake.valid() || !listener.valid()) {
    return absl::ErrnoToStatus(errno, "session server");
  }
  const int on = 1, off = 0;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  const SocketAddress any(Endpoint{.address = Address(), .port = port});
  if (bind(listener.get(), any.get(), any.length()) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("session server: listen on port ", port));
  }
  return std::make_unique<EpollSessionServer>(std::move(epoll), std::move(wake),
                                              std::move(listener));
}

}  // namespace ballast::testbed
