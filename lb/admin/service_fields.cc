#include "lb/admin/service_fields.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/following.h"
#include "lb/admin/service_getters.h"

namespace ballast::admin {
namespace {

constexpr Word kSchedules[] = {
    {"rr", config::proto::RR},
    {"wrr", config::proto::WRR},
    {"lc", config::proto::LC},
    {"wlc", config::proto::WLC},
    {"fixed", config::proto::FIXED},
    {"sh", config::proto::SH},
    {"uhash", config::proto::UHASH},
    {"adaptive", config::proto::ADAPTIVE},
    {"sdn-adaptive", config::proto::SDN_ADAPTIVE},
    {"dl", config::proto::RESPONSE_TIME},
};

using Get = std::string (*)(const ServiceView& view);
using Set = absl::Status (*)(const Service& service, absl::string_view text);

// A field of VirtualService; of SubService by `sub_path`.
constexpr ServiceField Row(As as, const Option& option,
                           absl::string_view sub_path = {}, Get get = nullptr,
                           Set set = nullptr) {
  return {option, as, Show::kAlways, sub_path, get, set};
}
constexpr ServiceField IfSet(As as, const Option& option,
                             absl::string_view sub_path = {}, Get get = nullptr,
                             Set set = nullptr) {
  return {option, as, Show::kIfSet, sub_path, get, set};
}
// Only to be read: what is said of it has no effect unless it is not so.
constexpr ServiceField Is(As as, absl::string_view name, Get get) {
  return {Fixed(name, ""), as, Show::kAlways, {}, get, nullptr};
}
// Something this program does not have.
constexpr ServiceField Off(As as, absl::string_view name,
                           absl::string_view fixed) {
  return {Fixed(name, fixed), as};
}

constexpr As kText = As::kText;
constexpr As kNumber = As::kNumber;
constexpr As kFlag = As::kFlag;

// clang-format off
constexpr ServiceField kFields[] = {
    // as, name, field of VirtualService, limits, field of SubService
    Is(kText, "Status", GetStatus),
    Is(kNumber, "Index", GetIndex),
    IfSet(kText, Text("VSAddress", "address"), "", GetAddress, SetAddress),
    Row(kText, Text("VSPort", "port"), "", GetPort, SetPort),
    Is(kNumber, "Layer", GetLayer),
    Row(kText, Text("NickName", "name"), "name"),
    Row(kFlag, NotFlag("Enable", "disabled"), "disabled", GetEnable, SetEnable),
    // Before the flag, which is what it makes it.
    IfSet(kText, List("CertFile", "l7.tls"), "", GetCertificates, SetCertificates),
    IfSet(kFlag, Presence("SSLAcceleration", "l7.tls"), "", GetSslAcceleration, SetSslAcceleration),
    Off(kFlag, "SSLReverse", "N"),
    Row(kFlag, Presence("SSLReencrypt", "l7.reencrypt")),
    Off(kNumber, "InterceptMode", "0"),
    Off(kFlag, "Intercept", "N"),
    Off(kNumber, "AlertThreshold", "0"),
    Off(kNumber, "Transactionlimit", "0"),
    Row(kFlag, Flag("Transparent", "l7.transparent"), "", GetTransparent),
    Row(kFlag, Flag("SubnetOriginating", "l7.subnet_originating", true)),
    Row(kNumber, Number("ServerInit", "l7.server_initiating", 0, 6)),
    Off(kNumber, "StartTLSMode", "0"),
    Row(kNumber, Number("Idletime", "idle_timeout_s", 0, 86400), "", GetIdleTime, SetIdleTime),
    Off(kFlag, "Cache", "N"),
    Off(kFlag, "Compress", "N"),
    Off(kNumber, "Verify", "0"),
    Off(kFlag, "UseforSnat", "N"),
    Row(kFlag, Presence("ForceL4", "l7"), "", GetForceL4, SetForceL4),
    Row(kFlag, Presence("ForceL7", "l7"), "", GetForceL7, SetForceL7),
    Off(kFlag, "MultiConnect", "N"),
    Off(kNumber, "ClientCert", "0"),
    Row(kText, Number("ErrorCode", "l7.error_code", 0, 505), "", nullptr, SetErrorCode),
    IfSet(kText, Text("ErrorUrl", "l7.error_url")),
    Row(kFlag, Flag("CheckUse1.1", "health_check.http11"), "health_check.http11"),
    Row(kNumber, Number("MatchLen", "health_check.match_length", 0, 8000), "health_check.match_length"),
    Row(kNumber, Number("CheckUseGet", "health_check.method", 0, 3), "health_check.method"),
    Off(kText, "SSLRewrite", "0"),
    Row(kText, Text("VStype", "l7.type"), "", GetType, SetType),
    Off(kNumber, "FollowVSID", "0"),
    Is(kText, "Protocol", GetProtocol),
    Row(kText, Choice("Schedule", "schedule", kSchedules), "schedule"),
    // Read only; the unit's own: showadaptive.
    IfSet(kText, Fixed("Adaptive", ""), "schedule", GetAdaptive, IgnoreAdaptive),
    IfSet(kText, Text("AdaptiveUrl", "adaptive.url"), "adaptive.url"),
    IfSet(kNumber, Fixed("AdaptivePort", ""), "adaptive", GetAdaptivePort, SetAdaptivePort),
    IfSet(kNumber, Fixed("AdaptiveInterval", ""), "adaptive", GetAdaptiveInterval, SetAdaptiveInterval),
    IfSet(kNumber, Fixed("AdaptiveMinPercent", ""), "adaptive", GetAdaptiveMinPercent, SetAdaptiveMinPercent),
    Row(kText, Fixed("CheckType", ""), "health_check.type", GetCheckType, SetCheckType),
    // These five are changed together: SetPersistence().
    IfSet(kText, Fixed("Persist", ""), "", GetPersist),
    Row(kText, Fixed("PersistTimeout", ""), "", GetPersistTimeout),
    IfSet(kText, Fixed("Cookie", ""), "", GetCookie),
    IfSet(kText, Fixed("QueryTag", ""), "", GetQueryTag),
    Row(kFlag, Fixed("RefreshPersist", ""), "", GetRefreshPersist),
    Row(kText, Number("CheckPort", "health_check.port", 0, 65530), "health_check.port"),
    IfSet(kText, Text("CheckUrl", "health_check.url"), "health_check.url"),
    IfSet(kText, Text("CheckHost", "health_check.host"), "health_check.host"),
    IfSet(kText, Numbers("CheckCodes", "health_check.codes", 300, 599), "health_check.codes"),
    IfSet(kText, Text("CheckPattern", "health_check.pattern"), "health_check.pattern"),
    // "Name: value|Name: value"; a value with a | can be read and echoed only.
    IfSet(kText, List("CheckHeaders", "health_check.headers", '|'), "health_check.headers"),
    IfSet(kText, Text("CheckPostData", "health_check.post_data"), "health_check.post_data"),
    Off(kNumber, "NRules", "0"),
    Off(kNumber, "NRequestRules", "0"),
    Off(kNumber, "NResponseRules", "0"),
    Off(kNumber, "NPreProcessRules", "0"),
    Off(kFlag, "EspEnabled", "N"),
    Off(kNumber, "InputAuthMode", "0"),
    Off(kNumber, "OutputAuthMode", "0"),
    Is(kNumber, "MasterVS", GetMasterVs),
    Is(kNumber, "MasterVSID", GetMasterVsId),
    Is(kNumber, "IsTransparent", GetIsTransparent),
    Row(kNumber, Number("AddVia", "l7.via", 0, 6), "", GetAddVia, SetAddVia),
    Row(kNumber, Number("QoS", "l7.qos", 0, 16), "qos", GetQos, SetQos),
    Off(kText, "TlsType", "0"),
    Off(kFlag, "NeedHostName", "N"),
    Off(kFlag, "OCSPVerify", "N"),
    Row(kNumber, Number("ChkInterval", "health_check.interval_s", 0, 120), "health_check.interval_s"),
    Row(kNumber, Number("ChkTimeout", "health_check.timeout_s", 0, 60), "health_check.timeout_s"),
    Row(kNumber, Number("ChkRetryCount", "health_check.retry_count", 0, 15), "health_check.retry_count"),
    Row(kNumber, Number("Bandwidth", "l7.limits.bandwidth_kbit_s", 0, 99999999)),
    Row(kNumber, Number("ConnsPerSecLimit", "l7.limits.connections_per_second", 0, 1000000)),
    Row(kNumber, Number("RequestsPerSecLimit", "l7.limits.requests_per_second", 0, 1000000)),
    Row(kNumber, Number("MaxConnsLimit", "l7.limits.connections", 0, 100000000)),
    Row(kFlag, Fixed("EnhancedHealthChecks", ""), "servers_min", GetEnhancedChecks, SetEnhancedChecks),
    Row(kNumber, Fixed("RsMinimum", ""), "servers_min", GetServersMin, SetServersMin),
    Is(kNumber, "NumberOfRSs", GetServerCount),
    IfSet(kText, Text("ExtraPorts", "extra_ports"), "", GetExtraPorts),
    IfSet(kText, List("LocalBindAddrs", "l7.alternate_source_addresses")),
    IfSet(kText, Text("StandbyAddr", "address"), "sorry_server", GetSorryAddress, SetSorryAddress),
    IfSet(kText, Number("StandbyPort", "port", 0, 65535), "sorry_server", GetSorryPort, SetSorryPort),
    // Our own: the service's address is the host's (l7.host_address).
    Row(kFlag, Flag("HostAddress", "l7.host_address")),
};
// clang-format on

constexpr absl::string_view kPersistence[] = {
    "Persist", "PersistTimeout", "Cookie", "QueryTag", "RefreshPersist"};

// They decide what the others mean; of RsMinimum nothing is left with
// EnhancedHealthChecks off.
constexpr absl::string_view kFirst[] = {"ForceL7", "ForceL4", "VStype",
                                        "RsMinimum"};

bool IsAmong(absl::string_view name, std::span<const absl::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](absl::string_view one) {
    return absl::EqualsIgnoreCase(name, one);
  });
}

