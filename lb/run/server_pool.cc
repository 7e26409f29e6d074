#include "lb/run/server_pool.h"

#include <optional>

#include "io/base/instant.h"

namespace ballast::run {
namespace {

using Handle = l7::UpstreamPool::Handle;

Handle HandleOf(Leg* leg) { return reinterpret_cast<Handle>(leg); }
Leg* LegOf(Handle handle) { return reinterpret_cast<Leg*>(handle); }

}  // namespace

ServerPool::~ServerPool() {
  while (const auto handle = idle_.Expire(Instant::Never())) {
    LegOf(*handle)->Close();
  }
}

void ServerPool::Put(const Key& key, Leg* leg) {
  leg->SetOwner(*this);
  leg->Trim();
  leg->SetReading(true);
  if (const auto over = idle_.Put(reactor_.Now(), key, HandleOf(leg))) {
    counted_.too_many.Add(1);
    LegOf(*over)->Close();
  }
  CountIdle();
  if (expiry_.deadline() == Instant::Never()) expiry_.Set(idle_.deadline());
}

Leg* ServerPool::Take(const Key& key) {
  Leg* taken = nullptr;
  while (const auto handle = idle_.Take(key)) {
    Leg* const leg = LegOf(*handle);
    if (leg->BeginAgain()) {
      counted_.reused.Add(1);
      taken = leg;
      break;
    }
    counted_.stale.Add(1);
    leg->Close();
  }
  CountIdle();
  return taken;
}

void ServerPool::CloseAll(uint64_t service, const Endpoint& server) {
  while (const auto handle = idle_.TakeAny(service, server)) {
    counted_.cut.Add(1);
    LegOf(*handle)->Close();
  }
  CountIdle();
}

void ServerPool::OnBytes(Leg& leg, std::span<const uint8_t>) {
  Close(leg, &Counted::unasked_bytes);
}
void ServerPool::OnEnd(Leg& leg) { Close(leg, &Counted::closed_by_server); }
void ServerPool::OnGone(Leg& leg) { Close(leg, &Counted::closed_by_server); }

void ServerPool::Close(Leg& leg, l7::Counter Counted::*reason) {
  (counted_.*reason).Add(1);
  idle_.Remove(HandleOf(&leg));
  CountIdle();
  leg.Close();
}

void ServerPool::Expire() {
  while (const auto handle = idle_.Expire(reactor_.Now())) {
    counted_.too_old.Add(1);
    LegOf(*handle)->Close();
  }
  CountIdle();
  expiry_.Set(idle_.deadline());
}

void ServerPool::CountIdle() {
  counted_.idle.Add(idle_.size() - counted_.idle.value());
}

ServerPool::Stats ServerPool::stats() const {
  return {.reused = counted_.reused.value(),
          .closed_by_server = counted_.closed_by_server.value(),
          .unasked_bytes = counted_.unasked_bytes.value(),
          .stale = counted_.stale.value(),
          .too_many = counted_.too_many.value(),
          .too_old = counted_.too_old.value(),
          .cut = counted_.cut.value()};
}

}  // namespace ballast::run
