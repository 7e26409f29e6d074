#include "examples/ctl/convert/keepalived_pair.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace ballast::ctl {
namespace {

// What the settings of a vrrp_instance are here.
constexpr std::pair<absl::string_view, absl::string_view> kPairSettings[] = {
    {"state", "ha.mode: which unit is First, which Second"},
    {"interface", "ha.links.interface"},
    {"virtual_router_id", "ha.virtual_id, the same number"},
    {"priority", "ha.preferred names the unit that is to be active, if any"},
    {"nopreempt", "what a pair does: see ha.preferred"},
    {"preempt_delay", "see ha.initial_wait_s"},
    {"advert_int", "ha.advert_interval_ms, or ha.timeout_s"},
    {"authentication", "ha.key_file: `ballastctl key new`"},
    {"unicast_src_ip", "ha.links.own_address"},
    {"mcast_src_ip", "ha.links.own_address"},
    {"unicast_peer", "ha.links.partner_address"},
    {"virtual_ipaddress",
     "the active unit answers for the addresses of services and of "
     "floating_addresses"},
    {"virtual_ipaddress_excluded",
     "the active unit answers for the addresses of services and of "
     "floating_addresses"},
    {"track_interface", "see ha.hard_reboot_on_link_failure"},
    {"use_vmac", "ha.virtual_mac"},
    {"lvs_sync_daemon", "ha.l4_updates"},
    {"lvs_sync_daemon_interface", "ha.l4_updates, ha.multicast_interface"},
};

}  // namespace

void ReportKeepalivedPair(const Directive& instance, Ledger& ledger) {
  ledger.Lose(instance.line, instance.ToString(),
              "a pair of units is `ha` here: examples/ballast-ha.textproto");
  for (const Directive& one : instance.inner) {
    const auto* const known = std::find_if(
        std::begin(kPairSettings), std::end(kPairSettings),
        [&](const auto& setting) { return setting.first == one.name(); });
    // The password of `authentication` is in its block, which is not shown.
    ledger.LoseBlock(one.line, one.last_line, one.ToString(),
                     known == std::end(kPairSettings) ? "is of VRRP: see ha"
                                                      : known->second);
  }
  ledger.Use(instance.last_line);
}

}  // namespace ballast::ctl