std::string TextOf(const ServiceField& field, const ServiceView& view) {
  if (field.get != nullptr) return field.get(view);
  const Service& service = view.service;
  if (service.sub == nullptr || field.sub_path.empty()) {
    return GetOption(*service.service, field.option);
  }
  Option option = field.option;
  option.path = field.sub_path;
  return GetOption(*service.sub, option);
}

// Whether `text` is another way to say `shown`.
bool IsEcho(const ServiceField& field, absl::string_view text,
            absl::string_view shown) {
  if (text == shown) return true;
  const bool is_own_text =
      field.option.kind == Kind::kList ||
      (field.set == nullptr && field.option.kind == Kind::kText);
  if (is_own_text) return false;
  if (field.as != As::kFlag) return absl::EqualsIgnoreCase(text, shown);
  const auto flag = ReadFlag(text);
  return flag.has_value() && flag == ReadFlag(shown).value_or(false);
}

absl::Status Change(const ServiceField& field, absl::string_view text,
                    const Service& service) {
  const absl::string_view name = field.option.name;
  const std::string shown = TextOf(field, {service});
  if (IsEcho(field, text, shown)) return absl::OkStatus();
  if (field.set != nullptr &&
      (service.sub == nullptr || !field.sub_path.empty())) {
    return field.set(service, text);
  }
  const bool is_read_only = field.get != nullptr && field.set == nullptr &&
                            field.option.kind == Kind::kFixed;
  if (is_read_only) return WrongValue(name, text, shown);
  if (service.sub != nullptr && field.option.kind != Kind::kFixed) {
    if (field.sub_path.empty()) {
      return WrongValue(name, text,
                        absl::StrCat(shown, ", as the parent's is"));
    }
    Option option = field.option;
    option.path = field.sub_path;
    return SetOption(service.sub, option, text);
  }
  if (absl::StartsWith(field.option.path, "l7.") && !service.is_l7()) {
    return WrongValue(name, text,
                      absl::StrCat(shown, ": the service is of layer 4"));
  }
  return SetOption(service.service, field.option, text);
}

}  // namespace

