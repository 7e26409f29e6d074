// The director's connections of one address family: found by packet 5-tuple
// from either end, bounded, expiring.
//
// Use per batch, to overlap the memory latency of all its packets:
//   for each packet  hash[i] = table.Hash(tuple[i]); table.Prefetch(hash[i]);
//   for each packet  hint[i] = table.PrefetchCandidate(hash[i]);
//   for each packet  found = table.Find(tuple[i], hash[i], hint[i]); ...
// and for a packet of a found connection: found.connection->last_seen_ms =
// now_ms. Call Advance() now and then (each few ms) with a budget.
//
// Memory   IPv4 64 B, IPv6 104 B a connection, + 6.4 B of index per direction
//          at a full table (12.8 B under NAT). Pages are taken when first
//          used, and kept; the line freed last is used next.
// Limits   at most Options::limit connections; Insert says kFull.
// Pointers to connections hold until it is erased. Keep a handle, not a
//          pointer, across batches.
// Threads  one. Nothing here allocates after Create, or locks.
#ifndef LB_L4_CONNECTION_TABLE_H_
#define LB_L4_CONNECTION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/lazy_memory.h"
#include "io/base/siphash.h"
#include "io/base/status_macros.h"
#include "lb/l4/connection.h"
#include "lb/l4/flow_hash.h"
#include "lb/l4/flow_index.h"
#include "lb/l4/flow_tuple.h"
#include "lb/l4/timer_wheel.h"

namespace ballast::l4 {

enum class InsertOutcome : uint8_t {
  kInserted,
  kFull,
  // The client's tuple belongs to a connection already; with kBeside, there is
  // one to that server.
  kExists,
  // The server's packets could not be told from another connection's: the
  // same server and port, client and port through another service. Another
  // server may do.
  kReverseTaken,
};

enum class PacketDirection : uint8_t { kFromClient = 0, kFromServer = 1 };

template <typename A>
class ConnectionTable {
 public:
  using Tuple = FlowTuple<A>;
  using Entry = Connection<A>;

  static constexpr uint32_t kLimitMax = FlowIndex::kNumberMax;

  struct Options {
    uint32_t limit = 0;  // 1 .. kLimitMax.
    SipKey key = {};     // Secret, random.
    // Asks the system for 2 MiB pages where whole ones are used: a third less
    // time per lookup at 10 M connections. The price is that memory comes in
    // lumps, and the index is taken whole almost at once.
    bool huge_pages = true;
  };

  struct Found {
    Entry* connection = nullptr;
    PacketDirection direction = PacketDirection::kFromClient;

    explicit operator bool() const { return connection != nullptr; }
  };

  struct Inserted {
    Entry* connection = nullptr;  // Null unless kInserted.
    InsertOutcome outcome = InsertOutcome::kFull;
    Entry* conflict = nullptr;  // Who is in the way: kExists, kReverseTaken.
  };

  //   kInvalidArgument    limit out of range
  //   kResourceExhausted  no address space
  static absl::StatusOr<ConnectionTable> Create(const Options& options) {
    if (options.limit == 0 || options.limit > kLimitMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("connection limit: ", options.limit, ", must be 1 .. ",
                       uint32_t{kLimitMax}));
    }
    ConnectionTable table(options);
    BALLAST_ASSIGN_OR_RETURN(
        table.index_,
        FlowIndex::Create(size_t{2} * options.limit, options.huge_pages));
    BALLAST_ASSIGN_OR_RETURN(
        table.memory_,
        LazyMemory::Create((size_t{options.limit} + 1) * sizeof(Entry),
                           options.huge_pages));
    table.entries_ = static_cast<Entry*>(table.memory_.data());
    return table;
  }

  size_t size() const { return size_; }
  size_t limit() const { return limit_; }

  uint64_t Hash(const Tuple& tuple) const { return hasher_(tuple); }
  void Prefetch(uint64_t hash) const { index_.Prefetch(hash); }
  // Reads the bucket, which Prefetch() has brought in meanwhile.
  // Returns a hint for Find(), 0 if there is none. Must be used: g++ 12 takes a
  // function that only prefetches for one without effects, and drops the call.
  [[nodiscard]] uint32_t PrefetchCandidate(uint64_t hash) const {
    return index_.Candidate(hash, [this](uint32_t candidate) {
      const auto* line = reinterpret_cast<const char*>(&entries_[candidate]);
      __builtin_prefetch(line);
      if constexpr (sizeof(Entry) > 64) {  // Two lines, or three.
        __builtin_prefetch(line + 64);
        __builtin_prefetch(line + sizeof(Entry) - 1);
      }
    });
  }

