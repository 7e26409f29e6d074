#include "persist/source_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "persist/lifetime.h"

namespace ballast::persist {
namespace {

// Entry::flags.
constexpr uint16_t kLive = 1;
constexpr uint16_t kIsV6 = 2;
constexpr uint16_t kAssured = 4;
constexpr int kRetriesShift = 3;   // Two bits.
constexpr uint16_t kHasSync = 32;  // Else sync_ is of an earlier entry.
constexpr uint16_t kSyncFlags = kAssured | 3 << kRetriesShift | kHasSync;

// What a full store is willing to look at to make room for a new entry.
constexpr size_t kMakeRoomBudget = 16;

uint32_t Low(const Address& address) {
  uint32_t low;
  std::memcpy(&low, address.bytes().data() + 12, sizeof low);
  return low;
}

}  // namespace

absl::StatusOr<SourceStore> SourceStore::Create(const Options& options) {
  if (options.limit > kLimitMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "persistence entries: ", options.limit, ", at most ", kLimitMax));
  }
  SourceStore store(options);
  const size_t entries = size_t{options.limit} + 1;
  store.bucket_count_ = static_cast<uint32_t>(2 * entries);
  const bool huge = options.huge_pages;
  BALLAST_ASSIGN_OR_RETURN(
      store.buckets_, ZeroedArray<uint32_t>::Create(store.bucket_count_, huge));
  BALLAST_ASSIGN_OR_RETURN(store.entries_,
                           ZeroedArray<Entry>::Create(entries, huge));
  BALLAST_ASSIGN_OR_RETURN(store.sync_,
                           ZeroedArray<Sync>::Create(entries, huge));
  BALLAST_ASSIGN_OR_RETURN(store.high_,
                           ZeroedArray<AddressHigh>::Create(entries, huge));
  BALLAST_ASSIGN_OR_RETURN(
      auto links, ZeroedArray<ExpiryRing::Links>::Create(entries, huge));
  store.ring_ = ExpiryRing(std::move(links));
  return store;
}

const Entry* SourceStore::Find(Instant now, const SourceKey& key) const {
  const uint32_t number = Lookup(key, Bucket(key));
  if (number == 0) return nullptr;
  const Entry& entry = entries_[number];
  return now < entry.expires() ? &entry : nullptr;
}

bool SourceStore::Restore(Instant now, const SourceKey& key, uint32_t server,
                          Instant started, absl::Duration timeout) {
  BALLAST_CHECK(timeout >= absl::ZeroDuration() && timeout <= kTimeoutMax);
  if (!IsValid(now, started, timeout)) return true;
  const size_t bucket = Bucket(key);
  uint32_t number = Lookup(key, bucket);
  if (number != 0 && (entries_[number].server != server ||
                      now >= entries_[number].expires())) {
    Free(number);
    number = 0;
  }
  const bool is_new = number == 0;
  if (is_new) {
    number = Take(now, key, bucket);
    if (number == 0) {
      ++stats_.refused_full;
      return false;
    }
  }
  Entry& entry = entries_[number];
  const int64_t expires_ns = (started + timeout).nanos();
  // One that shall go earlier than its place in the ring says must move.
  const bool relink = is_new || expires_ns < entry.expires_ns;
  entry.server = server;
  entry.timeout_ms = static_cast<uint32_t>(absl::ToInt64Milliseconds(timeout));
  entry.expires_ns = expires_ns;
  if (relink) {
    if (!is_new) ring_.Unlink(number);
    ring_.Link(number, entry.expires());
  }
  return true;
}

void SourceStore::Erase(const SourceKey& key) {
  if (const uint32_t number = Lookup(key, Bucket(key))) Free(number);
}

EntryHandle SourceStore::HandleOf(const Entry& entry) const {
  return {NumberOf(entry) | uint64_t{entry.generation} << 32};
}

const Entry* SourceStore::Get(Instant now, EntryHandle handle) const {
  const auto number = static_cast<uint32_t>(handle.bits);
  if (number == 0 || number > used_) return nullptr;
  const Entry& entry = entries_[number];
  if (!IsLive(entry) || entry.generation != handle.bits >> 32) return nullptr;
  return now < entry.expires() ? &entry : nullptr;
}

SourceKey SourceStore::KeyOf(const Entry& entry) const {
  std::array<uint8_t, 16> bytes = Address::V4(0).bytes();
  if ((entry.flags & kIsV6) != 0) {
    const AddressHigh& high = high_[NumberOf(entry)];
    std::copy(high.begin(), high.end(), bytes.begin());
  }
  std::memcpy(bytes.data() + 12, &entry.client_low, sizeof entry.client_low);
  return {entry.service, Address::V6(bytes)};
}