std::span<const ServiceField> ServiceFields() { return kFields; }

std::vector<Node> ShowService(const ServiceView& view) {
  std::vector<Node> nodes;
  nodes.reserve(std::size(kFields));
  for (const ServiceField& field : kFields) {
    std::string text = TextOf(field, view);
    if (field.show == Show::kIfSet && text.empty()) continue;
    if (field.as == As::kFlag) {
      nodes.push_back(
          Node::Flag(field.option.name, ReadFlag(text).value_or(false)));
    } else {
      nodes.push_back({.name = std::string(field.option.name),
                       .as = field.as,
                       .text = std::move(text)});
    }
  }
  return nodes;
}

absl::Status ChangeService(const Parameters& parameters,
                           const Service& service) {
  const std::string name = NameOf(service);
  for (const absl::string_view first : kFirst) {
    const auto text = parameters.Find(first);
    if (!text.has_value()) continue;
    const auto* field =
        std::find_if(std::begin(kFields), std::end(kFields),
                     [&](const auto& f) { return f.option.name == first; });
    BALLAST_RETURN_IF_ERROR(Change(*field, *text, service));
  }
  for (const ServiceField& field : kFields) {
    const auto text = parameters.Find(field.option.name);
    if (!text.has_value() || IsAmong(field.option.name, kFirst) ||
        IsAmong(field.option.name, kPersistence)) {
      continue;
    }
    BALLAST_RETURN_IF_ERROR(Change(field, *text, service));
  }
  Renamed(service, name);
  return SetPersistence(parameters, service);
}

}  // namespace ballast::admin
