// The smallest HTTP/1 server and client for seeing which server answered:
// kernel TCP, one thread per server, in whatever network namespace they are
// started in.
//
// Errors   absl::Status with the endpoint and the errno text.
// Threads  a server's counters and SetServing(): any. A connection: one.
#ifndef EXAMPLES_TESTBED_HTTP_H_
#define EXAMPLES_TESTBED_HTTP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/unique_fd.h"

namespace ballast::testbed {

// Answers every request with its name and a newline.
class HttpServer {
 public:
  static constexpr size_t kConnectionsMax = 1024;

  // Listens on these ports of all addresses, IPv4 and IPv6, of the calling
  // thread's network namespace.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      std::string name, std::vector<uint16_t> ports);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const std::string& name() const { return name_; }
  // Not serving: no listener, so that connecting is refused; what is connected
  // goes on. Happens soon after, on the server's thread.
  void SetServing(bool serving);

  uint64_t requests() const { return requests_; }
  // Connections that brought a request, and those that ended without one, as
  // health checks do.
  uint64_t connections() const { return connections_; }
  uint64_t checks() const { return checks_; }

 private:
  struct Connection {
    UniqueFd fd;
    std::string received;
    bool asked = false;
  };

  HttpServer(std::string name, std::vector<uint16_t> ports, UniqueFd wake)
      : name_(std::move(name)),
        ports_(std::move(ports)),
        wake_(std::move(wake)) {}
  absl::Status Listen();
  void Run();
  // False: the connection has ended.
  bool Serve(Connection& connection);

  const std::string name_;
  const std::vector<uint16_t> ports_;
  UniqueFd wake_;  // eventfd.
  std::vector<UniqueFd> listeners_;
  std::atomic<bool> serving_{true};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> connections_{0};
  std::atomic<uint64_t> checks_{0};
  std::thread thread_;
};

// A client's connection, kept open until it is destroyed.
class HttpConnection {
 public:
  // From `source` (any port) to `server`, in the calling thread's namespace.
  static absl::StatusOr<HttpConnection> Open(
      const Address& source, const Endpoint& server,
      absl::Duration timeout = absl::Seconds(5));
  // Asks once; the body without its newline. Call again for the next request.
  absl::StatusOr<std::string> Get();

 private:
  HttpConnection(UniqueFd fd, std::string server)
      : fd_(std::move(fd)), server_(std::move(server)) {}

  UniqueFd fd_;
  std::string server_;
};

}  // namespace ballast::testbed

#endif  // EXAMPLES_TESTBED_HTTP_H_
