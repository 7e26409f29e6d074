#include "lb/config/validate_ha.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lb/config/validate_ha_links.h"
#include "lb/config/validate_plain_peer.h"
#include "lb/config/validate_service.h"

namespace ballast::config {
namespace {

constexpr uint32_t kTimeoutDefaultS = 9;
constexpr uint16_t kPortDefault = 6973;
constexpr uint16_t kSyncPortDefault = 8848;  // Linux IPVS.

static_assert(static_cast<int>(ha::Mode::kFirst) ==
              proto::HighAvailability::FIRST);
static_assert(static_cast<int>(ha::Mode::kSecond) ==
              proto::HighAvailability::SECOND);

ha::Mode ValidateUnit(const char* path, proto::HighAvailability::Unit unit,
                      Problems& problems) {
  if (!proto::HighAvailability::Unit_IsValid(unit)) {
    problems.Error(
        path, absl::StrCat(static_cast<int>(unit), ", is none of its names"));
    return ha::Mode::kNone;
  }
  return static_cast<ha::Mode>(unit);
}

void ValidateVirtualId(const proto::HighAvailability& from,
                       HighAvailability& ha, Problems& problems) {
  ha.virtual_id = static_cast<uint8_t>(
      problems.InRangeOr("ha.virtual_id", from.virtual_id(), 1, 255, 0));
  if (from.virtual_id() != 0) return;
  if (!ha.shared.is_unspecified()) {
    ha.virtual_id = std::max<uint8_t>(ha.shared.bytes()[15], 1);
  } else if (from.shared_address().empty() && ha.mode != ha::Mode::kNone) {
    problems.Error("ha.virtual_id",
                   "0, must be 1 to 255 without a shared_address");
  }
}

// Returns the timeout in seconds, as the vendor has it.
uint32_t ValidateTimes(const proto::HighAvailability& from,
                       HighAvailability& ha, Problems& problems) {
  uint32_t timeout_s = from.timeout_s();
  if (timeout_s == 0) timeout_s = kTimeoutDefaultS;
  if (timeout_s % 3 != 0 || timeout_s > 15) {
    problems.Error("ha.timeout_s",
                   absl::StrCat(timeout_s, ", must be 3, 6, 9, 12 or 15"));
    timeout_s = kTimeoutDefaultS;
  }
  ha.advert_interval = absl::Milliseconds(
      problems.InRangeOr("ha.advert_interval_ms", from.advert_interval_ms(), 20,
                         5000, timeout_s * 1000 / 3));
  if (from.advert_interval_ms() != 0 && from.timeout_s() != 0) {
    problems.Warn("ha.timeout_s",
                  "has no effect with advert_interval_ms: three of them are "
                  "the time until takeover");
  }
  ha.initial_wait = absl::Seconds(
      problems.InRange("ha.initial_wait_s", from.initial_wait_s(), 0, 200));
  if (from.has_pacify_starts() && from.pacify_starts() != 0) {
    problems.InRangeOr("ha.pacify_starts", from.pacify_starts(), 2, 100, 0);
  }
  if (from.has_pacify_starts()) ha.pacify_starts = from.pacify_starts();
  ha.pacify_window = problems.SecondsOr("ha.pacify_window_s",
                                        from.pacify_window_s(), 1, 86400, 300);
  if (from.has_realtime_priority()) {
    ha.realtime_priority = static_cast<int>(problems.InRange(
        "ha.realtime_priority", from.realtime_priority(), 0, 50));
  }
  if (from.has_switchover_patience_s()) {
    ha.switchover_patience = absl::Seconds(problems.InRange(
        "ha.switchover_patience_s", from.switchover_patience_s(), 0, 600));
  }
  return timeout_s;
}

void ValidateReboot(const proto::HighAvailability& from, HighAvailability& ha,
                    Problems& problems) {
  ha.reboot_on_link_failure = from.hard_reboot_on_link_failure();
  if (ha.reboot_on_link_failure && ha.preferred != ha::Mode::kNone) {
    problems.Error("ha.hard_reboot_on_link_failure",
                   "true, must be false while a unit is preferred: they could "
                   "take turns for ever");
  }
  if (from.reboot_command_size() > kRebootWordsMax) {
    problems.Error("ha.reboot_command",
                   absl::StrCat(from.reboot_command_size(),
                                " words, must be at most ", kRebootWordsMax));
    return;
  }
  for (int i = 0; i < from.reboot_command_size(); ++i) {
    const std::string& word = from.reboot_command(i);
    const std::string path = absl::StrCat("ha.reboot_command[", i, "]");
    if (word.find('\0') != std::string::npos) {
      problems.Error(path, absl::StrCat(Quoted(word), ", has a zero byte"));
    } else if (i == 0 && (word.empty() || word[0] != '/')) {
      problems.Error(path,
                     absl::StrCat(Quoted(word), ", must be an absolute path"));
    }
    ha.reboot_command.push_back(word);
  }
  if (ha.mode != ha::Mode::kNone && ha.reboot_on_link_failure &&
      ha.reboot_command.empty()) {
    problems.Warn("ha.reboot_command",
                  "empty: only a program that has a way of its own can reboot");
  }
}

void ValidateSyncPolicy(const proto::HighAvailability& from,
                        HighAvailability& ha, Problems& problems) {
  constexpr char kThreshold[] = "ha.l4_sync_threshold";
  constexpr char kPeriod[] = "ha.l4_sync_period";
  constexpr uint32_t kPeriodMax = 255;
  ha::SyncSettings& sync = ha.l4_sync;
  if (from.has_l4_sync_threshold()) sync.threshold = from.l4_sync_threshold();
  if (from.has_l4_sync_period()) sync.period = from.l4_sync_period();
  sync.refresh_s = problems.InRange("ha.l4_sync_refresh_period_s",
                                    from.l4_sync_refresh_period_s(), 0, 10);
  const bool period_fits = sync.period <= kPeriodMax;
  const bool threshold_fits = sync.threshold < kPeriodMax;
  if (!period_fits) {
    problems.Error(kPeriod,
                   absl::StrCat(sync.period, ", must be 0 or ",
                                threshold_fits ? sync.threshold + 1 : 1, " to ",
                                kPeriodMax));
  }
  if (!threshold_fits) {
    problems.InRange(
        kThreshold, sync.threshold, 0,
        period_fits && sync.period > 0 ? sync.period - 1 : kPeriodMax - 1);
  }
  if (!period_fits || !threshold_fits || sync.period == 0) return;
  if (sync.threshold >= sync.period) {
    // Whichever was set is at fault; of both, the threshold, which has to be
    // lowered first.
    if (from.has_l4_sync_threshold()) {
      problems.Error(kThreshold,
                     absl::StrCat(sync.threshold, ", must be 0 to ",
                                  sync.period - 1, ", below l4_sync_period"));
    } else {
      problems.Error(kPeriod, absl::StrCat(sync.period, ", must be 0 or ",
                                           sync.threshold + 1,
                                           " to 255, above l4_sync_threshold"));
    }
  }
}

void ValidateUpdates(const proto::HighAvailability& from, HighAvailability& ha,
                     Problems& problems) {
  ha.l4_updates = from.l4_updates();
  ha.l7_updates = from.l7_updates();
  ValidateSyncPolicy(from, ha, problems);
  ha.sync_id = static_cast<uint8_t>(
      problems.InRange("ha.sync_id", from.sync_id(), 0, 255));
  ha.sync_link = ValidateLinkChoice(
      "ha.multicast_interface", from.multicast_interface(), ha.links, problems);
  const Prefix own = ha.links.empty() ? Prefix{} : ha.links[ha.sync_link].own;
  const bool v6 = !own.address.is_unspecified() && !own.address.is_v4();
  if (from.sync_group().empty()) {
    if (v6) {
      ha.sync_group = {*Address::Parse("ff02::51"), kSyncPortDefault};
    }
    return;
  }
  const auto group = Endpoint::Parse(from.sync_group());
  if (!group.ok() || !group->address.is_multicast() || group->port == 0) {
    problems.Error("ha.sync_group",
                   absl::StrCat(Quoted(from.sync_group()),
                                ", must be a multicast address and a port, "
                                "\"224.0.0.81:8848\""));
    return;
  }
  ha.sync_group = *group;
  if (!own.address.is_unspecified() && group->address.is_v4() == v6) {
    problems.Error("ha.sync_group",
                   absl::StrCat(group->ToString(), ", must be IPv", v6 ? 6 : 4,
                                " like own_address ", own.ToString(), " of ",
                                LinkPath(ha.sync_link)));
  }
}

void ValidateKeys(const proto::HighAvailability& from, HighAvailability& ha,
                  Problems& problems) {
  if (from.keys_size() > kPairKeysMax) {
    problems.Error("ha.keys",
                   absl::StrCat(from.keys_size(), " of them, must be at most ",
                                kPairKeysMax));
    return;
  }
  for (int i = 0; i < from.keys_size(); ++i) {
    const std::string& text = from.keys(i);
    const std::string path = absl::StrCat("ha.keys[", i, "]");
    PairKey key;
    const auto is_hex = [](char c) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(c));
    };
    if (text.size() != 2 * key.size() ||
        !std::all_of(text.begin(), text.end(), is_hex)) {
      // The key is a secret: its length is all that is told.
      problems.Error(path, absl::StrCat(text.size(), " characters, must be ",
                                        2 * key.size(), " hex digits"));
      continue;
    }
    const std::string bytes = absl::HexStringToBytes(text);
    std::copy(bytes.begin(), bytes.end(), key.begin());
    const auto earlier = std::find(ha.keys.begin(), ha.keys.end(), key);
    if (earlier != ha.keys.end()) {
      problems.Error(path, "is given twice");
    }
    ha.keys.push_back(key);
  }
  ha.key_file = from.key_file();
  if (ha.key_file.empty()) return;
  if (ha.key_file[0] != '/' || ha.key_file.find('\0') != std::string::npos) {
    problems.Error("ha.key_file", absl::StrCat(Quoted(ha.key_file),
                                               ", must be an absolute path"));
  }
  if (from.keys_size() > 0) {
    problems.Error("ha.key_file", absl::StrCat(Quoted(ha.key_file),
                                               ", must be empty where keys are "
                                               "given"));
  }
}

