// A small network to try a director in: a client, servers and a router, each in
// a network namespace of its own. The calling process becomes the director's
// host. Nothing outside the process is touched, and all of it goes with it.
//
//   client ---- 192.0.2.0/24, 2001:db8:c::/64 ----+---- "clients"  this process
//                                                  \                (director)
//                                                   router
//                                                  /
//   web1..N --- 10.0.0.0/24, 2001:db8:5::/64 -----+---- "servers"  this process
//
// The servers' default gateway is the director's floating address, so that
// answers of a NATed service come back through it. Answers from an address in
// `direct` (direct server return) leave by the router instead, and never meet
// the director. This host forwards packets (ip_forward), as a director's host
// may; its own addresses end in .250 and ::fa.
//
// With Options::units the director's place is taken by that many hosts, each in
// a namespace of its own on the same two links, for a pair to run on; their
// addresses end in .241, .242 and so on (::f1, ::f2), and this process only
// looks on.
//
// Errors   Create() says what is missing; see IsForbidden().
// Threads  Create() before any other thread starts.
#ifndef EXAMPLES_TESTBED_H_
#define EXAMPLES_TESTBED_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/testbed_http.h"
#include "io/base/address.h"
#include "io/process_namespace.h"

namespace ballast::testbed {

enum class Family { kV4, kV6 };

// The network's addresses; numbers up to 199 are free to use.
Address ClientAddress(Family family, int number);  // 192.0.2.N, 2001:db8:c::N
Address ServerAddress(Family family, int number);  // 10.0.0.N, 2001:db8:5::N
// What the servers use as their gateway: 10.0.0.254, 2001:db8:5::fe. A floating
// address for the director to have.
Address Gateway(Family family);
// A unit's own address on the clients' and on the servers' link; 0 is the
// first.
Address UnitClientAddress(Family family, int unit);
Address UnitServerAddress(Family family, int unit);

// This process's links.
inline constexpr char kClientsLink[] = "clients";
inline constexpr char kServersLink[] = "servers";

class Testbed {
 public:
  static constexpr uint16_t kHttpPort = 80;
  static constexpr uint16_t kOtherHttpPort = 8080;

  struct Options {
    int servers = 3;  // web1.. at ServerAddress(1)..
    int clients = 1;  // Addresses of the client: ClientAddress(1)..
    // Addresses of services with direct server return: every server has them.
    std::vector<Address> direct{};
    int units = 0;     // 0: this process is the director.
    bool http = true;  // The servers serve HTTP.
  };
  static absl::StatusOr<std::unique_ptr<Testbed>> Create(
      const Options& options);

  // client().Run(body) runs `body` where the clients are.
  const NetNamespace& client() const { return client_; }
  // The first is 0.
  const NetNamespace& unit(size_t index) const { return units_[index]; }
  // Unplugs a unit from both links as a broken switch would, or plugs it in
  // again: its carrier stays.
  absl::Status SetPlugged(size_t unit, bool plugged);
  // Where web1.. are.
  const NetNamespace& server_host(size_t index) const {
    return server_namespaces_[index];
  }
  // web1 is 0. Each listens on both ports.
  HttpServer& server(size_t index) { return *servers_[index]; }
  size_t server_count() const { return servers_.size(); }

 private:
  Testbed(NetNamespace client, NetNamespace router, NetNamespace switches)
      : client_(std::move(client)),
        router_(std::move(router)),
        switches_(std::move(switches)) {}
  absl::Status Build(const Options& options);
  absl::Status AddDirector(const NetNamespace& host, const std::string& plug,
                           int number);
  absl::Status AddServer(const Options& options, int number);

  NetNamespace client_;
  NetNamespace router_;
  NetNamespace switches_;  // Holds a bridge for each of the two networks.
  std::vector<NetNamespace> units_;
  std::vector<NetNamespace> server_namespaces_;
  std::vector<std::unique_ptr<HttpServer>> servers_;
};

// Whether `status` of Create() says that this system forbids what it takes,
// rather than that something is wrong.
bool IsForbidden(const absl::Status& status);
// Prints why a program cannot go on, in one line that begins with "SKIPPED: "
// if it is forbidden to, else with "FAILED: "; the exit status to end with: 77
// or 1.
int Explain(const absl::Status& status);

}  // namespace ballast::testbed

#endif  // EXAMPLES_TESTBED_H_
