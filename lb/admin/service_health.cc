// How servers are checked, as far as it is not simply a field of ballast.proto.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "io/base/flow_key.h"
#include "io/base/status_macros.h"
#include "lb/admin/option.h"
#include "lb/admin/service_getters.h"
#include "lb/config/default_check.h"

namespace ballast::admin {
namespace {

// The vendor's, and what it does on port 53 of UDP.
constexpr Word kCheckTypes[] = {
    {"icmp", config::proto::ICMP}, {"https", config::proto::HTTPS},
    {"http", config::proto::HTTP}, {"tcp", config::proto::CONNECT},
    {"smtp", config::proto::SMTP}, {"nntp", config::proto::NNTP},
    {"ftp", config::proto::FTP},   {"telnet", config::proto::TELNET},
    {"pop3", config::proto::POP3}, {"imap", config::proto::IMAP},
    {"rdp", config::proto::RDP},   {"bdata", config::proto::BINARY},
    {"ldap", config::proto::LDAP}, {"none", config::proto::NONE},
    {"dns", config::proto::DNS},
};
// Of the type; DefaultCheckType()'s enum is the proto's without DEFAULT.
constexpr Option kType = Choice("CheckType", "type", kCheckTypes);
static_assert(static_cast<int>(config::CheckType::kNone) ==
              config::proto::NONE - 1);
static_assert(static_cast<int>(config::CheckType::kDns) ==
              config::proto::DNS - 1);

config::proto::HealthCheck* MutableCheck(const Service& service) {
  return service.sub != nullptr ? service.sub->mutable_health_check()
                                : service.service->mutable_health_check();
}

uint32_t ServersMinOf(const Service& service) {
  return service.sub ? service.sub->servers_min()
                     : service.service->servers_min();
}

void SetServersMinOf(const Service& service, uint32_t min) {
  if (service.sub != nullptr) {
    service.sub->set_servers_min(min);
  } else {
    service.service->set_servers_min(min);
  }
}

}  // namespace

// What is in force where nothing is said.
std::string GetCheckType(const ServiceView& view) {
  const config::proto::VirtualService& vs = *view.service.service;
  config::proto::HealthCheck check = view.service.sub != nullptr
                                         ? view.service.sub->health_check()
                                         : vs.health_check();
  if (check.type() == config::proto::DEFAULT) {
    const auto type = config::DefaultCheckType(
        vs.protocol() == config::proto::UDP ? Protocol::kUdp : Protocol::kTcp,
        static_cast<uint16_t>(vs.port()), vs.l7().has_tls(),
        vs.l7().has_reencrypt());
    check.set_type(
        static_cast<config::proto::CheckType>(static_cast<int>(type) + 1));
  }
  return GetOption(check, kType);
}

absl::Status SetCheckType(const Service& service, absl::string_view text) {
  return SetOption(MutableCheck(service), kType, text);
}

std::string GetEnhancedChecks(const ServiceView& view) {
  return ServersMinOf(view.service) > 0 ? "1" : "0";
}

absl::Status SetEnhancedChecks(const Service& service, absl::string_view text) {
  const auto wanted = ReadFlag(text);
  if (!wanted) return WrongValue("EnhancedHealthChecks", text, "Y or N");
  SetServersMinOf(service, *wanted ? 1 : 0);
  return absl::OkStatus();
}

std::string GetServersMin(const ServiceView& view) {
  if (view.service.servers().size() <= 1) return "0";
  return absl::StrCat(std::max(1u, ServersMinOf(view.service)));
}

absl::Status SetServersMin(const Service& service, absl::string_view text) {
  BALLAST_ASSIGN_OR_RETURN(const uint32_t min,
                           ReadNumber("RsMinimum", text, 0, 1024));
  SetServersMinOf(service, min);
  return absl::OkStatus();
}

}  // namespace ballast::admin
