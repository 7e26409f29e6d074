// One shard of a KeyStore, under its lock: a bounded table by digest, the ring
// of what expires, entries by server, and what is still to be told.
//
// Threads  one at a time; KeyStore sees to it.
#ifndef PERSIST_KEY_SHARD_H_
#define PERSIST_KEY_SHARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "persist/expiry_ring.h"
#include "persist/key.h"
#include "persist/key_entry.h"
#include "persist/mode.h"
#include "persist/zeroed_array.h"

namespace ballast::persist {

class KeyShard {
 public:
  // The arrays of all shards together.
  class Memory;

  struct Options {
    uint32_t places = 0;  // Entries, at most.
    uint32_t changes_max = 0;
    // Of the whole store: no more than `limit` in all shards together.
    std::atomic<uint32_t>* size = nullptr;
    uint32_t limit = 0;
  };
  // The shard `number` of those that `memory` was made for.
  KeyShard(const Options& options, const Memory& memory, uint32_t number);

  // As KeyStore's.
  std::optional<KeyEntry> Find(Instant now, const KeyId& id) const;
  uint32_t Claim(Instant now, const KeyId& id, Mode kind, uint32_t server,
                 absl::Duration timeout);
  bool Put(Instant now, const KeyId& id, Mode kind, uint32_t server,
           absl::Duration timeout);
  bool Refresh(Instant now, const KeyId& id, uint32_t server, bool refresh);
  bool Erase(const KeyId& id, uint32_t server);
  KeyApplied Apply(Instant now, const KeyEntry& entry);

  // `cursor` is a place; 0 at the end.
  uint32_t Walk(Instant now, uint32_t cursor, uint32_t count,
                absl::FunctionRef<bool(const KeyEntry&)> visit);
  uint32_t CountOf(uint32_t server) const;
  // Counts `budget` down.
  bool Advance(Instant now, size_t& budget);
  void BeginReplace();
  void EndReplace() { sweep_ = used_; }

  void StartTelling();
  void StopTelling();
  size_t TakeChanges(Instant now, std::span<KeyEntry> changes);

  const KeyStats& stats() const { return stats_; }

 private:
  struct Entry {
    Digest digest;
    int64_t expires_ns;
    uint32_t table;
    uint32_t server;
    uint32_t next;  // In the chain of its bucket, or of free entries.
    uint16_t timeout_minutes;
    uint8_t kind;
    uint8_t flags;

    absl::Duration timeout() const { return absl::Minutes(timeout_minutes); }
    Instant expires() const { return Instant::FromNanos(expires_ns); }
    Instant started() const { return expires() - timeout(); }
  };
  static_assert(sizeof(Entry) == 40);
  // To be told. Of an entry that is there, its state when it is taken.
  struct Change {
    KeyId id;
    Mode kind;
  };

  // 0: not there.
  uint32_t Lookup(const KeyId& id) const;
  uint32_t LookupValid(Instant now, const KeyId& id) const;
  size_t BucketNumber(const KeyId& id) const;
  // It was heard of since BeginReplace().
  void Stamp(Entry& entry) const;
  // What was not goes, from place sweep_ down. False: not at the end.
  bool Sweep(size_t& budget);
  // False: full.
  bool Set(Instant now, const KeyId& id, Mode kind, uint32_t server,
           Instant started, absl::Duration timeout, bool tell);
  uint32_t Take(Instant now, const KeyId& id);
  void Free(uint32_t number);
  void Leave(const Entry& entry);
  void Tell(Entry& entry);
  void TellGone(const Entry& entry);
  bool Push(const Entry& entry);
  static KeyEntry Shown(const Entry& entry);

  Options options_;
  uint32_t used_ = 0;  // Entries 1..used_ have been in use.
  uint32_t free_ = 0;  // Chained by `next`.
  uint32_t bucket_count_;
  ZeroedArray<uint32_t> buckets_;  // First entry of each chain.
  ZeroedArray<Entry> entries_;     // [0 .. places]; 0 is never used.
  ExpiryRing ring_;
  absl::flat_hash_map<uint32_t, uint32_t> by_server_;  // Entries; never 0.
  std::vector<Change> changes_;  // A ring of changes_max, once telling.
  uint64_t pushed_ = 0;
  uint64_t taken_ = 0;
  bool telling_ = false;
  uint8_t round_ = 0;   // Of BeginReplace(), as entries' flags have it.
  uint32_t sweep_ = 0;  // Places yet to be swept.
  KeyStats stats_;
};

class KeyShard::Memory {
 public:
  static absl::StatusOr<Memory> Create(uint32_t shards, uint32_t places,
                                       bool huge_pages);

 private:
  friend class KeyShard;

  ZeroedArray<uint32_t> buckets_;
  ZeroedArray<Entry> entries_;
  ZeroedArray<ExpiryRing::Links> links_;
};

}  // namespace ballast::persist

#endif  // PERSIST_KEY_SHARD_H_
