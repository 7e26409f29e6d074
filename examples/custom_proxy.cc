// A proxy with a rule and a scheduler of the program's own, for services with
// many tenants, whose names are the first labels of their host names:
//   - servers are told the tenant in X-Tenant, whatever a client put there;
//     hosts without one get a 404
//   - each tenant has its server, by rendezvous hashing: when a server is gone,
//     only its own tenants move
//   - clients are told who served them
//
//   ./bazelw run //examples:custom_proxy -- 10.0.0.1:80 10.0.0.2:80
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/balancer.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"
#include "lb/l7/application.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:8080", "ADDRESS:PORT of this host.");

namespace ballast {
namespace {

// "acme" of "acme.example.com:8080"; empty for other hosts.
absl::string_view TenantOf(absl::string_view host) {
  const absl::string_view label = host.substr(0, host.find('.'));
  const bool name = label.size() < host.size() &&
                    label.find_first_not_of("0123456789") != label.npos &&
                    host.front() != '[';
  return name ? label : absl::string_view();
}

class Tenants : public l7::Application {
  std::optional<l7::Denial> OnRequest(const l7::Asked& asked,
                                      l7::FieldEditor& fields) override {
    const std::string tenant(TenantOf(asked.request.host()));
    if (tenant.empty()) {
      return l7::Denial{.status = 404,
                        .body = "no such tenant\n",
                        .content_type = "text/plain"};
    }
    fields.Set("X-Tenant", tenant);
    return std::nullopt;
  }

  std::optional<size_t> Pick(const l7::Asked& asked,
                             std::span<const l7::Candidate> servers) override {
    const absl::string_view tenant = TenantOf(asked.request.host());
    std::optional<size_t> best;
    size_t best_score = 0;
    for (size_t i = 0; i < servers.size(); ++i) {
      const size_t score = std::hash<std::string>()(
          absl::StrCat(tenant, " ", servers[i].endpoint.ToString()));
      if (servers[i].available && (!best || score > best_score)) {
        best = i;
        best_score = score;
      }
    }
    return best;
  }

  void OnResponse(const l7::Asked&, const Endpoint& server,
                  const http::ResponseHead&, l7::FieldEditor& fields) override {
    fields.Set("X-Served-By", server.ToString());
  }
};

int Fail(absl::string_view what) {
  std::fprintf(stderr, "custom_proxy: %s\n", std::string(what).c_str());
  return 2;
}

int Main(const std::vector<char*>& words) {
  const auto listen = Endpoint::Parse(absl::GetFlag(FLAGS_listen));
  if (!listen.ok()) return Fail(listen.status().message());
  std::string config = absl::StrCat(
      "virtual_services { name: 'tenants' l7 { host_address: true } address: '",
      listen->address.ToString(), "' port: ", listen->port);
  for (size_t i = 1; i < words.size(); ++i) {
    const auto server = Endpoint::Parse(words[i]);
    if (!server.ok()) return Fail(server.status().message());
    absl::StrAppend(&config, " real_servers { address: '",
                    server->address.ToString(), "' port: ", server->port, " }");
  }
  const auto parsed = config::ParseConfig(absl::StrCat(config, " }"));
  if (!parsed.ok()) return Fail(parsed.status().message());
  const auto valid = config::Validate(*parsed, /*generation=*/1);
  if (valid.model == nullptr) return Fail(config::Report(valid));

  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int stop = signalfd(-1, &signals, SFD_CLOEXEC);
  auto balancer =
      Balancer::Create({.model = valid.model, .application = [](int) {
                          return std::make_unique<Tenants>();
                        }});
  if (!balancer.ok()) return Fail(balancer.status().ToString());
  std::printf("%s -> %zu servers\n", listen->ToString().c_str(),
              words.size() - 1);
  std::fflush(stdout);

  pollfd ready[] = {{(*balancer)->fd(), POLLIN, 0}, {stop, POLLIN, 0}};
  while (poll(ready, 2, -1) >= 0 && ready[1].revents == 0) {
    (*balancer)->RunOnce();
  }
  const l7::ApplicationStatistics own =
      (*balancer)->GetStatistics().services[0].application;
  std::printf("picked %llu, answered %llu, errors %llu %s\n",
              static_cast<unsigned long long>(own.picked),
              static_cast<unsigned long long>(own.answered),
              static_cast<unsigned long long>(own.errors),
              own.last_error.c_str());
  return own.errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "custom_proxy [--listen=ADDRESS:PORT] SERVER:PORT...");
  return ballast::Main(absl::ParseCommandLine(argc, argv));
}