  // Before Erase() or Reschedule() of what PrefetchCandidate() brought in.
  void PrefetchNeighbours(uint32_t hint) const {
    if (hint != 0) wheel_.PrefetchNeighbours(entries_, hint);
  }

  // `hash` is Hash(tuple); `hint` is 0 or what PrefetchCandidate(hash) said
  // since, however long ago.
  Found Find(const Tuple& tuple, uint64_t hash, uint32_t hint = 0) {
    if (hint != 0) {
      Entry& entry = entries_[hint];
      const auto difference = entry.DifferenceTo(tuple);
      if (difference.IsNone() && IsLive(entry)) {
        return {&entry, DirectionOf(difference.IsReverse())};
      }
    }
    Found found;
    const uint32_t number = index_.Find(hash, [&](uint32_t candidate) {
      const auto difference = entries_[candidate].DifferenceTo(tuple);
      found.direction = DirectionOf(difference.IsReverse());
      return difference.IsNone();
    });
    if (number != 0) found.connection = &entries_[number];
    return found;
  }
  Found Find(const Tuple& tuple) { return Find(tuple, Hash(tuple)); }

  // The connection of `init`'s client to `init`'s server, beside another or
  // not. Null: none, or it is direct and has the client's tuple.
  Entry* FindTo(const Entry& init) {
    const uint32_t number =
        index_.Find(Hash(init.Reverse()), [&](uint32_t candidate) {
          return entries_[candidate].IsBetweenTheSame(init);
        });
    return number == 0 ? nullptr : &entries_[number];
  }

  // Copies `init`, seen at `now_ms`; [table] fields of it are ignored. It is
  // looked at by Advance() when `timeout_ms` has passed.
  Inserted Insert(uint32_t now_ms, const Entry& init, uint32_t timeout_ms) {
    const Tuple forward = init.Forward();
    const Tuple reverse = init.Reverse();
    // Everything that may be far away is asked for before it is needed.
    __builtin_prefetch(&entries_[free_]);
    const uint64_t forward_hash = HasForward(init) ? Hash(forward) : 0;
    if (HasForward(init)) Prefetch(forward_hash);
    const uint64_t reverse_hash = HasReverse(init) ? Hash(reverse) : 0;
    if (HasReverse(init)) Prefetch(reverse_hash);
    if (HasForward(init)) {
      if (const Found other = Find(forward, forward_hash)) {
        return {nullptr, InsertOutcome::kExists, other.connection};
      }
    } else if (Entry* other = FindTo(init)) {
      return {nullptr, InsertOutcome::kExists, other};
    }
    if (!init.Has(kDirect)) {
      if (const Found other = Find(reverse, reverse_hash)) {
        return {nullptr, InsertOutcome::kReverseTaken, other.connection};
      }
      if (forward == reverse) {
        return {nullptr, InsertOutcome::kReverseTaken, nullptr};
      }
    }
    const uint32_t number = TakeLine();
    if (number == 0) return {nullptr, InsertOutcome::kFull, nullptr};
    Entry& entry = entries_[number];
    const uint16_t generation = entry.generation;
    entry = init;
    entry.generation = generation;
    entry.last_seen_ms = now_ms;
    if (size_ == 0) wheel_.Reset(now_ms);
    wheel_.Link(entries_, number, now_ms + timeout_ms);
    if (HasForward(init)) index_.Insert(forward_hash, number);
    if (HasReverse(init)) index_.Insert(reverse_hash, number);
    ++size_;
    return {&entry, InsertOutcome::kInserted, nullptr};
  }

  // The connection is gone and its handles stale; its line may be reused.
  void Erase(Entry* entry) {
    BALLAST_CHECK(entry->wheel_prev != 0);
    const uint32_t number = NumberOf(entry);
    wheel_.PrefetchNeighbours(entries_, number);
    const uint64_t forward_hash =
        HasForward(*entry) ? Hash(entry->Forward()) : 0;
    if (HasForward(*entry)) Prefetch(forward_hash);
    const uint64_t reverse_hash =
        HasReverse(*entry) ? Hash(entry->Reverse()) : 0;
    if (HasReverse(*entry)) {
      Prefetch(reverse_hash);
      index_.Erase(reverse_hash, number);
    }
    if (HasForward(*entry)) index_.Erase(forward_hash, number);
    wheel_.Unlink(entries_, number);
    ++entry->generation;
    entry->wheel_next = free_;
    free_ = number;
    --size_;
  }

