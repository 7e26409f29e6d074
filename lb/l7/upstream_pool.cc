#include "lb/l7/upstream_pool.h"

#include <algorithm>

#include "io/base/check.h"

namespace ballast::l7 {

std::optional<UpstreamPool::Handle> UpstreamPool::Put(Instant now,
                                                      const Key& key,
                                                      Handle handle) {
  if (options_.connections_max == 0 || options_.per_key_max == 0) return handle;
  std::optional<Handle> surplus;
  const auto siblings = by_key_.find(key);
  if (siblings != by_key_.end() &&
      siblings->second.size() >= options_.per_key_max) {
    surplus = siblings->second.front()->handle;
  } else if (by_age_.size() >= options_.connections_max) {
    surplus = by_age_.front().handle;
  }
  if (surplus) Remove(*surplus);
  const auto entry =
      by_age_.insert(by_age_.end(), {handle, now + options_.idle_timeout, key});
  by_key_[key].push_back(entry);
  BALLAST_CHECK(by_handle_.emplace(handle, entry).second);
  return surplus;
}

std::optional<UpstreamPool::Handle> UpstreamPool::Take(const Key& key) {
  const auto siblings = by_key_.find(key);
  if (siblings == by_key_.end()) return std::nullopt;
  const auto newest = siblings->second.back();
  const Handle handle = newest->handle;
  Erase(newest);
  return handle;
}

std::optional<UpstreamPool::Handle> UpstreamPool::TakeAny(
    uint64_t service, const Endpoint& server) {
  const auto found =
      std::find_if(by_age_.begin(), by_age_.end(), [&](const Entry& entry) {
        const Key& key = entry.key;
        return key.service == service && key.server.address == server.address &&
               (server.port == 0 || key.server.port == server.port);
      });
  if (found == by_age_.end()) return std::nullopt;
  const Handle handle = found->handle;
  Erase(found);
  return handle;
}

bool UpstreamPool::Remove(Handle handle) {
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end()) return false;
  Erase(found->second);
  return true;
}

std::optional<UpstreamPool::Handle> UpstreamPool::Expire(Instant now) {
  if (by_age_.empty() || now < by_age_.front().expires) return std::nullopt;
  const Handle handle = by_age_.front().handle;
  Erase(by_age_.begin());
  return handle;
}

Instant UpstreamPool::deadline() const {
  return by_age_.empty() ? Instant::Never() : by_age_.front().expires;
}

void UpstreamPool::Erase(Age::iterator entry) {
  const auto siblings = by_key_.find(entry->key);
  // Commonly the last; per_key_max bounds the search.
  const auto place =
      std::find(siblings->second.rbegin(), siblings->second.rend(), entry);
  siblings->second.erase(std::next(place).base());
  if (siblings->second.empty()) by_key_.erase(siblings);
  by_handle_.erase(entry->handle);
  by_age_.erase(entry);
}

}  // namespace ballast::l7
