// An application with an event loop of its own and a director inside: one
// epoll loop, one thread, for the application's timer and signals and for all
// of the director's work, packets too.
//
//   ./bazelw run //examples:own_event_loop
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "examples/testbed.h"
#include "io/unique_fd.h"
#include "lb/balancer.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast {
namespace {

// For the test network (examples/testbed.h).
constexpr char kConfig[] = R"(
  interfaces { name: "clients" }
  interfaces { name: "servers" }
  floating_addresses { address: "10.0.0.254" interface: "servers" }
  virtual_services {
    address: "192.0.2.100" port: 80 schedule: RR
    real_servers { name: "web1" address: "10.0.0.1" }
    real_servers { name: "web2" address: "10.0.0.2" }
    real_servers { name: "web3" address: "10.0.0.3" }
  })";

std::atomic<bool> stopping = false;

// In a thread of its own, on another host: asks, and then has us stop.
uint64_t RunClient(const NetNamespace& host) {
  uint64_t answered = 0;
  const absl::Status ran = host.Run([&] {
    for (int i = 0; i < 300 && !stopping; ++i) {
      auto connection = testbed::HttpConnection::Open(
          *Address::Parse("192.0.2.1"), *Endpoint::Parse("192.0.2.100:80"));
      answered += connection.ok() && connection->Get().ok();
      usleep(5000);
    }
    return absl::OkStatus();
  });
  kill(getpid(), SIGTERM);
  return ran.ok() ? answered : 0;
}

int Main() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const UniqueFd stop(signalfd(-1, &signals, SFD_CLOEXEC));
  const UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec twice_a_second = {{0, 500'000'000}, {0, 500'000'000}};
  timerfd_settime(timer.get(), 0, &twice_a_second, nullptr);

  auto network = testbed::Testbed::Create({});
  if (!network.ok()) return testbed::Explain(network.status());
  auto balancer = Balancer::Create(
      {.model = config::Validate(*config::ParseConfig(kConfig), 1).model,
       .packets_on_control_thread = true});
  if (!balancer.ok()) return testbed::Explain(balancer.status());
  uint64_t answered = 0;
  std::thread client([&] { answered = RunClient((*network)->client()); });

  const UniqueFd loop(epoll_create1(EPOLL_CLOEXEC));
  for (const int fd : {stop.get(), timer.get(), (*balancer)->fd()}) {
    epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &event);
  }
  epoll_event event;
  do {
    if (epoll_wait(loop.get(), &event, 1, -1) != 1) continue;
    if (event.data.fd == (*balancer)->fd()) (*balancer)->RunOnce();
    uint64_t ticks;
    if (event.data.fd == timer.get() && read(timer.get(), &ticks, 8) == 8) {
      const Traffic traffic = (*balancer)->GetStatistics().services[0].traffic;
      std::printf("%3.0f connections a second, %llu in all\n",
                  traffic.connections_per_second,
                  static_cast<unsigned long long>(traffic.connections));
    }
  } while (event.data.fd != stop.get());
  stopping = true;
  client.join();
  const Traffic traffic = (*balancer)->GetStatistics().services[0].traffic;
  return answered > 0 && traffic.connections == answered ? 0 : 1;
}

}  // namespace
}  // namespace ballast

int main() { return ballast::Main(); }
