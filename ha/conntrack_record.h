// A connection of a director as a firewall with conntrackd has it: a tracked
// connection from the client to the virtual service whose destination is
// translated to the server.
//
// Left out  what has no such form: connections without NAT (direct return),
//           persistence entries; of the peer's, other protocols than TCP and
//           UDP, connections whose destination is not translated (they pass,
//           no server is chosen), and those whose source is: their replies
//           would not come back to us.
// States    TCP states are IPVS's in a record and Linux's in an entry; what one
//           lacks is the nearest of the other.
// Threads   none.
#ifndef HA_CONNTRACK_RECORD_H_
#define HA_CONNTRACK_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ha/conntrack_wire.h"
#include "ha/sync_record.h"

namespace ballast::ha {

// nullopt: has no such form. Of kGone the entry is the tuple alone.
std::optional<ConntrackEntry> EntryOf(const SyncRecord& record);

enum class ConntrackUnmatched : uint8_t {
  kNone,
  kProtocol,   // Neither TCP nor UDP.
  kNoServer,   // The destination is not translated.
  kSourceNat,  // The source is.
};
inline constexpr size_t kConntrackUnmatchedCount = 4;
const char* ConntrackUnmatchedName(ConntrackUnmatched reason);

// kNone: `record` holds what the peer tells: with kDelete that the connection
// is gone.
ConntrackUnmatched RecordOf(ConntrackType type, const ConntrackEntry& entry,
                            SyncRecord& record);

}  // namespace ballast::ha

#endif  // HA_CONNTRACK_RECORD_H_
