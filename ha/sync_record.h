// What one unit tells another about its tables: a connection, a persistence
// entry (a template, in IPVS's words), or that one is gone.
//
// A plain value, the meeting point of tables (state_table.h), wire formats
// (ipvs_wire.h) and the replicator (replicator.h).
//
// Units    ports in host order; timeout in seconds; *_ms in milliseconds.
// Source   Linux net/netfilter/ipvs/ip_vs_sync.c for flags, states and fields.
#ifndef HA_SYNC_RECORD_H_
#define HA_SYNC_RECORD_H_

#include <cstdint>

#include "io/base/address.h"

namespace ballast::ha {

// Bits of SyncRecord::flags.
enum SyncFlag : uint32_t {
  kForwardMask = 0x0007,
  kForwardNat = 0,
  kForwardLocal = 1,
  kForwardTunnel = 2,
  kForwardDirect = 3,
  kForwardBypass = 4,
  kFromSync = 0x0020,  // The sender itself got it by sync.
  kHashed = 0x0040,    // Never sent.
  kNoOutput = 0x0080,  // No packet of the server seen.
  kInactive = 0x0100,
  kSequenceMask = 0x0600,  // A sequence option comes along.
  kNoClientPort = 0x0800,
  kTemplate = 0x1000,
  kOnePacket = 0x2000,
  kUsesConntrack = 0x10000,
};
// What a receiver keeps of them when it creates, and when it updates.
inline constexpr uint32_t kSyncCreateMask = 0x1f87;
inline constexpr uint32_t kSyncUpdateMask = 0x0700;

struct SyncRecord {
  enum class Kind : uint8_t {
    kConnection = 1,
    kTemplate = 2,
    // Ours: a connection that was told of has ended. Protocol, client and
    // virtual endpoint name it; the rest is 0.
    kGone = 3,
  };

  Kind kind = Kind::kConnection;
  uint8_t protocol = 0;
  bool v6 = false;
  bool has_detail = false;
  uint16_t state = 0;  // IPVS's numbers: l4::TcpState for TCP.
  uint32_t flags = 0;  // SyncFlag.
  uint32_t fwmark = 0;
  uint32_t timeout_s = 0;  // The state's whole timeout. 0: the receiver's own.
  Endpoint client;         // Port 0 in a template.
  Endpoint virtual_service;
  Endpoint server;

  // Ours, with has_detail: what a transfer of the whole table adds.
  uint32_t idle_ms = 0;  // Silent for; of a template: how long ago it began.
  uint32_t client_packets = 0;
  uint32_t client_next_sequence = 0;
  uint32_t client_acknowledged = 0;

  friend bool operator==(const SyncRecord&, const SyncRecord&) = default;
};

}  // namespace ballast::ha

#endif  // HA_SYNC_RECORD_H_