void ValidateWire(const proto::HighAvailability& from, uint32_t timeout_s,
                  HighAvailability& ha, Problems& problems) {
  const bool pair = ha.mode != ha::Mode::kNone;
  const bool keyed = from.keys_size() > 0 || !from.key_file().empty();
  if (!proto::HighAvailability::Wire_IsValid(from.wire())) {
    problems.Error("ha.wire", absl::StrCat(static_cast<int>(from.wire()),
                                           ", is none of its names"));
    return;
  }
  if (from.wire() == proto::HighAvailability::SEALED) {
    if (pair && !keyed) {
      problems.Error("ha.keys",
                     "are required with wire SEALED, here or in key_file");
    }
    if (from.has_plain()) {
      problems.Error("ha.plain", "must not be set with wire SEALED");
    }
    return;
  }
  if (keyed) {
    problems.Error(from.keys_size() > 0 ? "ha.keys" : "ha.key_file",
                   "must not be set with wire PLAIN, which protects nothing");
  }
  if (from.advert_interval_ms() != 0) {
    problems.Error("ha.advert_interval_ms",
                   absl::StrCat(from.advert_interval_ms(),
                                ", must be 0 with wire PLAIN: see plain"));
  }
  ValidatePlainPeer(from, timeout_s, ha, problems);
}

