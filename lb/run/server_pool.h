// Idle connections to servers, kept for later requests: upstream_pool.h on
// sockets. One for each thread.
//
// Errors   one that its server closes, or on which anything arrives that nobody
//          asked for, is closed; also if that shows only when it is taken, so
//          that no such bytes answer the next request. (What is on its way
//          then cannot be told from an answer.)
// Threads  the reactor's; stats() and size(): any.
#ifndef LB_RUN_SERVER_POOL_H_
#define LB_RUN_SERVER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/reactor.h"
#include "lb/l7/counters.h"
#include "lb/l7/upstream_pool.h"
#include "lb/run/alarm.h"
#include "lb/run/leg.h"

namespace ballast::run {

class ServerPool final : private Leg::Owner {
 public:
  using Key = l7::UpstreamPool::Key;
  using Options = l7::UpstreamPool::Options;
  struct Stats {
    uint64_t reused = 0;
    uint64_t closed_by_server = 0;
    uint64_t unasked_bytes = 0;
    uint64_t stale = 0;  // Either, seen only when it was to be used again.
    uint64_t too_many = 0;
    uint64_t too_old = 0;
    uint64_t cut = 0;
  };

  ServerPool(Reactor& reactor, const Options& options)
      : reactor_(reactor), idle_(options) {}
  ServerPool(const ServerPool&) = delete;
  ServerPool& operator=(const ServerPool&) = delete;
  ~ServerPool();

  // `leg` is idle: nothing of it is pending but its reading. The pool's now.
  void Put(const Key& key, Leg* leg);
  // The one used last, the caller's now, who is to send at once; null: none.
  Leg* Take(const Key& key);
  // Those to a server that nothing may go to any more. Port 0: any.
  void CloseAll(uint64_t service, const Endpoint& server);

  size_t size() const { return counted_.idle.value(); }
  Stats stats() const;

 private:
  void OnConnected(Leg&) override {}
  void OnSent(Leg&, size_t) override {}
  void OnBytes(Leg& leg, std::span<const uint8_t> bytes) override;
  void OnEnd(Leg& leg) override;
  void OnGone(Leg& leg) override;
  struct Counted {
    l7::Counter reused, closed_by_server, unasked_bytes, stale;
    l7::Counter too_many, too_old, cut;
    l7::Counter idle;  // Now.
  };
  void Close(Leg& leg, l7::Counter Counted::*reason);
  // After any change of idle_.
  void CountIdle();
  void Expire();

  Reactor& reactor_;
  l7::UpstreamPool idle_;
  Counted counted_;
  Alarm expiry_{reactor_, [this] { Expire(); }};
};

}  // namespace ballast::run

#endif  // LB_RUN_SERVER_POOL_H_
