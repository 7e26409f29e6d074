#include "lb/run/tcp_probes.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "io/base/check.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"
#include "lb/run/probe_error.h"
#include "lb/run/probe_socket.h"

namespace ballast::run {
namespace {

using health::ProbeResult;

}  // namespace

// Pending whenever nobody is at work on it.
struct TcpProbes::Connection {
  TcpProbes* owner;
  uint16_t server;
  uint32_t probe;
  SocketAddress to{};
  bool aborted = false;
  // After an abort: where to connect, as `probe`, once that has ended.
  std::optional<Endpoint> next{};
  UniqueFd fd{};
  Operation operation = Operation::To<&Connection::OnCompletion>(this);

  void OnCompletion(Completion completion) {
    if (owner == nullptr) {
      delete this;
    } else {
      owner->OnCompletion(this, completion.result);
    }
  }
};

TcpProbes::~TcpProbes() {
  for (const auto& [server, connection] : connections_) {
    connection->owner = nullptr;
    reactor_.Cancel(&connection->operation);
  }
}

std::optional<ProbeResult> TcpProbes::Start(uint16_t server, uint32_t probe,
                                            const Endpoint& to) {
  const auto found = connections_.find(server);
  if (found != connections_.end()) {
    Connection* connection = found->second;
    BALLAST_CHECK(connection->aborted);  // One probe at a time.
    connection->probe = probe;
    connection->next = to;
    return std::nullopt;
  }
  if (connections_.size() >= places_) return ProbeResult::kLocalError;
  auto* connection =
      new Connection{.owner = this, .server = server, .probe = probe};
  const auto result = Connect(connection, to);
  if (result) {
    delete connection;
  } else {
    connections_.emplace(server, connection);
  }
  return result;
}

std::optional<ProbeResult> TcpProbes::Connect(Connection* connection,
                                              const Endpoint& to) {
  connection->fd = OpenProbeStream(to.address, source_.ForTarget(to.address));
  if (!connection->fd.valid()) return ProbeResult::kLocalError;
  const int off = 0;  // Holds the last ACK back.
  setsockopt(connection->fd.get(), IPPROTO_TCP, TCP_QUICKACK, &off,
             sizeof(off));
  connection->to = SocketAddress(to);
  connection->aborted = false;
  reactor_.Connect(&connection->operation, connection->fd.get(),
                   connection->to.get(), connection->to.length());
  // Not started: the reactor is being destroyed.
  if (!connection->operation.pending()) return ProbeResult::kLocalError;
  return std::nullopt;
}

void TcpProbes::Abort(uint16_t server) {
  const auto found = connections_.find(server);
  if (found == connections_.end()) return;
  Connection* connection = found->second;
  connection->aborted = true;
  connection->next.reset();
  reactor_.Cancel(&connection->operation);
}

void TcpProbes::OnCompletion(Connection* connection, int result) {
  connection->fd.Reset();
  std::optional<ProbeResult> told;
  const uint16_t server = connection->server;
  const uint32_t probe = connection->probe;
  if (connection->next) {
    const Endpoint to = *std::exchange(connection->next, std::nullopt);
    told = Connect(connection, to);
    if (!told) return;
  } else if (!connection->aborted) {
    if (result == 0) {
      told = ProbeResult::kSuccess;
    } else if (result != -ETIMEDOUT && result != -ECANCELED) {
      told = ProbeError(-result);
    }
  }
  connections_.erase(server);
  delete connection;
  on_done_(server, probe, told);
}

}  // namespace ballast::run