// The pair's addresses against those of services and their gateways.
void ValidateFloatingOfPair(Model& model, Problems& problems) {
  const HighAvailability& ha = model.ha;
  for (const FloatingAddress& floating : model.floating_addresses) {
    for (size_t i = 0; i < ha.links.size(); ++i) {
      const HaLink& link = ha.links[i];
      const bool own = floating.address == link.own.address;
      if (!own && floating.address != link.partner) continue;
      problems.Error(
          absl::StrCat(LinkPath(i), own ? ".own_address" : ".partner_address"),
          absl::StrCat(floating.address.ToString(),
                       ", is a floating address, must stay with its unit"));
    }
  }
  if (ha.mode == ha::Mode::kNone || ha.shared.is_unspecified()) return;
  const auto is_shared = [&](const FloatingAddress& floating) {
    return floating.address == ha.shared;
  };
  if (std::none_of(model.floating_addresses.begin(),
                   model.floating_addresses.end(), is_shared)) {
    model.floating_addresses.push_back(
        {ha.shared,
         model.interfaces.size() == 1 ? model.interfaces[0].name : "", false});
  }
}

void ValidateVirtualMac(const proto::Config& from, Model& model,
                        Problems& problems) {
  if (!from.ha().virtual_mac()) return;
  for (int i = 0; i < from.interfaces_size(); ++i) {
    const proto::Interface& link = from.interfaces(i);
    if (link.mac().empty() && !link.card_mac()) continue;
    problems.Error(
        "ha.virtual_mac",
        absl::StrCat("true, must be false where interfaces[", i, "] has ",
                     link.card_mac() ? "card_mac" : "mac"));
    return;
  }
  if (model.ha.mode == ha::Mode::kNone) return;
  model.ha.virtual_mac =
      MacAddress{{0x00, 0x00, 0x5e, 0x00, 0x01, model.ha.virtual_id}};
  for (Interface& link : model.interfaces) link.mac = model.ha.virtual_mac;
}

