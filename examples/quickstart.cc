// See it balance: a client, a director and three web servers in network
// namespaces of their own (examples/testbed.h), real HTTP over the kernel's
// TCP, one scheduling method after the other. The director is this process.
//
//   ./bazelw run //examples:quickstart
//
// Exit status 0: the servers' own counts are what the method promises, and the
// director counted the same. 77: this system does not allow it; one line says
// what is missing.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "examples/testbed.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "lb/balancer.h"

namespace ballast {
namespace {

using config::Forwarding;
using config::Schedule;
using testbed::Family;
using testbed::Testbed;

constexpr int kServers = 3;
constexpr int kClients = 20;
constexpr absl::Duration kPace = absl::Milliseconds(55);
constexpr absl::Duration kPatience = absl::Seconds(60);

// ---- What is balanced -------------------------------------------------------

struct Phase {
  const char* title;
  Endpoint vip;
  int requests;
  // What each server must count; empty: whatever the client's addresses hash
  // to, but the same server for the same client.
  std::vector<uint64_t> expected;
  bool hold = false;  // All connections open at once, and the table shown.
};

Endpoint Vip(Family family, int number) {
  return {testbed::ClientAddress(family, 100 + number), Testbed::kHttpPort};
}

const Endpoint kTurns = Vip(Family::kV4, 1);
const Endpoint kWeightedTurns = Vip(Family::kV6, 2);
const Endpoint kLeast = Vip(Family::kV4, 3);
const Endpoint kHash = Vip(Family::kV6, 4);
const Endpoint kFixed = Vip(Family::kV4, 5);
const Endpoint kDirectTurns = Vip(Family::kV4, 6);
const Endpoint kDirectLeast = Vip(Family::kV6, 7);

config::VirtualService Service(const Endpoint& vip, Schedule schedule,
                               std::vector<uint32_t> weights,
                               Forwarding forwarding = Forwarding::kNat) {
  config::VirtualService service;
  service.address = vip.address;
  service.port = vip.port;
  service.schedule = schedule;
  // The second failure in a row takes a server down.
  service.check.interval = absl::Seconds(1);
  service.check.timeout = absl::Milliseconds(450);
  const Family family = vip.address.is_v4() ? Family::kV4 : Family::kV6;
  for (int i = 0; i < kServers; ++i) {
    config::RealServer server;
    server.name = absl::StrCat("web", i + 1);
    // Direct return changes no port.
    server.endpoint = {
        testbed::ServerAddress(family, i + 1),
        forwarding == Forwarding::kNat ? Testbed::kOtherHttpPort : vip.port};
    server.weight = weights[i];
    server.forwarding = forwarding;
    service.servers.push_back(server);
  }
  return service;
}

std::shared_ptr<const config::Model> MakeModel() {
  auto model = std::make_shared<config::Model>();
  model->interfaces = {{.name = testbed::kClientsLink},
                       {.name = testbed::kServersLink}};
  model->statistics_period = absl::ZeroDuration();
  model->services = {
      Service(kTurns, Schedule::kRoundRobin, {100, 100, 100}),
      Service(kWeightedTurns, Schedule::kWeightedRoundRobin, {300, 200, 100}),
      Service(kLeast, Schedule::kLeastConnection, {100, 100, 100}),
      Service(kHash, Schedule::kSourceHash, {100, 100, 100}),
      Service(kFixed, Schedule::kFixed, {300, 200, 100}),
      Service(kDirectTurns, Schedule::kRoundRobin, {100, 100, 100},
              Forwarding::kRoute),
      Service(kDirectLeast, Schedule::kWeightedLeastConnection, {200, 100, 100},
              Forwarding::kRoute),
  };
  for (const config::VirtualService& service : model->services) {
    model->floating_addresses.push_back(
        {.address = service.address, .service = true});
  }
  for (const Family family : {Family::kV4, Family::kV6}) {
    model->floating_addresses.push_back({.address = testbed::Gateway(family)});
  }
  return model;
}

// ---- The program ------------------------------------------------------------

class Quickstart {
 public:
  Quickstart(Testbed& testbed, Balancer& balancer)
      : testbed_(testbed), balancer_(balancer) {}

