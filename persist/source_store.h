// Source-IP persistence: which server a client of a service had last.
//
// A bounded store of entries {service, client address} -> server with the
// lifetime rules of lifetime.h. Full: nothing that is still valid is thrown
// out; what has expired makes room, and if there is none the new entry is
// refused and counted. So a flood of strangers cannot take established clients
// from their servers.
//
// Each entry also keeps what connection sync needs of an IPVS template: a
// count, the state last sent, and `end` with its retries.
//
// Units    service, server: whatever numbers the caller uses.
// Memory   48 B an entry, index included, and 12 B with a TemplateSync; 12 B
// more
//          for IPv6. Taken when first used.
// Cost     at 1 M and 10 M entries, every line cold: Find 200 and 250 ns, Find
//          and Put of an entry that is there 400 and 510 ns, Erase and Put of a
//          new one 550 and 700 ns. Expiry scans nothing (expiry_ring.h).
// Threads  one. No allocation after Create.
// Pointers to entries hold until the entry is erased; keep a handle instead.
#ifndef PERSIST_SOURCE_STORE_H_
#define PERSIST_SOURCE_STORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "persist/expiry_ring.h"
#include "persist/zeroed_array.h"

namespace ballast::persist {

struct SourceKey {
  uint32_t service = 0;
  Address client;

  friend auto operator<=>(const SourceKey&, const SourceKey&) = default;
};

// Read-only for callers.
struct Entry {
  uint32_t service;
  uint32_t server;
  uint32_t timeout_ms;

  absl::Duration timeout() const { return absl::Milliseconds(timeout_ms); }
  Instant expires() const { return Instant::FromNanos(expires_ns); }
  Instant started() const { return expires() - timeout(); }

  // The store's own.
  uint32_t client_low;  // Last 32 bits of the address, as they lie in memory.
  int64_t expires_ns;
  uint32_t next;  // In the chain of its bucket, or of free entries.
  uint16_t generation;
  uint16_t flags;
};
static_assert(sizeof(Entry) == 32, "two to a cache line");

// Names one entry for as long as it lives; never another one after that.
struct EntryHandle {
  uint64_t bits = 0;  // 0 is never an entry.
  friend bool operator==(EntryHandle, EntryHandle) = default;
};

// An IPVS template's own record of what was sent of it (ip_vs_sync.c).
struct TemplateSync {
  uint32_t count = 0;    // Packets that asked for it to be sent.
  Instant end;           // When the entry last sent would run out.
  bool assured = false;  // State last sent: assured, else none.
  uint8_t retries = 0;   // 0..3

  friend bool operator==(const TemplateSync&, const TemplateSync&) = default;
};

class SourceStore {
 public:
  static constexpr uint32_t kLimitMax = 1u << 28;

  struct Options {
    uint32_t limit = 0;  // Entries, 0..kLimitMax. 0 refuses all.
    SipKey key = {};     // Secret, random.
    // Asks the system for 2 MiB pages where whole ones are used: a third to a
    // half less time at 10 M entries. Memory then comes in lumps, and the index
    // is taken whole almost at once.
    bool huge_pages = true;
  };
  struct Stats {
    uint64_t refused_full = 0;
    uint64_t expired = 0;
  };

  //   kInvalidArgument    limit out of range
  //   kResourceExhausted  no address space
  static absl::StatusOr<SourceStore> Create(const Options& options);

  // The entry, or null if there is none that is valid.
  const Entry* Find(Instant now, const SourceKey& key) const;

  // The client has a connection to `server` established at `now`: makes the
  // entry or starts it again. An entry made anew (also for another server, or
  // after it expired) has a new handle and empty TemplateSync. False: full.
  // `timeout` is up to kTimeoutMax, in whole milliseconds.
  bool Put(Instant now, const SourceKey& key, uint32_t server,
           absl::Duration timeout) {
    return Restore(now, key, server, now, timeout);
  }
  // The same for an entry that was started earlier, by a peer or by this
  // process before a restart. One that has expired meanwhile is left out: true.
  bool Restore(Instant now, const SourceKey& key, uint32_t server,
               Instant started, absl::Duration timeout);

  void Erase(const SourceKey& key);

  EntryHandle HandleOf(const Entry& entry) const;
  // Null if it has gone or expired. Any bits may be asked for.
  const Entry* Get(Instant now, EntryHandle handle) const;
  SourceKey KeyOf(const Entry& entry) const;

  TemplateSync sync(const Entry& entry) const;
  void SetSync(const Entry& entry, const TemplateSync& sync);

  // Frees what has expired, looking at no more than `budget` entries. Returns
  // whether nothing due is left. An entry is freed at most two seconds after it
  // expired if this keeps up; it stops being found at once.
  bool Advance(Instant now, size_t budget);

  // Walks the store in pieces: visits the entries, expired ones not yet freed
  // too, among the next `count` places after `cursor` (0 at the start), and
  // returns the next cursor, 0 at the end. Between calls anything may change:
  // what lives throughout is visited once. visit(const Entry&) says whether to
  // erase it: how a server's or a service's entries are taken out.
  template <typename Visit>
  uint32_t Walk(uint32_t cursor, uint32_t count, Visit&& visit) {
    if (cursor >= used_) return 0;
    const uint32_t end = used_ - cursor > count ? cursor + count : used_;
    while (cursor < end) {
      const Entry& entry = entries_[++cursor];
      if (IsLive(entry) && visit(entry)) Free(cursor);
    }
    return cursor == used_ ? 0 : cursor;
  }

  // Entries that take up room, the expired that are not yet freed among them.
  uint32_t size() const { return size_; }
  uint32_t limit() const { return limit_; }
  const Stats& stats() const { return stats_; }

 private:
  // Of a TemplateSync; the rest of it is among the flags.
  struct Sync {
    uint32_t count;
    std::array<uint32_t, 2> end_ns;  // Halves: 8 bytes would be aligned to 8.
  };
  static_assert(sizeof(Sync) == 12);
  using AddressHigh = std::array<uint8_t, 12>;  // The rest of an IPv6 address.

  explicit SourceStore(const Options& options)
      : key_(options.key), limit_(options.limit) {}

  static bool IsLive(const Entry& entry);
  // Into buckets_.
  size_t Bucket(const SourceKey& key) const;
  uint32_t Lookup(const SourceKey& key, size_t bucket) const;  // 0: not there.
  bool Matches(const Entry& entry, uint32_t number, const SourceKey& key) const;
  uint32_t Take(Instant now, const SourceKey& key, size_t bucket);
  void Free(uint32_t number);
  uint32_t NumberOf(const Entry& entry) const {
    return static_cast<uint32_t>(&entry - entries_.data());
  }

  SipKey key_;
  uint32_t limit_;
  uint32_t size_ = 0;
  uint32_t used_ = 0;  // Entries 1..used_ have been in use.
  uint32_t free_ = 0;  // Chained by `next`.
  uint32_t bucket_count_ = 0;
  ZeroedArray<uint32_t> buckets_;  // First entry of each chain.
  ZeroedArray<Entry> entries_;     // [0 .. limit_]; 0 is never used.
  ZeroedArray<Sync> sync_;
  ZeroedArray<AddressHigh> high_;
  ExpiryRing ring_;
  Stats stats_;
};

}  // namespace ballast::persist

#endif  // PERSIST_SOURCE_STORE_H_
