#include "persist/key_store.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "persist/key_shard.h"

namespace ballast::persist {
namespace {

// Below this a shard's fixed part (16 KiB) would weigh more than its entries.
constexpr uint32_t kEntriesPerShardMin = 4096;

// Digests fall evenly, not exactly so: room for eight standard deviations. The
// limit is the whole store's; what is never written takes no memory.
uint32_t PlacesOf(uint32_t limit, uint32_t shards) {
  if (shards == 1) return limit;
  const uint32_t even = (limit + shards - 1) / shards;
  const auto deviations = static_cast<uint32_t>(8 * std::sqrt(even));
  return std::min(limit, even + deviations + 64);
}

}  // namespace

// To lines of its own, so that neighbours' locks do not meet.
struct alignas(128) KeyStore::Locked {
  explicit Locked(KeyShard shard_in) : shard(std::move(shard_in)) {}
  std::mutex mutex;
  KeyShard shard;  // Under `mutex`.
};

KeyStore::KeyStore(uint32_t limit) : limit_(limit) {}
KeyStore::~KeyStore() = default;

absl::StatusOr<std::unique_ptr<KeyStore>> KeyStore::Create(
    const Options& options) {
  if (options.limit > kLimitMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "persistence entries: ", options.limit, ", at most ", kLimitMax));
  }
  uint32_t shards = options.shards;
  if (shards == 0) {
    shards = std::min(
        kShardsMax,
        std::bit_floor(std::max(1u, options.limit / kEntriesPerShardMin)));
  }
  if (!std::has_single_bit(shards) || shards > kShardsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("persistence shards: ", shards,
                     ", must be a power of two up to ", kShardsMax));
  }
  std::unique_ptr<KeyStore> store(new KeyStore(options.limit));
  const uint32_t places = PlacesOf(options.limit, shards);
  BALLAST_ASSIGN_OR_RETURN(
      const KeyShard::Memory memory,
      KeyShard::Memory::Create(shards, places, options.huge_pages));
  const KeyShard::Options shard{.places = places,
                                .changes_max = options.changes_max / shards + 1,
                                .size = &store->size_,
                                .limit = options.limit};
  for (uint32_t i = 0; i < shards; ++i) {
    store->shards_.push_back(
        std::make_unique<Locked>(KeyShard(shard, memory, i)));
  }
  return store;
}

// By the half of the digest that the shards' buckets do not use.
KeyStore::Locked& KeyStore::ShardOf(const KeyId& id) const {
  return *shards_[id.digest.words[1] & (shards_.size() - 1)];
}

std::optional<KeyEntry> KeyStore::Find(Instant now, const KeyId& id) const {
  Locked& locked = ShardOf(id);
  const std::lock_guard lock(locked.mutex);
  return locked.shard.Find(now, id);
}

uint32_t KeyStore::Claim(Instant now, const KeyId& id, Mode kind,
                         uint32_t server, absl::Duration timeout) {
  Locked& locked = ShardOf(id);
  const std::lock_guard lock(locked.mutex);
  return locked.shard.Claim(now, id, kind, server, timeout);
}

bool KeyStore::Put(Instant now, const KeyId& id, Mode kind, uint32_t server,
                   absl::Duration timeout) {
  Locked& locked = ShardOf(id);
  const std::lock_guard lock(locked.mutex);
  return locked.shard.Put(now, id, kind, server, timeout);
}

bool KeyStore::Refresh(Instant now, const KeyId& id, uint32_t server,
                       bool refresh) {
  Locked& locked = ShardOf(id);
  const std::lock_guard lock(locked.mutex);
  return locked.shard.Refresh(now, id, server, refresh);
}

bool KeyStore::Erase(const KeyId& id, uint32_t server) {
  Locked& locked = ShardOf(id);
  const std::lock_guard lock(locked.mutex);
  return locked.shard.Erase(id, server);
}

KeyApplied KeyStore::Apply(Instant now, const KeyEntry& entry) {
  Locked& locked = ShardOf(entry.id);
  const std::lock_guard lock(locked.mutex);
  return locked.shard.Apply(now, entry);
}

// A cursor: the shard in the upper half, the place in it in the lower.
uint64_t KeyStore::Walk(Instant now, uint64_t cursor, uint32_t count,
                        absl::FunctionRef<bool(const KeyEntry&)> visit) {
  const uint64_t number = cursor >> 32;
  if (number >= shards_.size()) return 0;
  Locked& locked = *shards_[number];
  const std::lock_guard lock(locked.mutex);
  const uint32_t next = locked.shard.Walk(now, static_cast<uint32_t>(cursor),
                                          std::max(count, 1u), visit);
  if (next != 0) return number << 32 | next;
  return number + 1 == shards_.size() ? 0 : (number + 1) << 32;
}

uint32_t KeyStore::CountOf(uint32_t server) const {
  uint32_t count = 0;
  for (const auto& locked : shards_) {
    const std::lock_guard lock(locked->mutex);
    count += locked->shard.CountOf(server);
  }
  return count;
}

bool KeyStore::Advance(Instant now, size_t budget) {
  const uint32_t first = next_advance_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < shards_.size(); ++i) {
    const uint32_t number = (first + i) & (shards_.size() - 1);
    Locked& locked = *shards_[number];
    const std::lock_guard lock(locked.mutex);
    if (!locked.shard.Advance(now, budget)) {
      // The others first, next time.
      next_advance_.store(number + 1, std::memory_order_relaxed);
      return false;
    }
  }
  return true;
}

void KeyStore::BeginReplace() {
  for (const auto& locked : shards_) {
    const std::lock_guard lock(locked->mutex);
    locked->shard.BeginReplace();
  }
}

void KeyStore::EndReplace() {
  for (const auto& locked : shards_) {
    const std::lock_guard lock(locked->mutex);
    locked->shard.EndReplace();
  }
}

void KeyStore::StartTelling() {
  for (const auto& locked : shards_) {
    const std::lock_guard lock(locked->mutex);
    locked->shard.StartTelling();
  }
}

void KeyStore::StopTelling() {
  for (const auto& locked : shards_) {
    const std::lock_guard lock(locked->mutex);
    locked->shard.StopTelling();
  }
}

size_t KeyStore::TakeChanges(Instant now, std::span<KeyEntry> changes) {
  size_t count = 0;
  const uint32_t first = next_take_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < shards_.size() && count < changes.size(); ++i) {
    const uint32_t number = (first + i) & (shards_.size() - 1);
    Locked& locked = *shards_[number];
    const std::lock_guard lock(locked.mutex);
    count += locked.shard.TakeChanges(now, changes.subspan(count));
    next_take_.store(number + 1, std::memory_order_relaxed);
  }
  return count;
}

KeyStats KeyStore::stats() const {
  KeyStats sum;
  for (const auto& locked : shards_) {
    const std::lock_guard lock(locked->mutex);
    const KeyStats& stats = locked->shard.stats();
    sum.refused_full += stats.refused_full;
    sum.expired += stats.expired;
    sum.left_out += stats.left_out;
    sum.changes_lost += stats.changes_lost;
  }
  return sum;
}

}  // namespace ballast::persist