  absl::Status Run() {
    BALLAST_RETURN_IF_ERROR(WaitForServers(kServers, "All servers serve"));
    const Phase phases[] = {
        {"NAT, IPv4, round robin", kTurns, 30, {10, 10, 10}},
        {"NAT, IPv6, weighted round robin 3:2:1",
         kWeightedTurns,
         30,
         {15, 10, 5}},
        {"NAT, IPv4, least connection", kLeast, 12, {4, 4, 4}, true},
        {"NAT, IPv6, source IP hash", kHash, 3 * kClients, {}},
        {"NAT, IPv4, fixed weighting", kFixed, 20, {20, 0, 0}},
    };
    const Phase without[] = {
        {"fixed weighting without web1", kFixed, 20, {0, 20, 0}},
        {"round robin without web1", kTurns, 30, {0, 15, 15}},
    };
    const Phase again[] = {
        {"fixed weighting with web1 back", kFixed, 20, {20, 0, 0}},
        {"round robin with web1 back", kTurns, 30, {10, 10, 10}},
        {"direct server return, IPv4, round robin",
         kDirectTurns,
         30,
         {10, 10, 10}},
        {"direct server return, IPv6, weighted least connection 2:1:1",
         kDirectLeast,
         12,
         {6, 3, 3},
         true},
    };
    for (const Phase& phase : phases) BALLAST_RETURN_IF_ERROR(Try(phase));
    testbed_.server(0).SetServing(false);
    BALLAST_RETURN_IF_ERROR(WaitForServers(kServers - 1, "web1 stops serving"));
    for (const Phase& phase : without) BALLAST_RETURN_IF_ERROR(Try(phase));
    testbed_.server(0).SetServing(true);
    BALLAST_RETURN_IF_ERROR(WaitForServers(kServers, "web1 serves again"));
    for (const Phase& phase : again) BALLAST_RETURN_IF_ERROR(Try(phase));
    return absl::OkStatus();
  }

 private:
  struct Counts {
    std::vector<uint64_t> at_servers;
    std::vector<uint64_t> at_director;
    uint64_t packets_out = 0;  // Answers the director has seen.
  };

  // The director's control work until `done`; false if it never is.
  bool RunUntil(const std::function<bool()>& done) {
    const Instant deadline = MonotonicNow() + kPatience;
    while (!done()) {
      if (MonotonicNow() > deadline) return false;
      pollfd ready = {balancer_.fd(), POLLIN, 0};
      poll(&ready, 1, 10);
      balancer_.RunOnce();
    }
    return true;
  }

  // Until health checks have found `count` servers up in every service.
  absl::Status WaitForServers(int count, const char* event) {
    const Instant start = MonotonicNow();
    const auto as_wanted = [&] {
      for (const ServiceStatistics& service :
           balancer_.GetStatistics().services) {
        int up = 0;
        for (const ServerStatistics& server : service.servers) up += server.up;
        if (up != count) return false;
      }
      return true;
    };
    std::printf("\n%s: ", event);
    std::fflush(stdout);
    if (!RunUntil(as_wanted)) {
      return absl::DeadlineExceededError(
          absl::StrCat("health checks did not find ", count, " servers up"));
    }
    std::printf("%d of %d servers up, as health checks found in %.1f s\n",
                count, kServers, absl::ToDoubleSeconds(MonotonicNow() - start));
    return absl::OkStatus();
  }

  Counts Read(const Endpoint& vip) {
    Counts counts;
    for (size_t i = 0; i < testbed_.server_count(); ++i) {
      counts.at_servers.push_back(testbed_.server(i).connections());
    }
    for (const ServiceStatistics& service :
         balancer_.GetStatistics().services) {
      if (service.address != vip.address) continue;
      counts.packets_out = service.traffic.packets_out;
      for (const ServerStatistics& server : service.servers) {
        counts.at_director.push_back(server.traffic.connections);
      }
    }
    return counts;
  }

  absl::Status Try(const Phase& phase) {
    std::printf("\n[%d] %s\n    %d requests to %s%s\n", ++phase_, phase.title,
                phase.requests, phase.vip.ToString().c_str(),
                phase.hold ? ", all connections open at once" : "");
    const Counts before = Read(phase.vip);
    std::vector<testbed::HttpConnection> held;
    absl::Status status;
    std::atomic<bool> asked{false};
    std::thread client([&] {
      status = testbed_.client().Run([&] { return Ask(phase, &held); });
      asked = true;
    });
    const bool ended = RunUntil([&] {
      if (isatty(STDOUT_FILENO)) Show(phase, before, Read(phase.vip), "\r");
      return asked.load();
    });
    client.join();
    BALLAST_RETURN_IF_ERROR(status);
    if (!ended) return absl::DeadlineExceededError("the client hangs");
    const Counts after = Read(phase.vip);
    Show(phase, before, after, "\n");
    ShowTable(phase);
    held.clear();
    return Compare(phase, Difference(before.at_servers, after.at_servers),
                   Difference(before.at_director, after.at_director),
                   after.packets_out - before.packets_out);
  }

