#include "lb/run/proxy_thread.h"

#include <algorithm>
#include <utility>

#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "lb/run/alarm.h"

namespace ballast::run {

struct ProxyThread::Listener {
  ProxyThread* owner;  // Null: left.
  std::shared_ptr<ProxyService> service;
  UniqueFd fd;
  const Endpoint local = SocketAddress::Local(fd.get()).endpoint();
  // After an error, for lack of descriptors say: not at once again.
  Alarm retry{*owner->reactor_, [this] { Accept(); }};
  Operation accept = Operation::To<&Listener::OnAccept>(this);

  Listener(ProxyThread* o, std::shared_ptr<ProxyService> s, UniqueFd f)
      : owner(o), fd(std::move(f)) {
    SetNoDelay(fd.get());  // What is accepted inherits it.
    SetService(std::move(s));
    Accept();
  }
  void SetService(std::shared_ptr<ProxyService> s) {
    service = std::move(s);
    SetQos(fd.get(), service->qos);
  }
  void Accept() { owner->reactor_->Accept(&accept, fd.get()); }
  void Leave() {
    Reactor& reactor = *std::exchange(owner, nullptr)->reactor_;
    retry.Set(Instant::Never());
    if (!accept.pending()) {
      delete this;
    } else {
      reactor.Cancel(&accept);
    }
  }
  void OnAccept(Completion completion) {
    if (completion.more) {
      UniqueFd client(completion.result);
      if (owner != nullptr) owner->OnAccepted(*this, std::move(client));
    } else if (owner == nullptr) {
      delete this;
    } else {
      owner->accept_failed_.Add(1);
      retry.Set(owner->reactor_->Now() + absl::Milliseconds(100));
    }
  }
};

absl::StatusOr<std::unique_ptr<ProxyThread>> ProxyThread::Start(
    const Options& options) {
  BALLAST_ASSIGN_OR_RETURN(auto reactor, MakeReactor(options.reactor));
  std::unique_ptr<ProxyThread> thread(
      new ProxyThread(options, std::move(reactor)));
  thread->thread_ = std::thread([self = thread.get()] { self->Run(); });
  return thread;
}

ProxyThread::ProxyThread(const Options& options,
                         std::unique_ptr<Reactor> reactor)
    : options_(options),
      reactor_(std::move(reactor)),
      pool_(*reactor_, options.pool),
      context_{*reactor_, pool_, options.random, options.notices} {}

ProxyThread::~ProxyThread() {
  Call([](ProxyThread& self) { self.CutAll(); });
  reactor_->Stop();
  thread_.join();
}

void ProxyThread::Run() {
  reactor_->AwaitWake(&wake_);
  reactor_->Run();
  reactor_->Cancel(&wake_);
  // What was cut has its last completions.
  while (wake_.pending() || context_.list.size() > 0) {
    reactor_->RunOnce(reactor_->Now() + absl::Milliseconds(10));
  }
}

std::future<void> ProxyThread::PostAlways(Order order) {
  std::promise<void> done;
  std::future<void> ran = done.get_future();
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back([order = std::move(order),
                       done = std::move(done)](ProxyThread& self) mutable {
      order(self);
      done.set_value();
    });
  }
  reactor_->Wake();
  return ran;
}

bool ProxyThread::Post(Order order) {
  {
    const std::lock_guard lock(mutex_);
    if (orders_.size() >= kOrdersMax) return false;
    orders_.push_back(std::move(order));
  }
  reactor_->Wake();
  return true;
}

void ProxyThread::OnWake(Completion completion) {
  if (!completion.more) return;
  std::vector<Order> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (Order& order : orders) order(*this);
}

void ProxyThread::SetServices(std::vector<Placed> services) {
  std::vector<Listener*> left = std::move(listeners_);
  listeners_.clear();
  for (Placed& placed : services) {
    if (!placed.listeners.empty()) continue;
    for (Listener*& old : left) {
      if (old == nullptr || old->service->id != placed.service->id) continue;
      old->SetService(placed.service);
      listeners_.push_back(std::exchange(old, nullptr));
    }
  }
  context_.list.ForEach([](Proxied& proxied) { proxied.LimitsChanged(); });
  std::vector<uint64_t> gone;
  for (Listener* old : left) {
    if (old == nullptr) continue;
    gone.push_back(old->service->id);
    old->Leave();
  }
  for (Placed& placed : services) {
    for (UniqueFd& fd : placed.listeners) {
      listeners_.push_back(new Listener(this, placed.service, std::move(fd)));
    }
  }
  for (const uint64_t service : gone) {
    const auto same = [&](const Placed& placed) {
      return placed.service->id == service;
    };
    if (std::any_of(services.begin(), services.end(), same)) continue;
    context_.list.ForEach([&](Proxied& proxied) {
      if (proxied.service().id == service) proxied.Drain();
    });
  }
}

void ProxyThread::Leave() {
  for (Listener* listener : listeners_) listener->Leave();
  listeners_.clear();
  context_.list.ForEach([](Proxied& proxied) { proxied.Leave(); });
}

void ProxyThread::CutServer(uint32_t id, uint64_t service,
                            const Endpoint& server) {
  context_.list.ForEach([&](Proxied& proxied) { proxied.CutServer(id); });
  pool_.CloseAll(service, server);
}

void ProxyThread::OnAccepted(Listener& listener, UniqueFd client) {
  if (context_.list.size() >= options_.connections_max) {
    too_many_.Add(1);
    return;
  }
  accepted_.Add(1);
  StartProxied(context_, listener.service, std::move(client), listener.local);
}

void ProxyThread::CutAll() {
  for (Listener* listener : listeners_) listener->Leave();
  listeners_.clear();
  context_.list.ForEach([](Proxied& proxied) { proxied.Cut(); });
}

ProxyThread::Stats ProxyThread::stats() const {
  return {.accepted = accepted_.value(),
          .too_many = too_many_.value(),
          .accept_failed = accept_failed_.value(),
          .connections = context_.list.size()};
}

}  // namespace ballast::run
