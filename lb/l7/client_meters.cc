#include "lb/l7/client_meters.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ballast::l7 {
namespace {

uint64_t DigestOf(const SipKey& key, uint32_t domain, const Address& client) {
  std::array<uint8_t, 20> bytes{};
  std::memcpy(bytes.data(), &domain, 4);
  const auto& address = client.bytes();
  const size_t length = client.is_v4() ? 16 : 8;
  std::copy_n(address.begin(), length, bytes.begin() + 4);
  const uint64_t digest = SipHash13(key, bytes);
  return digest == 0 ? 1 : digest;
}

}  // namespace

ClientMeters::ClientMeters(size_t clients_max, const SipKey& key)
    : key_(key),
      sets_(std::bit_ceil(std::max<size_t>(clients_max / kWays, 1))),
      places_(new Held[sets_ * kWays]) {}

ClientMeters::Held* ClientMeters::Acquire(Instant now, uint32_t domain,
                                          const Address& client) {
  const uint64_t digest = DigestOf(key_, domain, client);
  const size_t set = digest & (sets_ - 1);
  Held* const first = &places_[set * kWays];
  const std::lock_guard lock(shards_[set % kShards].mutex);
  Held* room = nullptr;
  for (Held* at = first; at != first + kWays; ++at) {
    if (at->digest == digest) {
      at->holders.fetch_add(1, std::memory_order_relaxed);
      return at;
    }
    // Acquire: what its last holder did to the meter comes before.
    if (room == nullptr &&
        (at->digest == 0 || (at->holders.load(std::memory_order_acquire) == 0 &&
                             at->meter.Idle(now)))) {
      room = at;
    }
  }
  if (room == nullptr) {
    full_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  room->meter.Reset();
  room->digest = digest;
  room->domain = domain;
  room->holders.store(1, std::memory_order_relaxed);
  return room;
}

void ClientMeters::With(uint32_t domain, const Address& client,
                        absl::FunctionRef<void(const TrafficMeter&)> visit) {
  const uint64_t digest = DigestOf(key_, domain, client);
  const size_t set = digest & (sets_ - 1);
  const std::lock_guard lock(shards_[set % kShards].mutex);
  for (size_t i = set * kWays; i < (set + 1) * kWays; ++i) {
    if (places_[i].digest == digest) return visit(places_[i].meter);
  }
}

void ClientMeters::ForEach(uint32_t domain,
                           absl::FunctionRef<void(TrafficMeter&)> visit) {
  for (size_t set = 0; set < sets_; ++set) {
    const std::lock_guard lock(shards_[set % kShards].mutex);
    for (Held* at = &places_[set * kWays]; at != &places_[(set + 1) * kWays];
         ++at) {
      if (at->digest != 0 && at->domain == domain) visit(at->meter);
    }
  }
}

}  // namespace ballast::l7
