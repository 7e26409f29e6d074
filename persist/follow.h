// Whether a new connection follows its persistence entry.
//
// Source  LoadMaster behaviour §5.2: an entry of a server that is down, or
//         disabled with no drain time left, is dropped and the client scheduled
//         anew; layer 4 knows no drain time. The connection limit is ours: the
//         client comes back to its server once that has room again.
#ifndef PERSIST_FOLLOW_H_
#define PERSIST_FOLLOW_H_

#include <cstdint>

#include "io/base/instant.h"

namespace ballast::persist {

struct ServerStanding {
  bool up = true;       // By its health check, and still configured.
  bool enabled = true;  // Here and globally.
  bool full = false;    // At its connection limit.
  // Of a disabled server at layer 7: when it was disabled, plus the drain time
  // ([finalpersist]).
  Instant drain_end;
};

enum class Follow : uint8_t {
  kGo,       // There; the entry starts again with the connection.
  kDiscard,  // Take the entry out, schedule, make a new one.
  kPassBy,   // Schedule this one connection; the entry stays as it is.
};

inline Follow FollowEntry(Instant now, bool layer7,
                          const ServerStanding& server) {
  if (!server.up) return Follow::kDiscard;
  if (!server.enabled && !(layer7 && now < server.drain_end)) {
    return Follow::kDiscard;
  }
  return server.full ? Follow::kPassBy : Follow::kGo;
}

}  // namespace ballast::persist

#endif  // PERSIST_FOLLOW_H_
