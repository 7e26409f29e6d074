#include "lb/tls/resumption_cache.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace ballast::tls {

void ResumptionCache::Free::operator()(ssl_session_st* session) const {
  SSL_SESSION_free(session);
}

void ResumptionCache::Put(absl::string_view key, Handle session) {
  if (sessions_max_ == 0) return;
  const bool once = SSL_SESSION_should_be_single_use(session.get()) != 0;
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    // One that is used again stands for all of them.
    const size_t keep = once ? kPerKeyMax - 1 : 0;
    for (size_t left = found->second.size(); left > keep; --left) {
      const auto oldest = by_key_.find(key)->second.front();
      Erase(oldest);
    }
  }
  if (by_age_.size() >= sessions_max_) Erase(by_age_.begin());
  by_age_.push_back({std::string(key), std::move(session)});
  by_key_[std::string(key)].push_back(std::prev(by_age_.end()));
}

ResumptionCache::Handle ResumptionCache::Take(absl::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto newest = found->second.back();
  if (SSL_SESSION_should_be_single_use(newest->session.get()) == 0) {
    SSL_SESSION_up_ref(newest->session.get());
    return Handle(newest->session.get());
  }
  Handle session = std::move(newest->session);
  Erase(newest);
  return session;
}

void ResumptionCache::Erase(Age::iterator entry) {
  const auto siblings = by_key_.find(entry->key);
  auto& list = siblings->second;
  list.erase(std::find(list.begin(), list.end(), entry));
  if (list.empty()) by_key_.erase(siblings);
  by_age_.erase(entry);
}

}  // namespace ballast::tls
