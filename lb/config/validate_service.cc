#include "lb/config/validate_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lb/config/extra_ports.h"
#include "lb/config/known.h"
#include "lb/config/validate.h"
#include "lb/config/validate_l7.h"
#include "lb/config/validate_pool.h"
#include "lb/config/warn_service.h"

namespace ballast::config {
namespace {

constexpr uint32_t kDayS = 86400;
constexpr size_t kNameBytesMax = 127;

static_assert(static_cast<int>(Fill::kEven) == proto::EVEN);
static_assert(static_cast<int>(Fill::kMaglev) == proto::MAGLEV);

PoolOwner OwnerOf(const proto::VirtualService& from,
                  const VirtualService& service,
                  const std::optional<Address>& address) {
  PoolOwner owner = {
      .address = address,
      .port = service.port,
      .one_port = service.port != 0 && service.extra_ports.empty(),
      .protocol = service.protocol};
  if (!from.has_l7()) return owner;
  owner.l7 =
      from.l7().type() == proto::L7::GENERIC ? L7Type::kGeneric : L7Type::kHttp;
  owner.terminates_tls = from.l7().has_tls();
  owner.reencrypts = from.l7().has_reencrypt();
  owner.translates = true;
  return owner;
}

}  // namespace

std::optional<Address> ValidateHost(const std::string& path,
                                    const std::string& text,
                                    bool link_local_allowed, Problems& problems,
                                    bool loopback_allowed) {
  if (text.empty()) {
    problems.Error(path, "is required");
    return std::nullopt;
  }
  const auto address = Address::Parse(text);
  if (!address.ok()) {
    problems.Error(
        path, absl::StrCat(Quoted(text), ", must be an IPv4 or IPv6 address"));
    return std::nullopt;
  }
  const char* kind = nullptr;
  if (address->is_unspecified() || *address == Address::V4(0)) {
    kind = "the unspecified";
  } else if (address->is_multicast()) {
    kind = "a multicast";
  } else if (address->is_loopback() && !loopback_allowed) {
    kind = "a loopback";
  } else if (*address == Address::V4(0xffffffff)) {
    kind = "the broadcast";
  } else if (!address->is_v4() && address->is_link_local() &&
             !link_local_allowed) {
    kind = "a link-local";
  }
  if (kind != nullptr) {
    problems.Error(path, absl::StrCat(Quoted(text), ", is ", kind,
                                      " address, must be a host's"));
    return std::nullopt;
  }
  return *address;
}

void ValidateName(const std::string& path, const std::string& name,
                  Problems& problems) {
  if (name.empty()) return;
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '@' || c == '-' || c == '_';
  };
  if (name.size() > kNameBytesMax ||
      !absl::ascii_isalnum(static_cast<unsigned char>(name[0])) ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    problems.Error(
        path, absl::StrCat(Quoted(name), ", must be at most ", kNameBytesMax,
                           " letters, digits and . @ - _, "
                           "the first a letter or digit"));
  }
}

VirtualService ValidateService(const std::string& path,
                               const proto::VirtualService& from,
                               const ServiceDefaults& defaults,
                               Problems& problems) {
  VirtualService service;
  ValidateName(absl::StrCat(path, ".name"), from.name(), problems);
  service.name = from.name();
  const auto address =
      ValidateHost(absl::StrCat(path, ".address"), from.address(),
                   /*link_local_allowed=*/false, problems,
                   /*loopback_allowed=*/from.l7().host_address());
  service.address = address.value_or(Address());
  service.port = static_cast<uint16_t>(
      problems.InRangeOr(absl::StrCat(path, ".port"), from.port(),
                         kServicePortMin, kServicePortMax, 0));
  service.protocol =
      Known<proto::Protocol>(absl::StrCat(path, ".protocol"), from.protocol(),
                             proto::UDP, problems) == proto::UDP
          ? Protocol::kUdp
          : Protocol::kTcp;
  auto extra_ports = ParseExtraPorts(from.extra_ports(), service.port);
  if (!extra_ports.ok()) {
    problems.Error(absl::StrCat(path, ".extra_ports"),
                   std::string(extra_ports.status().message()));
  } else {
    service.extra_ports = *std::move(extra_ports);
    if (from.port() == 0 && !service.extra_ports.empty()) {
      problems.Error(absl::StrCat(path, ".extra_ports"),
                     absl::StrCat(Quoted(from.extra_ports()),
                                  ", must be empty: port 0 has them all"));
    }
  }
  service.enabled = !from.disabled();
  service.fill = Known<Fill>(absl::StrCat(path, ".fill"), from.fill(),
                             proto::MAGLEV, problems);
  const uint32_t idle_timeout_s = problems.InRange(
      absl::StrCat(path, ".idle_timeout_s"), from.idle_timeout_s(), 0, kDayS);
  service.idle_timeout = idle_timeout_s == 0 ? defaults.connection_timeout
                                             : absl::Seconds(idle_timeout_s);
  const PoolOwner owner = OwnerOf(from, service, address);
  ValidatePool(path, from, defaults, owner, service, problems);
  if (from.has_l7()) {
    ValidateL7(absl::StrCat(path, ".l7"), from, defaults, owner, service,
               problems);
  }
  WarnOfService(path, from, service, problems);
  return service;
}

}  // namespace ballast::config