// What a pair may do, but hardly wants.
void WarnOfPair(const proto::Config& from, const Model& model,
                Problems& problems) {
  const HighAvailability& ha = model.ha;
  if (ha.mode == ha::Mode::kNone) return;
  if (!ha.l4_updates) {
    problems.Warn("ha.l4_updates",
                  "false: every L4 session ends when the units change roles");
  }
  if (!from.ha().multicast_interface().empty() && !ha.l4_updates &&
      !ha.l7_updates) {
    problems.Warn("ha.multicast_interface",
                  "has no effect without l4_updates or l7_updates");
  }
  if (from.state_dir().empty() && ha.pacify_starts != 0) {
    problems.Warn("ha.pacify_starts",
                  "has no effect without a state_dir to count starts in");
  }
  const auto hashes = [](const VirtualService& service) {
    return service.schedule == Schedule::kSourceHash;
  };
  // Without a state_dir there is a warning of its own; and one of our own units
  // gives its key to the other.
  if (ha.plain.has_value() && from.hash_key().empty() &&
      !from.state_dir().empty() &&
      std::any_of(model.services.begin(), model.services.end(), hashes)) {
    problems.Warn("hash_key",
                  "empty, so that each unit makes its own: services with "
                  "schedule SH place their clients anew at every change of "
                  "roles");
  }
}

}  // namespace

void ValidateHa(const proto::Config& from, Model& model, Problems& problems) {
  const proto::HighAvailability& given = from.ha();
  HighAvailability& ha = model.ha;
  ha.mode = ValidateUnit("ha.mode", given.mode(), problems);
  ha.preferred = ValidateUnit("ha.preferred", given.preferred(), problems);
  ha.broadcast = given.broadcast();
  ha.initial_checks = given.initial_checks();
  if (given.has_style() && given.style() != 1) {
    problems.Error("ha.style", absl::StrCat(given.style(), ", must be 1"));
  }
  ValidateHaLinks(given, ha, problems);
  ValidateSharedAddress(given, ha, problems);
  ValidateVirtualId(given, ha, problems);
  const uint32_t timeout_s = ValidateTimes(given, ha, problems);
  ha.update_link = ValidateLinkChoice(
      "ha.update_interface", given.update_interface(), ha.links, problems);
  ha.port = static_cast<uint16_t>(
      problems.InRangeOr("ha.port", given.port(), 1, 65535, kPortDefault));
  ValidateReboot(given, ha, problems);
  ValidateUpdates(given, ha, problems);
  ValidateKeys(given, ha, problems);
  ValidateWire(given, timeout_s, ha, problems);
  ValidateFloatingOfPair(model, problems);
  ValidateVirtualMac(from, model, problems);
  WarnOfPair(from, model, problems);
}

}  // namespace ballast::config
