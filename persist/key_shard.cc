#include "persist/key_shard.h"

#include <algorithm>

#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "persist/lifetime.h"

namespace ballast::persist {
namespace {

// Entry::flags.
constexpr uint8_t kLive = 1;
constexpr uint8_t kQueued = 2;  // Stands among the changes.
// The rest: the last round in which it was heard of. It goes round: one that
// was last heard of so many replacements ago, none of which was completed,
// stays until its timeout.
constexpr uint8_t kRoundStep = 4;
constexpr uint8_t kRoundMask = 0xfc;

// What a full shard is willing to look at to make room for a new entry.
constexpr size_t kMakeRoomBudget = 16;

bool IsWholeMinutes(absl::Duration timeout) {
  return timeout >= kTimeoutMin && timeout == RoundPersistTimeout(timeout);
}

// A peer's byte may be any.
bool IsKind(Mode kind) {
  return kind != Mode::kNone && static_cast<int>(kind) < kModeCount &&
         kind == KindOf(kind);
}

}  // namespace

// Entry 0 of a shard is never used; two buckets an entry.
absl::StatusOr<KeyShard::Memory> KeyShard::Memory::Create(uint32_t shards,
                                                          uint32_t places,
                                                          bool huge_pages) {
  const size_t entries = size_t{shards} * (places + 1);
  Memory memory;
  BALLAST_ASSIGN_OR_RETURN(
      memory.buckets_, ZeroedArray<uint32_t>::Create(2 * entries, huge_pages));
  BALLAST_ASSIGN_OR_RETURN(memory.entries_,
                           ZeroedArray<Entry>::Create(entries, huge_pages));
  BALLAST_ASSIGN_OR_RETURN(
      memory.links_,
      ZeroedArray<ExpiryRing::Links>::Create(entries, huge_pages));
  return memory;
}

KeyShard::KeyShard(const Options& options, const Memory& memory,
                   uint32_t number)
    : options_(options), bucket_count_(2 * (options.places + 1)) {
  const size_t first = size_t{number} * (options.places + 1);
  buckets_ = memory.buckets_.From(2 * first);
  entries_ = memory.entries_.From(first);
  ring_ = ExpiryRing(memory.links_.From(first));
}

std::optional<KeyEntry> KeyShard::Find(Instant now, const KeyId& id) const {
  const uint32_t number = LookupValid(now, id);
  if (number == 0) return std::nullopt;
  return Shown(entries_[number]);
}

uint32_t KeyShard::Claim(Instant now, const KeyId& id, Mode kind,
                         uint32_t server, absl::Duration timeout) {
  if (const uint32_t number = LookupValid(now, id)) {
    return entries_[number].server;
  }
  Put(now, id, kind, server, timeout);
  return server;
}

bool KeyShard::Put(Instant now, const KeyId& id, Mode kind, uint32_t server,
                   absl::Duration timeout) {
  BALLAST_CHECK(IsWholeMinutes(timeout));
  return Set(now, id, kind, server, now, timeout, true);
}

bool KeyShard::Refresh(Instant now, const KeyId& id, uint32_t server,
                       bool refresh) {
  const uint32_t number = LookupValid(now, id);
  if (number == 0) return false;
  const Entry& entry = entries_[number];
  if (entry.server != server ||
      !IsRefreshDue(now, entry.started(), entry.timeout(), refresh)) {
    return false;
  }
  return Set(now, id, static_cast<Mode>(entry.kind), server, now,
             entry.timeout(), true);
}

bool KeyShard::Erase(const KeyId& id, uint32_t server) {
  const uint32_t number = Lookup(id);
  if (number == 0 || entries_[number].server != server) return false;
  TellGone(entries_[number]);
  Free(number);
  return true;
}

KeyApplied KeyShard::Apply(Instant now, const KeyEntry& entry) {
  const uint32_t number = LookupValid(now, entry.id);
  if (entry.gone()) {
    // What was started here after the partner took its own out is another.
    if (number == 0 || entries_[number].started() > entry.started) {
      return KeyApplied::kStale;
    }
    Free(number);
    return KeyApplied::kRemoved;
  }
  if (!IsWholeMinutes(entry.timeout) || !IsKind(entry.kind)) {
    return KeyApplied::kInvalid;
  }
  // From a clock that runs ahead it would live longer than its timeout.
  const Instant started = std::min(entry.started, now);
  if (!IsValid(now, started, entry.timeout)) return KeyApplied::kExpired;
  if (number != 0 && entries_[number].started() > started) {
    Stamp(entries_[number]);
    return KeyApplied::kStale;
  }
  if (!Set(now, entry.id, entry.kind, entry.server, started, entry.timeout,
           false)) {
    return KeyApplied::kRefusedFull;
  }
  return number == 0 ? KeyApplied::kCreated : KeyApplied::kUpdated;
}

uint32_t KeyShard::Walk(Instant now, uint32_t cursor, uint32_t count,
                        absl::FunctionRef<bool(const KeyEntry&)> visit) {
  if (cursor >= used_) return 0;
  const uint32_t end = used_ - cursor > count ? cursor + count : used_;
  while (cursor < end) {
    const Entry& entry = entries_[++cursor];
    if ((entry.flags & kLive) != 0 && now < entry.expires() &&
        visit(Shown(entry))) {
      Free(cursor);
    }
  }
  return cursor == used_ ? 0 : cursor;
}

uint32_t KeyShard::CountOf(uint32_t server) const {
  const auto it = by_server_.find(server);
  return it == by_server_.end() ? 0 : it->second;
}

bool KeyShard::Advance(Instant now, size_t& budget) {
  struct Due {
    KeyShard& shard;
    void Prefetch(uint32_t number) {
      __builtin_prefetch(&shard.entries_[number]);
    }
    Instant ExpiresOf(uint32_t number) {
      return shard.entries_[number].expires();
    }
    void Expire(uint32_t number) {
      shard.Free(number);
      ++shard.stats_.expired;
    }
  };
  return ring_.Advance(now, budget, Due{*this}) && Sweep(budget);
}

// -- Replacing ----------------------------------------------------------------

void KeyShard::BeginReplace() {
  round_ = static_cast<uint8_t>(round_ + kRoundStep);
  sweep_ = 0;
}

void KeyShard::Stamp(Entry& entry) const {
  entry.flags = static_cast<uint8_t>((entry.flags & ~kRoundMask) | round_);
}

bool KeyShard::Sweep(size_t& budget) {
  for (; sweep_ > 0 && budget > 0; --sweep_, --budget) {
    const uint8_t flags = entries_[sweep_].flags;
    if ((flags & kLive) == 0 || (flags & kRoundMask) == round_) continue;
    Free(sweep_);
    ++stats_.left_out;
  }
  return sweep_ == 0;
}

// -- Telling ------------------------------------------------------------------

void KeyShard::StartTelling() {
  StopTelling();
  changes_.resize(options_.changes_max);
  telling_ = true;
}

void KeyShard::StopTelling() {
  for (; taken_ < pushed_; ++taken_) {
    const Change& change = changes_[taken_ % changes_.size()];
    if (const uint32_t number = Lookup(change.id)) {
      entries_[number].flags &= static_cast<uint8_t>(~kQueued);
    }
  }
  telling_ = false;
}

size_t KeyShard::TakeChanges(Instant now, std::span<KeyEntry> changes) {
  size_t count = 0;
  for (; taken_ < pushed_ && count < changes.size(); ++taken_) {
    const Change& change = changes_[taken_ % changes_.size()];
    const uint32_t number = Lookup(change.id);
    if (number != 0) entries_[number].flags &= static_cast<uint8_t>(~kQueued);
    changes[count++] =
        number != 0 && now < entries_[number].expires()
            ? Shown(entries_[number])
            : KeyEntry{.id = change.id, .kind = change.kind, .started = now};
  }
  return count;
}

void KeyShard::Tell(Entry& entry) {
  if (!telling_ || (entry.flags & kQueued) != 0) return;
  if (Push(entry)) entry.flags |= kQueued;
}

void KeyShard::TellGone(const Entry& entry) {
  // A change that waits already will find that it has gone.
  if (telling_ && (entry.flags & kQueued) == 0) Push(entry);
}

bool KeyShard::Push(const Entry& entry) {
  if (pushed_ - taken_ == changes_.size()) {
    ++stats_.changes_lost;
    return false;
  }
  changes_[pushed_++ % changes_.size()] = {{entry.table, entry.digest},
                                           static_cast<Mode>(entry.kind)};
  return true;
}

// -- The table ----------------------------------------------------------------

// The digest is keyed: half of it, with the table stirred in, is hash enough.
size_t KeyShard::BucketNumber(const KeyId& id) const {
  const uint64_t hash = id.digest.words[0] + id.table * 0x9e3779b97f4a7c15u;
  return (hash >> 32) * bucket_count_ >> 32;
}

uint32_t KeyShard::Lookup(const KeyId& id) const {
  uint32_t number = buckets_[BucketNumber(id)];
  while (number != 0 && (entries_[number].digest != id.digest ||
                         entries_[number].table != id.table)) {
    number = entries_[number].next;
  }
  return number;
}

uint32_t KeyShard::LookupValid(Instant now, const KeyId& id) const {
  const uint32_t number = Lookup(id);
  return number != 0 && now < entries_[number].expires() ? number : 0;
}

bool KeyShard::Set(Instant now, const KeyId& id, Mode kind, uint32_t server,
                   Instant started, absl::Duration timeout, bool tell) {
  uint32_t number = Lookup(id);
  const bool is_new = number == 0;
  if (is_new) {
    number = Take(now, id);
    if (number == 0) {
      ++stats_.refused_full;
      return false;
    }
    ++by_server_[server];
  }
  Entry& entry = entries_[number];
  if (!is_new && entry.server != server) {
    Leave(entry);
    ++by_server_[server];
  }
  const int64_t expires_ns = (started + timeout).nanos();
  // One that shall go earlier than its place in the ring says must move.
  const bool relink = is_new || expires_ns < entry.expires_ns;
  entry.kind = static_cast<uint8_t>(kind);
  entry.server = server;
  entry.timeout_minutes = static_cast<uint16_t>(absl::ToInt64Minutes(timeout));
  entry.expires_ns = expires_ns;
  if (relink) {
    if (!is_new) ring_.Unlink(number);
    ring_.Link(number, entry.expires());
  }
  Stamp(entry);
  if (tell) Tell(entry);
  return true;
}

// An unlinked entry with this key, its values still to be set. 0: full.
uint32_t KeyShard::Take(Instant now, const KeyId& id) {
  std::atomic<uint32_t>& size = *options_.size;
  const auto full = [&] {
    return size.load(std::memory_order_relaxed) >= options_.limit ||
           (free_ == 0 && used_ == options_.places);
  };
  if (full()) {
    size_t budget = kMakeRoomBudget;
    Advance(now, budget);
  }
  if (size.fetch_add(1, std::memory_order_relaxed) >= options_.limit ||
      (free_ == 0 && used_ == options_.places)) {
    size.fetch_sub(1, std::memory_order_relaxed);
    return 0;
  }
  uint32_t number = free_;
  if (number != 0) {
    free_ = entries_[number].next;
  } else {
    number = ++used_;
  }
  Entry& entry = entries_[number];
  entry.digest = id.digest;
  entry.table = id.table;
  uint32_t& bucket = buckets_[BucketNumber(id)];
  entry.next = bucket;
  bucket = number;
  entry.flags = kLive;
  return number;
}

void KeyShard::Free(uint32_t number) {
  Entry& entry = entries_[number];
  uint32_t* link = &buckets_[BucketNumber({entry.table, entry.digest})];
  while (*link != number) {
    BALLAST_CHECK(*link != 0);
    link = &entries_[*link].next;
  }
  *link = entry.next;
  ring_.Unlink(number);
  Leave(entry);
  entry.flags = 0;
  entry.next = free_;
  free_ = number;
  options_.size->fetch_sub(1, std::memory_order_relaxed);
}

void KeyShard::Leave(const Entry& entry) {
  const auto it = by_server_.find(entry.server);
  BALLAST_CHECK(it != by_server_.end());
  if (--it->second == 0) by_server_.erase(it);
}

KeyEntry KeyShard::Shown(const Entry& entry) {
  return {.id = {entry.table, entry.digest},
          .kind = static_cast<Mode>(entry.kind),
          .server = entry.server,
          .started = entry.started(),
          .timeout = entry.timeout()};
}

}  // namespace ballast::persist
