#include "lb/admin/unit_parameters.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "lb/admin/interfaces.h"

namespace ballast::admin {
namespace {

using config::proto::Config;

// The version of the API, of which clients read the first three numbers.
constexpr char kVersion[] = "7.2.60.0.ballast";

constexpr Word kAlwaysPersist[] = {
    {"0", 0}, {"1", 1}, {"2", 2}, {"no", 0}, {"yes", 1}};

std::string Version(const UnitView&) { return kVersion; }
std::string Serial(const UnitView&) { return "0"; }

std::string HaStatus(const UnitView& unit) {
  if (!unit.pair.configured) return "HA not configured";
  if (unit.pair.role == "active") return "Active";
  return unit.pair.role == "standby" ? "Standby" : "Passive";
}

std::string BootTime(const UnitView& unit) {
  return absl::StrCat(absl::ToUnixSeconds(unit.start));
}
std::string ActiveTime(const UnitView& unit) {
  absl::Time since = unit.start;
  if (unit.pair.configured) {
    if (unit.pair.role != "active") return "0";
    for (const auto& change : unit.pair.last_role_changes) {
      if (change.to != "active") continue;
      since = unit.now - absl::Seconds(change.seconds_ago);
    }
  }
  return absl::StrCat(absl::ToUnixSeconds(since));
}

// One that nobody chose comes from the shared address (2.2).
std::string VirtualId(const UnitView& unit) {
  const auto& ha = unit.config.ha();
  if (ha.virtual_id() != 0) return absl::StrCat(ha.virtual_id());
  const auto shared = Address::Parse(ha.shared_address());
  if (!shared.ok()) return "0";
  return absl::StrCat(std::max<int>(1, shared->bytes()[15]));
}

// The vendor's number of the link `name`; empty: of the first that is checked.
std::string NumberOf(const Config& config, absl::string_view name) {
  const auto all = InterfacesOf(config);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].link < 0) continue;
    if (name.empty() ? IsChecked(config, all[i].link) : all[i].name == name) {
      return absl::StrCat(i);
    }
  }
  return "0";
}
std::string UpdateInterface(const UnitView& unit) {
  return NumberOf(unit.config, unit.config.ha().update_interface());
}
std::string MulticastInterface(const UnitView& unit) {
  return NumberOf(unit.config, unit.config.ha().multicast_interface());
}
// `text` is a number; the field has the name.
absl::Status SetInterface(Config* config, const Option& option,
                          absl::string_view text) {
  const auto all = InterfacesOf(*config);
  BALLAST_ASSIGN_OR_RETURN(
      const uint32_t number,
      ReadNumber(option.name, text, 0,
                 all.empty() ? 0 : static_cast<uint32_t>(all.size() - 1)));
  if (text == NumberOf(*config, GetOption(*config, option))) {
    return absl::OkStatus();
  }
  if (all[number].link < 0) {
    return WrongValue(option.name, text, "a link between the units");
  }
  return SetOption(config, Text(option.name, option.path), all[number].name);
}

// 1 and 0 are no answers here, as with the vendor.
absl::Status SetEnableApi(Config* config, const Option& option,
                          absl::string_view text) {
  if (text == "1" || text == "0") {
    return WrongValue(option.name, text, "yes or no");
  }
  return SetOption(config, option, text);
}

// Those who show a text of their own.
constexpr UnitParameter ReadOnly(absl::string_view name,
                                 std::string (*get)(const UnitView&)) {
  return {Fixed(name, ""), As::kText, get, nullptr, {}, /*read_only=*/true};
}
constexpr UnitParameter Count(const Option& option) {
  return {option, As::kNumber};
}
constexpr UnitParameter YesNo(const Option& option,
                              absl::string_view alias = {}) {
  return {option, As::kFlag, nullptr, nullptr, alias};
}
constexpr UnitParameter Link(absl::string_view name, absl::string_view path,
                             std::string (*get)(const UnitView&)) {
  return {Text(name, path), As::kNumber, get, SetInterface};
}