  ConnectionHandle HandleOf(const Entry* entry) const {
    return {NumberOf(entry) | uint64_t{entry->generation} << 24};
  }
  // Null if it has gone. Any bits may be asked for.
  Entry* Get(ConnectionHandle handle) {
    const uint32_t number = handle.index();
    if (number == 0 || number > used_ || handle.bits >> 40 != 0) return nullptr;
    Entry& entry = entries_[number];
    return IsLive(entry) && entry.generation == handle.generation() ? &entry
                                                                    : nullptr;
  }

  // After a change that shortens its timeout: expiry is then checked at
  // last_seen_ms + `timeout_ms`. A longer timeout needs no call.
  void Reschedule(Entry* entry, uint32_t timeout_ms) {
    const uint32_t number = NumberOf(entry);
    wheel_.Unlink(entries_, number);
    wheel_.Link(entries_, number, entry->last_seen_ms + timeout_ms);
  }

  // Looks at up to `budget` connections whose time may have come:
  // timeout_of(const Entry&) gives the idle timeout in ms (below 2^31), and
  // one that has been idle as long is handed to on_expired(Entry&) and then
  // erased. on_expired must not erase or insert. Returns whether none is left.
  //
  // A timeout that a new configuration shortens is noticed when the connection
  // is next looked at: at its old deadline, or after 17 minutes.
  template <typename TimeoutOf, typename OnExpired>
  bool Advance(uint32_t now_ms, size_t budget, TimeoutOf&& timeout_of,
               OnExpired&& on_expired) {
    return wheel_.Advance(
        entries_, now_ms, budget,
        [&](uint32_t number) {
          const Entry& entry = entries_[number];
          return entry.last_seen_ms + timeout_of(entry);
        },
        [&](uint32_t number) {
          on_expired(entries_[number]);
          Erase(&entries_[number]);
        });
  }

  // Walks the table in pieces: visits the live ones among the next `lines`
  // after `cursor` (0 at the start) and returns the next cursor, 0 at the end.
  // Between calls anything may change: what lives throughout is visited once.
  // visit(Entry&) may erase the one it is given, and no other.
  template <typename Visit>
  uint32_t Walk(uint32_t cursor, uint32_t lines, Visit&& visit) {
    if (cursor >= used_) return 0;
    const uint32_t end = used_ - cursor > lines ? cursor + lines : used_;
    while (cursor < end) {
      Entry& entry = entries_[++cursor];
      if (IsLive(entry)) visit(entry);
    }
    return cursor == used_ ? 0 : cursor;
  }

 private:
  explicit ConnectionTable(const Options& options)
      : hasher_(options.key), limit_(options.limit) {}

  static PacketDirection DirectionOf(bool reverse) {
    return static_cast<PacketDirection>(reverse);
  }
  // By which tuples it is in the index. One that is beside another is by its
  // server's even if no packet has that (direct return): for FindTo().
  static bool HasForward(const Entry& entry) { return !entry.Has(kBeside); }
  static bool HasReverse(const Entry& entry) {
    return entry.Has(kBeside) || !entry.Has(kDirect);
  }
  static bool IsLive(const Entry& entry) { return entry.wheel_prev != 0; }
  uint32_t NumberOf(const Entry* entry) const {
    return static_cast<uint32_t>(entry - entries_);
  }

  // 0 if the table is full. Lines 1..used_ have been in use before.
  uint32_t TakeLine() {
    if (free_ != 0) {
      const uint32_t number = free_;
      free_ = entries_[number].wheel_next;
      return number;
    }
    return used_ < limit_ ? ++used_ : 0;
  }

  FlowHasher hasher_;
  uint32_t limit_;
  uint32_t size_ = 0;
  uint32_t used_ = 0;
  uint32_t free_ = 0;  // Linked by wheel_next.
  LazyMemory memory_;
  Entry* entries_ = nullptr;  // [0 .. limit_]; 0 is never used.
  FlowIndex index_;
  TimerWheel<Entry> wheel_;
};

}  // namespace ballast::l4

#endif  // LB_L4_CONNECTION_TABLE_H_