TemplateSync SourceStore::sync(const Entry& entry) const {
  if ((entry.flags & kHasSync) == 0) return {};
  const Sync& sync = sync_[NumberOf(entry)];
  return {.count = sync.count,
          .end = Instant::FromNanos(static_cast<int64_t>(
              uint64_t{sync.end_ns[1]} << 32 | sync.end_ns[0])),
          .assured = (entry.flags & kAssured) != 0,
          .retries = static_cast<uint8_t>(entry.flags >> kRetriesShift & 3)};
}

void SourceStore::SetSync(const Entry& entry, const TemplateSync& sync) {
  BALLAST_CHECK(sync.retries <= 3);
  const uint32_t number = NumberOf(entry);
  const auto end_ns = static_cast<uint64_t>(sync.end.nanos());
  sync_[number] = {.count = sync.count,
                   .end_ns = {static_cast<uint32_t>(end_ns),
                              static_cast<uint32_t>(end_ns >> 32)}};
  const int bits =
      kHasSync | (sync.assured ? kAssured : 0) | sync.retries << kRetriesShift;
  uint16_t& flags = entries_[number].flags;
  flags = static_cast<uint16_t>((flags & ~kSyncFlags) | bits);
}

bool SourceStore::Advance(Instant now, size_t budget) {
  struct Due {
    SourceStore& store;
    void Prefetch(uint32_t number) {
      __builtin_prefetch(&store.entries_[number]);
    }
    Instant ExpiresOf(uint32_t number) {
      return store.entries_[number].expires();
    }
    void Expire(uint32_t number) {
      store.Free(number);
      ++store.stats_.expired;
    }
  };
  return ring_.Advance(now, budget, Due{*this});
}

bool SourceStore::IsLive(const Entry& entry) {
  return (entry.flags & kLive) != 0;
}

size_t SourceStore::Bucket(const SourceKey& key) const {
  SipHasher<1, 3> hasher(key_);
  std::array<uint64_t, 2> words;
  std::memcpy(words.data(), key.client.bytes().data(), sizeof words);
  hasher.Word(words[0]);
  hasher.Word(words[1]);
  const uint64_t hash = hasher.Finish(20, key.service);
  return (hash >> 32) * bucket_count_ >> 32;
}

bool SourceStore::Matches(const Entry& entry, uint32_t number,
                          const SourceKey& key) const {
  if (entry.client_low != Low(key.client) || entry.service != key.service) {
    return false;
  }
  const bool is_v6 = !key.client.is_v4();
  if (((entry.flags & kIsV6) != 0) != is_v6) return false;
  return !is_v6 || std::memcmp(high_[number].data(), key.client.bytes().data(),
                               sizeof(AddressHigh)) == 0;
}

// A chain has no cycle, and the hash is keyed: its length is bounded by limit_
// and half an entry on average.
uint32_t SourceStore::Lookup(const SourceKey& key, size_t bucket) const {
  uint32_t number = buckets_[bucket];
  while (number != 0 && !Matches(entries_[number], number, key)) {
    number = entries_[number].next;
  }
  return number;
}

// An unlinked entry with this key, its values still to be set. 0: full.
uint32_t SourceStore::Take(Instant now, const SourceKey& key, size_t bucket) {
  if (size_ == limit_) Advance(now, kMakeRoomBudget);
  uint32_t number = free_;
  if (number != 0) {
    free_ = entries_[number].next;
  } else if (used_ < limit_) {
    number = ++used_;
  } else {
    return 0;
  }
  ++size_;
  Entry& entry = entries_[number];
  entry.service = key.service;
  entry.client_low = Low(key.client);
  entry.next = buckets_[bucket];
  buckets_[bucket] = number;
  entry.flags = kLive;
  if (!key.client.is_v4()) {
    entry.flags |= kIsV6;
    std::memcpy(high_[number].data(), key.client.bytes().data(),
                sizeof(AddressHigh));
  }
  return number;
}

void SourceStore::Free(uint32_t number) {
  Entry& entry = entries_[number];
  uint32_t* link = &buckets_[Bucket(KeyOf(entry))];
  while (*link != number) {
    BALLAST_CHECK(*link != 0);
    link = &entries_[*link].next;
  }
  *link = entry.next;
  ring_.Unlink(number);
  entry.flags = 0;
  ++entry.generation;
  entry.next = free_;
  free_ = number;
  --size_;
}

}  // namespace ballast::persist
