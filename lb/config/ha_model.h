// A unit's part in a pair, as a value: the configuration's HighAvailability
// with every default filled in. Part of Model (model.h).
//
// Without a pair (mode kNone) all of it is there too, as far as it can be
// known: then `links` may be empty, and virtual_id 0.
//
// Source  LoadMaster behaviour, HA parameters; the vendor's REST names stand in
//         ballast.proto.
#ifndef LB_CONFIG_HA_MODEL_H_
#define LB_CONFIG_HA_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/sync_policy.h"
#include "io/base/address.h"

namespace ballast::config {

// A link between the units.
struct HaLink {
  std::string interface;  // The host's name; need not be one of interfaces.
  Prefix own;             // This unit's address, with its network's length.
  Address partner;        // In the same network.
  bool check = false;     // Adverts go over it.

  friend bool operator==(const HaLink&, const HaLink&) = default;
};

// As ha::PairKey.
using PairKey = std::array<uint8_t, 32>;

// Whose habits a CARP peer has.
enum class CarpMake : uint8_t { kUcarp, kFreeBsd, kOpenBsd };

// Who decides which unit is active.
enum class PlainElection : uint8_t { kCarp, kByCommand };

// A partner that speaks CARP and IPVS sync. The units are CARP's: advbase in
// seconds, advskew in 1/256 s.
struct PlainPeer {
  PlainElection election = PlainElection::kCarp;
  std::string password;  // kCarp: 1..19 bytes, none of them 0.
  Address address;       // Pinned, as are its advbase and advskew.
  uint8_t peer_advbase = 3;
  uint8_t peer_advskew = 0;
  uint8_t advbase = 3;
  uint8_t advskew = 0;  // 0..254; not 0 with advbase 0.
  uint8_t dead_ratio = 3;
  bool preempt = false;  // Always; a preferred unit does it once in any case.
  bool allow_bow_out = false;
  CarpMake make = CarpMake::kUcarp;
  int ipvs_version = 1;  // Sent; 0 or 1.

  friend bool operator==(const PlainPeer&, const PlainPeer&) = default;
};

struct HighAvailability {
  ha::Mode mode = ha::Mode::kNone;
  std::vector<HaLink> links;  // With a mode: one at least has `check`.
  size_t update_link = 0;     // Of links: configuration and tables, by TCP.
  size_t sync_link = 0;       // Of links: updates of connections, by UDP.
  Address shared;             // Unspecified: none.
  uint8_t virtual_id = 0;     // 1..255; 0 only without a mode.

  // 20 ms to 5 s between sealed adverts. The partner is succeeded after three.
  absl::Duration advert_interval = absl::Seconds(3);
  absl::Duration initial_wait = absl::ZeroDuration();
  bool broadcast = false;
  ha::Mode preferred = ha::Mode::kNone;
  bool reboot_on_link_failure = false;
  std::vector<std::string> reboot_command;  // Program and arguments, or empty.

  bool l4_updates = false;
  ha::SyncSettings l4_sync;
  bool l7_updates = false;
  Endpoint sync_group = {Address::V4(0xE0000051), 8848};
  uint8_t sync_id = 0;

  // 00:00:5e:00:01:virtual_id, if that is wanted; `mac` of every interface is
  // the same then.
  std::optional<MacAddress> virtual_mac;
  bool initial_checks = false;  // Stored only.

  uint16_t port = 6973;
  std::vector<PairKey> keys;  // The first seals. Sealed: here or in key_file.
  std::string key_file;  // Its keys stand in for `keys`; read by the owner.

  // Of the process's control thread: SCHED_RR. 0: not in real time.
  int realtime_priority = 1;

  uint32_t pacify_starts = 4;  // 0: never.
  absl::Duration pacify_window = absl::Seconds(300);
  absl::Duration switchover_patience = absl::Seconds(10);

  std::optional<PlainPeer> plain;  // Set exactly with wire PLAIN.

  absl::Duration timeout() const { return 3 * advert_interval; }
  bool is_preferred() const {
    return mode != ha::Mode::kNone && mode == preferred;
  }

  friend bool operator==(const HighAvailability&,
                         const HighAvailability&) = default;
};

}  // namespace ballast::config

#endif  // LB_CONFIG_HA_MODEL_H_