  // The client's part, in its namespace.
  static absl::Status Ask(const Phase& phase,
                          std::vector<testbed::HttpConnection>* held) {
    const Family family = phase.vip.address.is_v4() ? Family::kV4 : Family::kV6;
    std::map<int, std::string> server_of;
    for (int i = 0; i < phase.requests; ++i) {
      const int number = 1 + i % kClients;
      BALLAST_ASSIGN_OR_RETURN(
          auto connection,
          testbed::HttpConnection::Open(testbed::ClientAddress(family, number),
                                        phase.vip));
      BALLAST_ASSIGN_OR_RETURN(const std::string name, connection.Get());
      if (phase.hold) held->push_back(std::move(connection));
      if (phase.expected.empty() &&
          server_of.try_emplace(number, name).first->second != name) {
        return absl::InternalError(
            absl::StrCat("client ", number, " moved from ", server_of[number],
                         " to ", name));
      }
      usleep(absl::ToInt64Microseconds(kPace));
    }
    return absl::OkStatus();
  }

  static std::vector<uint64_t> Difference(const std::vector<uint64_t>& before,
                                          const std::vector<uint64_t>& after) {
    std::vector<uint64_t> difference;
    for (size_t i = 0; i < after.size(); ++i) {
      difference.push_back(after[i] - before[i]);
    }
    return difference;
  }

  static void Show(const Phase& phase, const Counts& before,
                   const Counts& after, const char* end) {
    const auto counts = Difference(before.at_servers, after.at_servers);
    std::string line = "   ";
    for (size_t i = 0; i < counts.size(); ++i) {
      const std::string bar(
          std::min<size_t>(16, counts[i] * 16 / phase.requests), '#');
      absl::StrAppendFormat(&line, " web%d %2d %-16s", i + 1, counts[i], bar);
    }
    std::printf("%s%s", line.c_str(), end);
    std::fflush(stdout);
  }

  void ShowTable(const Phase& phase) {
    size_t entries = 0;
    const auto list = balancer_.ListConnections(
        {.service = ServiceAddress{phase.vip, Protocol::kTcp},
         .limit = 10'000});
    if (!list.ok()) return;
    for (const ConnectionRecord& connection : list->connections) {
      ++entries;
      if (phase.hold)
        std::printf("    %s\n", FormatConnection(connection).c_str());
    }
    if (phase.hold) return;
    std::printf("    %d connections of this service in the table\n",
                static_cast<int>(entries));
  }

  static absl::Status Compare(const Phase& phase,
                              const std::vector<uint64_t>& at_servers,
                              const std::vector<uint64_t>& at_director,
                              uint64_t packets_out) {
    const std::string counted = absl::StrJoin(at_servers, " ");
    if (!phase.expected.empty() && at_servers != phase.expected) {
      return absl::InternalError(absl::StrCat(
          "the servers counted ", counted, ", the method promises ",
          absl::StrJoin(phase.expected, " ")));
    }
    uint64_t sum = 0;
    for (const uint64_t count : at_servers) sum += count;
    if (sum != static_cast<uint64_t>(phase.requests)) {
      return absl::InternalError(absl::StrCat("the servers counted ", counted,
                                              ", not ", phase.requests));
    }
    if (at_director != at_servers) {
      return absl::InternalError(absl::StrCat("the servers counted ", counted,
                                              ", the director ",
                                              absl::StrJoin(at_director, " ")));
    }
    const bool direct = phase.vip == kDirectTurns || phase.vip == kDirectLeast;
    if (direct != (packets_out == 0)) {
      return absl::InternalError(
          absl::StrCat("the director saw ", packets_out,
                       " packets of the servers' answers"));
    }
    std::printf("    right: %s, counted at the servers and by the director%s\n",
                counted.c_str(),
                direct ? ",\n    which saw none of the answers"
                : phase.expected.empty()
                    ? ";\n    each client met the same server every time"
                    : "");
    return absl::OkStatus();
  }

  Testbed& testbed_;
  Balancer& balancer_;
  int phase_ = 0;
};

int Main() {
  std::printf(
      "A client, three web servers and this process as their director, each "
      "in a\nnetwork namespace of its own. Real HTTP over the kernel's "
      "TCP.\n");
  const Instant start = MonotonicNow();
  auto testbed =
      Testbed::Create({.servers = kServers,
                       .clients = kClients,
                       .direct = {kDirectTurns.address, kDirectLeast.address}});
  if (!testbed.ok()) return testbed::Explain(testbed.status());
  std::vector<std::string> log;
  auto balancer = Balancer::Create(
      {.model = MakeModel(), .log = [&log](const LogRecord& record) {
         log.push_back(record.message);
       }});
  if (!balancer.ok()) return testbed::Explain(balancer.status());
  const absl::Status status = Quickstart(**testbed, **balancer).Run();
  if (!status.ok()) {
    std::printf("\nFAILED: %s\nThe director's log:\n%s\n",
                std::string(status.message()).c_str(),
                absl::StrJoin(log, "\n").c_str());
    return 1;
  }
  std::printf(
      "\nAll as it must be, in %.0f seconds. Next: README.md, "
      "\"Embedding\".\n",
      absl::ToDoubleSeconds(MonotonicNow() - start));
  return 0;
}

}  // namespace
}  // namespace ballast

int main() { return ballast::Main(); }
