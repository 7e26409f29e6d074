// What a client of TLS may resume: sessions that servers gave it, under a key
// of the caller's that stands for server and name. For ClientContexts of equal
// options only: a resumed session is not verified again.
//
// Use      a session of TLS 1.3 once, so that nobody can tell by it that two
//          connections are one client's (RFC 8446 §C.4); of TLS 1.2 again and
//          again. One that has run out is offered to no server.
// Bounds   sessions_max in all, kPerKeyMax of a key; the oldest goes.
// Memory   2 to 6 KB a session: the server's certificates are in it.
// Threads  one.
#ifndef LB_TLS_RESUMPTION_CACHE_H_
#define LB_TLS_RESUMPTION_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

struct ssl_session_st;  // BoringSSL's SSL_SESSION.

namespace ballast::tls {

class ResumptionCache {
 public:
  static constexpr size_t kPerKeyMax = 4;

  explicit ResumptionCache(size_t sessions_max) : sessions_max_(sessions_max) {}
  ResumptionCache(const ResumptionCache&) = delete;
  ResumptionCache& operator=(const ResumptionCache&) = delete;

  struct Free {
    void operator()(ssl_session_st* session) const;
  };
  using Handle = std::unique_ptr<ssl_session_st, Free>;

  void Put(absl::string_view key, Handle session);
  // The newest; null: none.
  Handle Take(absl::string_view key);
  size_t size() const { return by_age_.size(); }

 private:
  struct Entry {
    std::string key;
    Handle session;
  };
  using Age = std::list<Entry>;

  void Erase(Age::iterator entry);

  const size_t sessions_max_;
  Age by_age_;  // Oldest first.
  absl::flat_hash_map<std::string, std::vector<Age::iterator>> by_key_;
};

// Where the sessions of one connection come from and go.
struct Resumption {
  std::shared_ptr<ResumptionCache> cache;  // Null: none are resumed.
  std::string key;
};

}  // namespace ballast::tls

#endif  // LB_TLS_RESUMPTION_CACHE_H_
