// Connections shared with a conntrackd, as a value: the configuration's
// connection_sync with every default filled in. Part of Model (model.h).
#ifndef LB_CONFIG_CONNECTION_SYNC_H_
#define LB_CONFIG_CONNECTION_SYNC_H_

#include <cstdint>
#include <string>

#include "io/base/address.h"

namespace ballast::config {

// conntrackd's: see ha/conntrack_channel.h.
enum class ConnectionSyncMode : uint8_t { kFtfw, kNotrack, kAlarm };

struct ConnectionSync {
  ConnectionSyncMode mode = ConnectionSyncMode::kFtfw;
  std::string interface;  // The host's name; need not be one of interfaces.
  Prefix local;           // This unit's address on it.
  Prefix peer;            // Another one in the same network.
  uint16_t port = 3780;
  // Of the sockets, in bytes. The kernel may give less.
  uint32_t send_buffer = 65536;
  uint32_t receive_buffer = 65536;

  friend bool operator==(const ConnectionSync&,
                         const ConnectionSync&) = default;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_CONNECTION_SYNC_H_
