// Source-IP persistence: which server a client of a service had last, bounded.
//
// An entry is valid while now < its last start + timeout. Full: what has
// expired makes room; if nothing has, the new entry is refused and counted.
//
// Cost     a hash look-up; Put() on a full store scans it at most once a
// second. Threads  one. Source   LoadMaster, persistence lifetime: the clock
// starts when a connection
//          is established, and each new one inside the timeout restarts it.
#ifndef PERSIST_SOURCE_STORE_H_
#define PERSIST_SOURCE_STORE_H_

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::persist {

struct SourceKey {
  uint32_t service = 0;
  Address client;

  friend bool operator==(const SourceKey&, const SourceKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SourceKey& k) {
    return H::combine(std::move(h), k.service, k.client);
  }
};

struct Entry {
  uint32_t server = 0;
  Instant started;
  Instant expires;
};

class SourceStore {
 public:
  explicit SourceStore(size_t limit) : limit_(limit) {}

  const Entry* Find(Instant now, const SourceKey& key) const {
    const auto it = entries_.find(key);
    return it == entries_.end() || it->second.expires <= now ? nullptr
                                                             : &it->second;
  }
  // Makes or renews. False: full.
  bool Put(Instant now, const SourceKey& key, uint32_t server,
           absl::Duration timeout) {
    if (entries_.size() >= limit_ && !entries_.contains(key)) {
      if (now >= next_scan_) {
        next_scan_ = now + absl::Seconds(1);
        absl::erase_if(entries_, [now](const auto& entry) {
          return entry.second.expires <= now;
        });
      }
      if (entries_.size() >= limit_) {
        ++refused_;
        return false;
      }
    }
    entries_[key] = {server, now, now + timeout};
    return true;
  }
  void Erase(const SourceKey& key) { entries_.erase(key); }
  size_t size() const { return entries_.size(); }
  uint64_t refused() const { return refused_; }

 private:
  size_t limit_;
  Instant next_scan_ = Instant::FromNanos(0);
  uint64_t refused_ = 0;
  absl::flat_hash_map<SourceKey, Entry> entries_;
};

}  // namespace ballast::persist

#endif  // PERSIST_SOURCE_STORE_H_
