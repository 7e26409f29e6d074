// When a connection or a template is worth a record to the partner: the rule of
// Linux IPVS, which LoadMaster's L4 Sync Threshold, Period and Refresh Period
// are settings of.
//
// A pure function: what the entry remembers and what has happened go in, the
// answer and what to remember come out. It takes a count interval, so that
// packets counted elsewhere (an in-kernel fast path) and reported in lumps
// decide as if seen one by one.
//
// Units    threshold, period: packets from the client, the first being 1.
//          refresh: seconds. Times: milliseconds of a clock that wraps; only
//          differences count, and those below 24 days are exact. (IPVS keeps
//          `end` and `retries` in one word of timer ticks, so it cuts times to
//          four ticks, 16 ms at 250 Hz. Here they are apart and nothing is
//          cut.)
// Range    as the configuration: period 0 or threshold < period <= 255, refresh
//          0..10. Any values are accepted here, for foreign settings.
// Cost     some ten instructions; no memory.
// Source   ip_vs_sync.c, ip_vs_sync_conn_needed(): steps 1-8 of the rule.
#ifndef HA_SYNC_POLICY_H_
#define HA_SYNC_POLICY_H_

#include <cstdint>

namespace ballast::ha {

struct SyncSettings {
  uint32_t threshold = 3;
  uint32_t period = 50;
  uint32_t refresh_s = 0;
  uint32_t retries = 0;  // 0..3; 0 on LoadMaster.

  friend bool operator==(const SyncSettings&, const SyncSettings&) = default;
};

// What an entry remembers of what was last sent of it. `end_ms` starts as the
// time the entry was made.
struct SyncMemory {
  uint32_t end_ms = 0;
  uint8_t last_state = 0;
  uint8_t retries = 0;

  friend bool operator==(const SyncMemory&, const SyncMemory&) = default;
};

struct SyncQuestion {
  uint32_t now_ms = 0;
  uint32_t timeout_ms = 0;  // Of the entry's state as it is now.
  // Packets from the client: counted before this report, and with it. One
  // packet: after == before + 1. A template: its own count likewise.
  uint32_t count_before = 0;
  uint32_t count_after = 0;
  uint8_t state = 0;         // After the packet; IPVS's numbers.
  bool has_states = true;    // TCP (and SCTP); UDP and templates: false.
  bool state_synced = true;  // With has_states: one of those that are sent.
  // Steps 4-5: a change into any state but ESTABLISHED sends at once.
  bool state_established = false;
  bool is_template = false;
};

// Whether to send a record now; updates `memory` if so. Asked after packets
// from the client only: an empty interval is answered no. (IPVS also asks when
// a timer runs out on a template or control connection still in use, as if it
// were the packet number `threshold`: count_before = threshold - 1.)
//
// The caller leaves out what is never sent: one-packet connections (step 1) and
// connections whose template stands for them (step 3).
bool AskSyncPolicy(const SyncSettings& settings, const SyncQuestion& question,
                   SyncMemory& memory);

}  // namespace ballast::ha

#endif  // HA_SYNC_POLICY_H_
