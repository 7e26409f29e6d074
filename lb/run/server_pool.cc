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
    ++stats_.too_many;
    LegOf(*over)->Close();
  }
  if (expiry_.deadline() == Instant::Never()) expiry_.Set(idle_.deadline());
}

Leg* ServerPool::Take(const Key& key) {
  while (const auto handle = idle_.Take(key)) {
    Leg* const leg = LegOf(*handle);
    if (leg->BeginAgain()) {
      ++stats_.reused;
      return leg;
    }
    ++stats_.stale;
    leg->Close();
  }
  return nullptr;
}

void ServerPool::CloseAll(uint64_t service, const Endpoint& server) {
  while (const auto handle = idle_.TakeAny(service, server)) {
    ++stats_.cut;
    LegOf(*handle)->Close();
  }
}

void ServerPool::OnBytes(Leg& leg, std::span<const uint8_t>) {
  Close(leg, &Stats::unasked_bytes);
}
void ServerPool::OnEnd(Leg& leg) { Close(leg, &Stats::closed_by_server); }
void ServerPool::OnGone(Leg& leg) { Close(leg, &Stats::closed_by_server); }

void ServerPool::Close(Leg& leg, uint64_t Stats::*reason) {
  ++(stats_.*reason);
  idle_.Remove(HandleOf(&leg));
  leg.Close();
}

void ServerPool::Expire() {
  while (const auto handle = idle_.Expire(reactor_.Now())) {
    ++stats_.too_old;
    LegOf(*handle)->Close();
  }
  expiry_.Set(idle_.deadline());
}

}  // namespace ballast::run