// clang-format off
constexpr UnitParameter kParameters[] = {
    // Connections' synchronisation: packets, packets, seconds.
    Count(Number("L4SyncThreshold", "ha.l4_sync_threshold", 0, 254, 3)),
    Count(Number("L4SyncPeriod", "ha.l4_sync_period", 0, 255, 50)),
    Count(Number("L4SyncRefreshPeriod", "ha.l4_sync_refresh_period_s", 0, 10)),

    // The pair. hatimeout: in steps of 3 seconds.
    Count(Number("hamode", "ha.mode", 0, 2)),
    ReadOnly("hastatus", HaStatus),
    Count(Number("hatimeout", "ha.timeout_s", 1, 5, 3, 3)),
    Count(Number("hawait", "ha.initial_wait_s", 0, 200)),
    {Number("havhid", "ha.virtual_id", 1, 255), As::kNumber, VirtualId},
    Count(Number("haprefered", "ha.preferred", 0, 2)),
    Link("haif", "ha.update_interface", UpdateInterface),
    Link("mcast", "ha.multicast_interface", MulticastInterface),
    YesNo(Flag("macglobal", "ha.broadcast")),
    Count(Number("hastyle", "ha.style", 1, 1, 1)),
    YesNo(Flag("hainitial", "ha.initial_checks")),
    YesNo(Flag("hal4update", "ha.l4_updates"), "tcpfailover"),
    YesNo(Flag("hal7update", "ha.l7_updates"), "cookieupdate"),
    YesNo(Flag("vmac", "ha.virtual_mac")),
    YesNo(Flag("halinkfailreboot", "ha.hard_reboot_on_link_failure")),

    // Connections shared with a conntrackd.
    YesNo(Flag("connsync_enable", "connection_sync.enable")),
    {Text("connsync_interface", "connection_sync.interface")},
    {Text("connsync_local", "connection_sync.local")},
    {Text("connsync_peer", "connection_sync.peer")},
    Count(Number("connsync_port", "connection_sync.port", 1, 65535, 3780)),
    Count(Number("connsync_sndbuf", "connection_sync.send_buffer", 1, 2147483647, 65536)),
    Count(Number("connsync_rcvbuf", "connection_sync.receive_buffer", 1, 2147483647, 65536)),

    // All services.
    Count(Number("conntimeout", "connection_timeout_s", 0, 86400, 660)),
    YesNo(Flag("transparent", "l7.transparent")),
    YesNo(Flag("subnetoriginating", "l7.subnet_originating"), "subnetorigin"),
    YesNo(Flag("localbind", "l7.connection_scaling")),
    YesNo(Fixed("nonlocalrs", "yes")),
    YesNo(Flag("rsarelocal", "l7.real_servers_are_local")),
    YesNo(Fixed("snat", "yes")),
    Count(Choice("alwayspersist", "l7.always_persist", kAlwaysPersist)),
    YesNo(Flag("addcookieport", "l7.add_port_to_active_cookie")),
    YesNo(Flag("ShareSubVSPersist", "l7.share_sub_service_persistence")),
    Count(Number("finalpersist", "drain_time_s", 0, 86400, 300)),
    YesNo(Flag("dropatdrainend", "drop_at_drain_end")),
    YesNo(Flag("droponfail", "drop_on_fail")),
    Count(Number("slowstart", "slow_start_s", 0, 600)),

    // The unit.
    {Flag("enableapi", "management.enable_api"), As::kFlag, nullptr, SetEnableApi},
    ReadOnly("version", Version),
    ReadOnly("boottime", BootTime),
    ReadOnly("activetime", ActiveTime),
    ReadOnly("serialnumber", Serial),
};
// clang-format on

}  // namespace

std::span<const UnitParameter> UnitParameters() { return kParameters; }

const UnitParameter* FindUnitParameter(absl::string_view name) {
  for (const UnitParameter& parameter : kParameters) {
    if (absl::EqualsIgnoreCase(name, parameter.option.name) ||
        (!parameter.alias.empty() &&
         absl::EqualsIgnoreCase(name, parameter.alias))) {
      return &parameter;
    }
  }
  return nullptr;
}

Node ShowUnitParameter(const UnitParameter& parameter, absl::string_view name,
                       const UnitView& unit) {
  const std::string text = parameter.get != nullptr
                               ? parameter.get(unit)
                               : GetOption(unit.config, parameter.option);
  if (parameter.as == As::kFlag) {
    return Node::YesNo(name, ReadFlag(text).value_or(false));
  }
  return {.name = std::string(name), .as = parameter.as, .text = text};
}

absl::Status SetUnitParameter(const UnitParameter& parameter, Config* config,
                              absl::string_view text) {
  if (parameter.read_only) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Unknown parameter value ", parameter.option.name, ": is read-only"));
  }
  return parameter.set != nullptr
             ? parameter.set(config, parameter.option, text)
             : SetOption(config, parameter.option, text);
}

}  // namespace ballast::admin
