// A thread that proxies: its own reactor, listeners, connections and pool of
// server connections. Takes orders from the control thread; shares nothing.
//
// Services  given whole, by SetServices(). One that was there before goes on
//           with its listeners; its open connections keep the service they
//           began with. Those of a service that is gone end when what is under
//           way is complete.
// Bounds    connections_max; one more is accepted and closed at once.
// Threads   all but the constructor's: any, but one at a time.
#ifndef LB_RUN_PROXY_THREAD_H_
#define LB_RUN_PROXY_THREAD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "io/unique_fd.h"
#include "lb/l7/counters.h"
#include "lb/run/notices.h"
#include "lb/run/proxied.h"

namespace ballast::run {

class ProxyThread {
 public:
  struct Options {
    size_t connections_max = 65536;
    ServerPool::Options pool;
    ReactorOptions reactor;
    uint64_t random = 0;         // Unpredictable: for cookies.
    Notices* notices = nullptr;  // ProxyContext::notices.
  };
  // A service and where it listens; `listeners` are this thread's own.
  struct Placed {
    std::shared_ptr<ProxyService> service;
    std::vector<UniqueFd> listeners;  // Empty: as before.
  };
  struct Stats {
    uint64_t accepted = 0;
    uint64_t too_many = 0;       // Closed for connections_max.
    uint64_t accept_failed = 0;  // No descriptors, say.
    size_t connections = 0;
  };
  using Order = absl::AnyInvocable<void(ProxyThread&)>;

  static absl::StatusOr<std::unique_ptr<ProxyThread>> Start(
      const Options& options);
  // Cuts what is open, stops and joins.
  ~ProxyThread();
  ProxyThread(const ProxyThread&) = delete;
  ProxyThread& operator=(const ProxyThread&) = delete;

  // Has `order` run on the thread, in its turn. False: kOrdersMax are waiting
  // already.
  bool Post(Order order);
  static constexpr size_t kOrdersMax = 256;
  // The same however many are waiting: for what is rare. Ready when it has run.
  std::future<void> PostAlways(Order order);
  // And waits for it, however long the thread is busy with something else.
  void Call(Order order) { PostAlways(std::move(order)).wait(); }

  // -- On the thread, from an order -------------------------------------------
  void SetServices(std::vector<Placed> services);
  // The end of the unit: nobody is accepted any more, and connections end when
  // what is under way is complete, streams by themselves.
  void Leave();
  // Ends what is open to a server: ServicePlan's id; its service and endpoint
  // are those of idle connections.
  void CutServer(uint32_t id, uint64_t service, const Endpoint& server);
  const ProxiedList& connections() const { return context_.list; }
  Instant Now() const { return reactor_->Now(); }

  // -- Any thread, at any time ------------------------------------------------
  Stats stats() const;
  // Its stats() and size().
  const ServerPool& pool() const { return pool_; }

 private:
  struct Listener;

  explicit ProxyThread(const Options& options,
                       std::unique_ptr<Reactor> reactor);
  void Run();
  void OnWake(Completion completion);
  void OnAccepted(Listener& listener, UniqueFd client);
  void CutAll();

  const Options options_;
  std::unique_ptr<Reactor> reactor_;
  ServerPool pool_;
  ProxyContext context_;
  // Each deletes itself when its service has left it.
  std::vector<Listener*> listeners_;
  l7::Counter accepted_;
  l7::Counter too_many_;
  l7::Counter accept_failed_;
  std::mutex mutex_;
  std::vector<Order> orders_;
  Operation wake_ = Operation::To<&ProxyThread::OnWake>(this);
  std::thread thread_;
};

}  // namespace ballast::run

#endif  // LB_RUN_PROXY_THREAD_H_
