// A persistence entry of an L7 service as a store shows and tells it, and takes
// it from a partner.
#ifndef PERSIST_KEY_ENTRY_H_
#define PERSIST_KEY_ENTRY_H_

#include <compare>
#include <cstdint>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "persist/key.h"
#include "persist/mode.h"

namespace ballast::persist {

struct KeyId {
  uint32_t table = 0;
  Digest digest;

  friend auto operator<=>(const KeyId&, const KeyId&) = default;
};

struct KeyEntry {
  KeyId id;
  Mode kind = Mode::kNone;
  uint32_t server = 0;
  Instant started;
  absl::Duration timeout;  // Zero: the entry is gone.

  bool gone() const { return timeout == absl::ZeroDuration(); }
  friend bool operator==(const KeyEntry&, const KeyEntry&) = default;
};

// What became of an entry that a partner told.
enum class KeyApplied {
  kCreated,
  kUpdated,
  kRemoved,
  kStale,        // Ours was started later, or there was none to remove.
  kExpired,      // By the time it came.
  kRefusedFull,  // Counted in KeyStats, too.
  kInvalid,      // A timeout or a kind that no unit would give.
};

struct KeyStats {
  uint64_t refused_full = 0;
  uint64_t expired = 0;
  uint64_t left_out = 0;      // Of the partner's whole table.
  uint64_t changes_lost = 0;  // See KeyStore::TakeChanges().
};

}  // namespace ballast::persist

#endif  // PERSIST_KEY_ENTRY_H_
