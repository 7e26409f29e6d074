// Persistence entries of L7 services: {table, digest of a key} -> server, for
// all threads of a unit.
//
// Lifetimes are those of lifetime.h. Full: as in source_store.h, nothing that
// is valid is thrown out; what has expired makes room, and if there is none the
// new entry is refused and counted.
//
// Tables   a service has a table of its own, by its number; SubVSs that share
//          their entries (ShareSubVSPersist) use their parent's, and then must
//          mean the same by a server's number.
// Units    table, server: whatever numbers the caller uses. Timeouts: whole
//          minutes.
// Memory   60 B an entry, index included. Taken when first used.
// Cost     at 1 M and 10 M entries, every line cold: Find 190 and 270 ns, Find
//          and Put of an entry that is there 380 and 540 ns, Erase and Put of a
//          new one 490 and 610 ns (bench/RESULTS.md). Expiry scans nothing
//          (expiry_ring.h).
// Threads  any. The whole of the lock policy: an entry lives in one shard, by
//          its digest; each shard has one mutex, held for one look-up or change
//          or for one piece of a walk; no two are ever held at once, and nobody
//          waits for anything under one.
// Clocks   each caller's `now` may lag another's a little.
//
// The usual order, for one request:
//   Find()       is there an entry? FollowEntry() (follow.h) says whether to go
//                where it points; if not, Erase() it
//   Claim()      with the scheduler's choice: of several threads that serve a
//                new client at once, all get the first one's
//   Put()        when the connection is established: the clock starts
#ifndef PERSIST_KEY_STORE_H_
#define PERSIST_KEY_STORE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "persist/key_entry.h"
#include "persist/mode.h"

namespace ballast::persist {

class KeyStore {
 public:
  static constexpr uint32_t kLimitMax = 1u << 28;
  static constexpr uint32_t kShardsMax = 64;

  struct Options {
    uint32_t limit = 0;   // Entries, 0..kLimitMax. 0 refuses all.
    uint32_t shards = 0;  // A power of two to kShardsMax. 0: as fits `limit`.
    // Changes kept for the partner; rounded up to a multiple of the shards.
    uint32_t changes_max = 1 << 16;
    bool huge_pages = true;  // As in SourceStore::Options.
  };
  //   kInvalidArgument    limit or shards out of range
  //   kResourceExhausted  no address space
  static absl::StatusOr<std::unique_ptr<KeyStore>> Create(
      const Options& options);
  ~KeyStore();
  KeyStore(const KeyStore&) = delete;
  KeyStore& operator=(const KeyStore&) = delete;

  // -- One client ---------------------------------------------------------
  // `timeout` is whole minutes, kTimeoutMin..kTimeoutMax, as
  // RoundPersistTimeout() gives it; else it is the caller's bug.

  // nullopt: none that is valid.
  std::optional<KeyEntry> Find(Instant now, const KeyId& id) const;

  // An entry for `server` unless a valid one is there already, whose server is
  // returned. Refused as full: `server` all the same, without an entry.
  uint32_t Claim(Instant now, const KeyId& id, Mode kind, uint32_t server,
                 absl::Duration timeout);

  // A connection to `server` was established at `now`: makes the entry, starts
  // it again, or lets it point elsewhere. False: full.
  bool Put(Instant now, const KeyId& id, Mode kind, uint32_t server,
           absl::Duration timeout);

  // A connection to `server` is still open: starts its entry again if Refresh
  // Persist says so (lifetime.h, L3). False: nothing to do now.
  bool Refresh(Instant now, const KeyId& id, uint32_t server, bool refresh);

  // Takes the entry out if it still points at `server`: so that of two threads
  // which find the server down, the second does not undo what the first did.
  // False: it does not.
  bool Erase(const KeyId& id, uint32_t server);

  // -- Many -----------------------------------------------------------------

  // Visits the valid entries among the next `count` places after `cursor` (0 at
  // the start); returns the next cursor, 0 at the end. Between calls anything
  // may change: what lives throughout is visited once. `visit` runs under a
  // shard's lock, so it must not call the store; true takes the entry out,
  // without a word to the partner, who does as we do.
  uint64_t Walk(Instant now, uint64_t cursor, uint32_t count,
                absl::FunctionRef<bool(const KeyEntry&)> visit);

  // Entries that point at `server`. (Those that expired less than two seconds
  // ago may be among them.) Cost: a look-up in each shard.
  uint32_t CountOf(uint32_t server) const;

  // Frees what has expired, then what a replacement left out, looking at no
  // more than `budget` entries. Returns whether nothing due is left. Call it
  // about once a second.
  bool Advance(Instant now, size_t budget);

  // -- The partner ------------------------------------------------------------

  // From StartTelling() on, what Claim, Put, Refresh and Erase change is kept
  // to be told; what was not taken of an earlier time is dropped. An entry that
  // changes again before it is taken is told once, as it is then. Expiry is not
  // told: each unit has a clock. What is there already: Walk().
  void StartTelling();
  void StopTelling();
  // Moves changes into `changes`; returns how many. 0: none left. Each entry's
  // last change comes last; between entries there is no order. Those for which
  // there was no room are counted in changes_lost: when that grows, the partner
  // must be given everything anew. (What was erased then lives on there until
  // it expires, or its server is found down.)
  size_t TakeChanges(Instant now, std::span<KeyEntry> changes);

  // What the partner tells: not told back to it. Any entry may be given.
  KeyApplied Apply(Instant now, const KeyEntry& entry);

  // The partner's whole table is coming. What is there already, and neither is
  // applied nor changes from here on, goes after EndReplace(): Advance() takes
  // it out, without a word to the partner. Without an EndReplace() it stays.
  void BeginReplace();
  void EndReplace();

  // Entries that take up room, expired ones not yet freed among them.
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }
  uint32_t limit() const { return limit_; }
  KeyStats stats() const;

 private:
  struct Locked;

  explicit KeyStore(uint32_t limit);
  Locked& ShardOf(const KeyId& id) const;

  const uint32_t limit_;
  std::atomic<uint32_t> size_ = 0;
  std::vector<std::unique_ptr<Locked>> shards_;  // A power of two.
  std::atomic<uint32_t> next_advance_ = 0;       // Shard to go on with.
  std::atomic<uint32_t> next_take_ = 0;
};

}  // namespace ballast::persist

#endif  // PERSIST_KEY_STORE_H_
