// An HTTP proxy inside a program: listens on an address of the host, spreads
// requests over the servers given, and needs no privilege.
//
//   ./bazelw run //examples:http_proxy -- 10.0.0.1:80 10.0.0.2:80
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/unique_fd.h"
#include "lb/balancer.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:8080", "ADDRESS:PORT of this host.");
ABSL_FLAG(std::string, schedule, "LC", "RR, WRR, LC, WLC, FIXED, SH or UHASH.");

namespace ballast {
namespace {

// As a configuration file would say it (lb/config/ballast.proto).
std::string Config(const Endpoint& listen,
                   const std::vector<Endpoint>& servers) {
  std::string text = absl::StrCat(
      "virtual_services { address: '", listen.address.ToString(),
      "' port: ", listen.port, " schedule: ", absl::GetFlag(FLAGS_schedule),
      " l7 { host_address: true client_header: X_FORWARDED_FOR }");
  for (const Endpoint& server : servers) {
    absl::StrAppend(&text, " real_servers { address: '",
                    server.address.ToString(), "' port: ", server.port, " }");
  }
  return absl::StrCat(text, " }");
}

int Fail(absl::string_view what) {
  std::fprintf(stderr, "http_proxy: %s\n", std::string(what).c_str());
  return 2;
}

int Main(const std::vector<char*>& words) {
  const auto listen = Endpoint::Parse(absl::GetFlag(FLAGS_listen));
  if (!listen.ok()) {
    return Fail(absl::StrCat("--listen: ", listen.status().message()));
  }
  std::vector<Endpoint> servers;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto server = Endpoint::Parse(words[i]);
    if (!server.ok()) return Fail(server.status().message());
    servers.push_back(*server);
  }
  if (servers.empty()) return Fail("no servers given; see --help");
  const auto parsed = config::ParseConfig(Config(*listen, servers));
  if (!parsed.ok()) return Fail(parsed.status().message());
  const auto valid = config::Validate(*parsed, /*generation=*/1);
  if (valid.model == nullptr) return Fail(config::Report(valid));

  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const UniqueFd stop(signalfd(-1, &signals, SFD_CLOEXEC));
  auto balancer = Balancer::Create({.model = valid.model});
  if (!balancer.ok()) return Fail(balancer.status().ToString());
  std::printf("%s -> %zu servers\n", listen->ToString().c_str(),
              servers.size());
  std::fflush(stdout);

  // Requests have a thread of their own; this one checks the servers.
  pollfd ready[] = {{(*balancer)->fd(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
  while (poll(ready, 2, -1) >= 0 && ready[1].revents == 0) {
    (*balancer)->RunOnce();
  }
  const Statistics statistics = (*balancer)->GetStatistics();
  for (const ServerStatistics& server : statistics.services[0].servers) {
    std::printf("%s %s\n", server.endpoint.ToString().c_str(),
                server.up ? "up" : server.reason.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "http_proxy [--listen=ADDRESS:PORT] [--schedule=NAME] SERVER:PORT...");
  return ballast::Main(absl::ParseCommandLine(argc, argv));
}
