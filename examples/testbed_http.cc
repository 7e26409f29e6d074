#include "examples/testbed_http.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"

namespace ballast::testbed {
namespace {

constexpr char kHeadEnd[] = "\r\n\r\n";
constexpr size_t kHeadEndSize = sizeof(kHeadEnd) - 1;
constexpr char kLengthField[] = "Content-Length: ";
constexpr size_t kHeadMax = 8192;  // Longer heads end the connection.

// All of it, blocking or with room in the socket's buffer: both ends' messages
// are small.
bool SendAll(int fd, absl::string_view text) {
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

void SetOption(int fd, int level, int name, int value) {
  BALLAST_CHECK(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    std::string name, std::vector<uint16_t> ports) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return absl::ErrnoToStatus(errno, "eventfd");
  std::unique_ptr<HttpServer> server(
      new HttpServer(std::move(name), std::move(ports), std::move(wake)));
  BALLAST_RETURN_IF_ERROR(server->Listen());
  server->thread_ = std::thread([server = server.get()] { server->Run(); });
  return server;
}

HttpServer::~HttpServer() {
  stop_ = true;
  eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void HttpServer::SetServing(bool serving) {
  serving_ = serving;
  eventfd_write(wake_.get(), 1);
}

absl::Status HttpServer::Listen() {
  for (const uint16_t port : ports_) {
    UniqueFd fd(
        socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket");
    SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    const SocketAddress any(Endpoint{.address = Address(), .port = port});
    if (bind(fd.get(), any.get(), any.length()) != 0 ||
        listen(fd.get(), SOMAXCONN) != 0) {
      return absl::ErrnoToStatus(
          errno, absl::StrCat(name_, ": listen on port ", port));
    }
    listeners_.push_back(std::move(fd));
  }
  return absl::OkStatus();
}

void HttpServer::Run() {
  std::vector<Connection> connections;
  while (!stop_) {
    std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}};
    for (const UniqueFd& fd : listeners_) {
      polled.push_back({fd.get(), POLLIN, 0});
    }
    for (const Connection& connection : connections) {
      polled.push_back({connection.fd.get(), POLLIN, 0});
    }
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // A signal.

    const pollfd* ready = &polled[1 + listeners_.size()];
    for (Connection& connection : connections) {
      if ((ready++)->revents != 0 && !Serve(connection)) connection.fd.Reset();
    }
    std::erase_if(connections,
                  [](const Connection& c) { return !c.fd.valid(); });
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (polled[1 + i].revents == 0) continue;
      UniqueFd fd(accept4(listeners_[i].get(), nullptr, nullptr,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid() || connections.size() == kConnectionsMax) continue;
      SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      connections.push_back({.fd = std::move(fd)});
    }

    eventfd_t ignored;
    eventfd_read(wake_.get(), &ignored);
    if (!serving_) {
      listeners_.clear();
    } else if (listeners_.empty()) {
      BALLAST_CHECK(Listen().ok());
    }
  }
}

bool HttpServer::Serve(Connection& connection) {
  char text[4096];
  const ssize_t n = recv(connection.fd.get(), text, sizeof(text), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) {
    if (!connection.asked) ++checks_;
    return false;
  }
  connection.received.append(text, static_cast<size_t>(n));
  size_t end;
  while ((end = connection.received.find(kHeadEnd)) != std::string::npos) {
    const std::string head = connection.received.substr(0, end);
    connection.received.erase(0, end + kHeadEndSize);
    if (!connection.asked) ++connections_;
    connection.asked = true;
    ++requests_;
    const bool last = head.find("HTTP/1.1") == std::string::npos ||
                      head.find("Connection: close") != std::string::npos;
    const std::string reply = absl::StrCat(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", kLengthField,
        name_.size() + 1, last ? "\r\nConnection: close" : "", kHeadEnd, name_,
        "\n");
    if (!SendAll(connection.fd.get(), reply) || last) return false;
  }
  return connection.received.size() < kHeadMax;
}

absl::StatusOr<HttpConnection> HttpConnection::Open(const Address& source,
                                                    const Endpoint& server,
                                                    absl::Duration timeout) {
  const SocketAddress from(Endpoint{.address = source}), to(server);
  UniqueFd fd(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "socket");
  const timeval limit = absl::ToTimeval(timeout);
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  SetOption(fd.get(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const std::string name = server.ToString();
  if (bind(fd.get(), from.get(), from.length()) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("bind to ", source.ToString()));
  }
  if (connect(fd.get(), to.get(), to.length()) != 0) {
    // What SO_SNDTIMEO makes of a connect that is not answered.
    const int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    return absl::ErrnoToStatus(error, absl::StrCat("connect to ", name));
  }
  return HttpConnection(std::move(fd), name);
}

absl::StatusOr<std::string> HttpConnection::Get() {
  if (!SendAll(fd_.get(),
               absl::StrCat("GET / HTTP/1.1\r\nHost: ", server_, kHeadEnd))) {
    return absl::ErrnoToStatus(errno, absl::StrCat("send to ", server_));
  }
  std::string reply;
  while (reply.size() < kHeadMax) {
    char text[4096];
    const ssize_t n = recv(fd_.get(), text, sizeof(text), 0);
    if (n < 0) return absl::ErrnoToStatus(errno, "reply of " + server_);
    if (n == 0) return absl::UnavailableError(server_ + " hung up");
    reply.append(text, static_cast<size_t>(n));
    const size_t end = reply.find(kHeadEnd);
    const size_t field = reply.find(kLengthField);
    if (end == std::string::npos || field > end) continue;
    const size_t body = end + kHeadEndSize;
    const size_t size = static_cast<size_t>(
        std::atoi(reply.c_str() + field + sizeof(kLengthField) - 1));
    if (reply.size() < body + size || size == 0) continue;
    return reply.substr(body, size - 1);
  }
  return absl::OutOfRangeError(server_ + " answered at great length");
}

}  // namespace ballast::testbed
