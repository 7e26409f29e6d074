// Idle connections to servers, waiting to be used again: the bookkeeping. The
// connections themselves are the owner's, who names each by a number.
//
// An idle connection must be watched: whatever happens on it (its end, or bytes
// that nobody asked for, which is how a desynchronised server shows) the owner
// calls Remove() and closes it.
//
// Order    last in, first out, so that the rest grow old and are closed.
// Bounds   in all and per key; when full the oldest of all goes.
// Cost     O(1), but for a search among those of the same key on Remove().
// Threads  one.
#ifndef LB_L7_UPSTREAM_POOL_H_
#define LB_L7_UPSTREAM_POOL_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::l7 {

class UpstreamPool {
 public:
  // Connections are alike if these are.
  struct Key {
    uint64_t service = 0;
    Endpoint server;
    Endpoint source;
    uint8_t tos = 0;
    // With TLS: under which settings, by number, and with whom.
    uint64_t tls = 0;
    std::string name;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.service, key.server, key.source,
                        key.tos, key.tls, key.name);
    }
  };
  using Handle = uint64_t;  // Unique among those that are in.

  struct Options {
    size_t connections_max = 1024;
    size_t per_key_max = 64;
    // Shorter than the servers' own keep-alive timeout, or requests meet
    // closing connections.
    absl::Duration idle_timeout = absl::Seconds(30);
  };

  explicit UpstreamPool(const Options& options) : options_(options) {}

  // Returns what has to be closed to keep the bounds: perhaps `handle` itself.
  std::optional<Handle> Put(Instant now, const Key& key, Handle handle);
  // The newest of that key, no longer in.
  std::optional<Handle> Take(const Key& key);
  // Any to that server, no longer in.
  std::optional<Handle> TakeAny(uint64_t service, const Endpoint& server);
  // False if it is not in.
  bool Remove(Handle handle);
  // The oldest if it has been idle for too long, no longer in: to be closed.
  std::optional<Handle> Expire(Instant now);
  // When Expire() will have something.
  Instant deadline() const;
  size_t size() const { return by_handle_.size(); }

 private:
  struct Entry {
    Handle handle;
    Instant expires;
    Key key;
  };
  using Age = std::list<Entry>;
  // Of one key, oldest first.
  using Siblings = std::vector<Age::iterator>;

  void Erase(Age::iterator entry);

  Options options_;
  Age by_age_;  // Oldest first.
  absl::flat_hash_map<Key, Siblings> by_key_;
  absl::flat_hash_map<Handle, Age::iterator> by_handle_;
};

}  // namespace ballast::l7

#endif  // LB_L7_UPSTREAM_POOL_H_
