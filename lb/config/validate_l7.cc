#include "lb/config/validate_l7.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lb/config/known.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

constexpr int kSubServicesMax = 255;
constexpr int kMatchesMax = 64;
constexpr int kCertificatesMax = 256;
constexpr int kAlternateSourcesMax = 64;
constexpr int kSecretsMax = 8;
constexpr size_t kServerNameMax = 253;
constexpr uint32_t kPerSecondMax = 1'000'000;
constexpr uint32_t kConnectionsMax = 100'000'000;

static_assert(static_cast<int>(L7Type::kGeneric) == proto::L7::GENERIC);
static_assert(static_cast<int>(ClientHeader::kForwarded) ==
              proto::L7::FORWARDED);
static_assert(static_cast<int>(ClientCertificates::kRequired) ==
              proto::Tls::REQUIRED);
static_assert(static_cast<int>(Excess::kStatus503) ==
              proto::TrafficLimits::STATUS_503);
static_assert(static_cast<int>(AlwaysPersist::kEveryChange) ==
              proto::L7Defaults::EVERY_CHANGE);

// A file to be read later: by its absolute path.
void ValidatePath(const std::string& path, const std::string& file,
                  Problems& problems) {
  if (file.empty() || (file[0] == '/' && !absl::StrContains(file, '\0'))) {
    return;
  }
  problems.Error(path,
                 absl::StrCat(Quoted(file), ", must be an absolute path"));
}

// Of two fields exactly one. Values are not shown: keys are secrets.
void OneOf(const std::string& path, const char* text_name,
           const std::string& text, const char* file_name,
           const std::string& file, Problems& problems) {
  if (text.empty() == file.empty()) {
    problems.Error(absl::StrCat(path, ".", text_name),
                   absl::StrCat(text.empty() ? "is required, or "
                                             : "must be empty beside ",
                                file_name));
  }
  ValidatePath(absl::StrCat(path, ".", file_name), file, problems);
}

Certificate ValidateCertificate(const std::string& path,
                                const proto::Certificate& given,
                                const ServiceDefaults& defaults,
                                Problems& problems) {
  ValidatePath(absl::StrCat(path, ".ocsp_file"), given.ocsp_file(), problems);
  Certificate certificate{.chain = given.chain(),
                          .chain_file = given.chain_file(),
                          .key = given.key(),
                          .key_file = given.key_file(),
                          .ocsp_file = given.ocsp_file()};
  if (given.name().empty()) {
    OneOf(path, "chain", given.chain(), "chain_file", given.chain_file(),
          problems);
    OneOf(path, "key", given.key(), "key_file", given.key_file(), problems);
    return certificate;
  }
  if (!given.chain().empty() || !given.chain_file().empty() ||
      !given.key().empty() || !given.key_file().empty()) {
    problems.Error(absl::StrCat(path, ".name"),
                   "must be empty beside chain or key");
  }
  const auto named = defaults.certificates.find(given.name());
  if (named == defaults.certificates.end()) {
    problems.Error(
        absl::StrCat(path, ".name"),
        absl::StrCat(Quoted(given.name()), ", is none of certificates"));
    return certificate;
  }
  certificate.chain = named->second->chain();
  certificate.key = named->second->key();
  return certificate;
}

TlsServer ValidateTls(const std::string& path, const proto::Tls& from,
                      const ServiceDefaults& defaults, Problems& problems) {
  TlsServer tls;
  const int count = from.certificates_size();
  if (count < 1 || count > kCertificatesMax) {
    problems.Error(
        absl::StrCat(path, ".certificates"),
        absl::StrCat(count, " of them, must be 1 to ", kCertificatesMax));
    return tls;
  }
  for (int i = 0; i < count; ++i) {
    tls.certificates.push_back(
        ValidateCertificate(absl::StrCat(path, ".certificates[", i, "]"),
                            from.certificates(i), defaults, problems));
  }
  tls.only_tls13 = from.only_tls13();
  tls.client_certificates = Known<ClientCertificates>(
      absl::StrCat(path, ".client_certificates"), from.client_certificates(),
      proto::Tls::REQUIRED, problems);
  const std::string ca_path = absl::StrCat(path, ".client_ca_file");
  tls.client_ca_file = from.client_ca_file();
  ValidatePath(ca_path, tls.client_ca_file, problems);
  const bool asked = tls.client_certificates != ClientCertificates::kNotAsked;
  if (asked && tls.client_ca_file.empty()) {
    problems.Error(ca_path, "is required: client_certificates are asked for");
  } else if (!asked && !tls.client_ca_file.empty()) {
    problems.Warn(ca_path, "has no effect: no client_certificates");
  }
  return tls;
}

Reencrypt ValidateReencrypt(const std::string& path,
                            const proto::Reencrypt& from, Problems& problems) {
  Reencrypt reencrypt;
  ValidatePath(absl::StrCat(path, ".ca_file"), from.ca_file(), problems);
  if (!from.ca_file().empty()) reencrypt.ca_file = from.ca_file();
  reencrypt.server_name = from.server_name();
  const std::string& name = reencrypt.server_name;
  const bool named =
      name.size() <= kServerNameMax &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
               absl::StrContains("-._", c);
      });
  if (!named && !Address::Parse(name).ok()) {
    problems.Error(
        absl::StrCat(path, ".server_name"),
        absl::StrCat(Quoted(name), ", must be a host name of at most ",
                     kServerNameMax, " characters or an address"));
  }
  reencrypt.verify = !from.no_verify();
  if (from.no_verify()) {
    problems.Warn(absl::StrCat(path, ".no_verify"),
                  "whoever answers at a server's address is taken for it");
  }
  return reencrypt;
}

QualityOfService ValidateQos(const std::string& path, int from,
                             Problems& problems) {
  if (from == proto::L7::MINIMIZE_COST) {
    problems.Warn(path, "MINIMIZE_COST, has no effect: its bit is ECN's");
  }
  switch (from) {
    case proto::L7::NORMAL_SERVICE:
    case proto::L7::MINIMIZE_COST:
    case proto::L7::MAXIMIZE_RELIABILITY:
    case proto::L7::MAXIMIZE_THROUGHPUT:
    case proto::L7::MINIMIZE_DELAY:
      // RFC 1349: the bits 3 to 6 of the octet.
      return {.tos = static_cast<uint8_t>(from << 1)};
    case proto::L7::PASS_THROUGH:
      return {.pass_through = true};
    default:
      problems.Error(path, absl::StrCat(from, ", is none of its names"));
      return {};
  }
}

TrafficLimit ValidateLimit(const std::string& path, const std::string& prefix,
                           uint32_t connections_max, uint32_t connections,
                           uint32_t connections_per_second,
                           uint32_t requests_per_second,
                           uint32_t bandwidth_kbit_s, Problems& problems) {
  const auto name = [&](const char* field) {
    return absl::StrCat(path, ".", prefix, field);
  };
  TrafficLimit limit;
  limit.connections =
      problems.InRange(name("connections"), connections, 0, connections_max);
  limit.connections_per_second = problems.InRange(
      name("connections_per_second"), connections_per_second, 0, kPerSecondMax);
  limit.requests_per_second = problems.InRange(
      name("requests_per_second"), requests_per_second, 0, kPerSecondMax);
  limit.bandwidth_kbit_s = problems.InRangeOr(
      name("bandwidth_kbit_s"), bandwidth_kbit_s, 16, 99'999'999, 0);
  return limit;
}

TrafficLimits ValidateLimits(const std::string& path,
                             const proto::TrafficLimits& from,
                             Problems& problems) {
  TrafficLimits limits;
  limits.all =
      ValidateLimit(path, "", kConnectionsMax, from.connections(),
                    from.connections_per_second(), from.requests_per_second(),
                    from.bandwidth_kbit_s(), problems);
  limits.client = ValidateLimit(
      path, "client_", kPerSecondMax, from.client_connections(),
      from.client_connections_per_second(), from.client_requests_per_second(),
      from.client_bandwidth_kbit_s(), problems);
  limits.excess = Known<Excess>(absl::StrCat(path, ".excess"), from.excess(),
                                proto::TrafficLimits::STATUS_503, problems);
  return limits;
}

RequestMatch ValidateMatch(const std::string& path,
                           const proto::RequestMatch& from,
                           Problems& problems) {
  RequestMatch match;
  match.host = absl::AsciiStrToLower(from.host());
  match.path_prefix = from.path_prefix();
  match.method = from.method();
  match.header = from.header();
  if (!from.header_value().empty()) match.header_value = from.header_value();
  if (match == RequestMatch{}) {
    problems.Error(path, "is empty, must say something of the request");
  }
  if (!match.path_prefix.empty() && match.path_prefix[0] != '/') {
    problems.Error(
        absl::StrCat(path, ".path_prefix"),
        absl::StrCat(Quoted(match.path_prefix), ", must begin with a /"));
  }
  const absl::string_view labels = absl::StartsWith(match.host, "*.")
                                       ? absl::string_view(match.host).substr(2)
                                       : absl::string_view(match.host);
  if (absl::StrContains(labels, '*') || absl::StrContains(labels, ':') ||
      (!match.host.empty() && labels.empty())) {
    problems.Error(absl::StrCat(path, ".host"),
                   absl::StrCat(Quoted(from.host()),
                                ", must be a host's name without port, or "
                                "\"*.\" and the rest of one"));
  }
  if (match.header_value && match.header.empty()) {
    problems.Error(absl::StrCat(path, ".header"),
                   "is required beside header_value");
  }
  return match;
}

SubService ValidateSubService(const std::string& path,
                              const proto::SubService& from,
                              const ServiceDefaults& defaults,
                              const PoolOwner& owner,
                              const QualityOfService& parent,
                              Problems& problems) {
  SubService sub;
  if (from.name().empty()) {
    problems.Error(absl::StrCat(path, ".name"), "is required");
  }
  ValidateName(absl::StrCat(path, ".name"), from.name(), problems);
  sub.name = from.name();
  if (from.matches_size() > kMatchesMax) {
    problems.Error(absl::StrCat(path, ".matches"),
                   absl::StrCat(from.matches_size(),
                                " of them, must be at "
                                "most ",
                                kMatchesMax));
  } else {
    for (int i = 0; i < from.matches_size(); ++i) {
      sub.matches.push_back(ValidateMatch(
          absl::StrCat(path, ".matches[", i, "]"), from.matches(i), problems));
    }
  }
  if (from.has_weight()) {
    sub.weight = problems.InRange(absl::StrCat(path, ".weight"), from.weight(),
                                  0, kWeightMax);
  }
  sub.connection_limit =
      problems.InRange(absl::StrCat(path, ".connection_limit"),
                       from.connection_limit(), 0, kConnectionLimitMax);
  sub.enabled = !from.disabled();
  sub.critical = from.critical();
  const std::string qos_path = absl::StrCat(path, ".qos");
  const QualityOfService qos = ValidateQos(qos_path, from.qos(), problems);
  if (parent.pass_through && from.qos() != proto::L7::NORMAL_SERVICE) {
    problems.Error(qos_path, absl::StrCat(from.qos(),
                                          ", must be unset: the parent's is "
                                          "PASS_THROUGH"));
  } else if (!parent.pass_through && qos.pass_through) {
    problems.Error(qos_path,
                   "PASS_THROUGH, must be another: the parent's is not");
  }
  sub.qos = parent.pass_through ? parent : qos;
  ValidatePool(path, from, defaults, owner, sub, problems);
  return sub;
}

void ValidateSubServices(const std::string& path,
                         const proto::VirtualService& from,
                         const ServiceDefaults& defaults,
                         const PoolOwner& owner, L7Service& l7,
                         Problems& problems) {
  const std::string list = absl::StrCat(path, ".sub_services");
  const int count = from.l7().sub_services_size();
  if (count == 0) return;
  if (count > kSubServicesMax) {
    problems.Error(list, absl::StrCat(count, " of them, must be at most ",
                                      kSubServicesMax));
    return;
  }
  if (from.real_servers_size() > 0) {
    problems.Error(list, "must be empty where the service has real_servers");
  }
  std::map<std::string, int> names;
  for (int i = 0; i < count; ++i) {
    const std::string sub_path = absl::StrCat(list, "[", i, "]");
    l7.sub_services.push_back(
        ValidateSubService(sub_path, from.l7().sub_services(i), defaults, owner,
                           l7.qos, problems));
    const std::string& name = l7.sub_services.back().name;
    const auto [earlier, added] = names.emplace(name, i);
    if (!added && !name.empty()) {
      problems.Error(absl::StrCat(sub_path, ".name"),
                     absl::StrCat(Quoted(name), ", is already the name of ",
                                  list, "[", earlier->second, "]"));
    }
  }
}

bool IsRedirect(int code) {
  return code == 301 || code == 302 || code == 303 || code == 307 ||
         code == 308;
}

void ValidateErrorAnswer(const std::string& path, const proto::L7& from,
                         L7Service& l7, Problems& problems) {
  const std::string code_path = absl::StrCat(path, ".error_code");
  const std::string url_path = absl::StrCat(path, ".error_url");
  l7.error_code = static_cast<int>(
      problems.InRangeOr(code_path, from.error_code(), 200, 505, 503));
  l7.error_url = from.error_url();
  l7.error_page_file = from.error_page_file();
  ValidatePath(absl::StrCat(path, ".error_page_file"), l7.error_page_file,
               problems);
  if (IsRedirect(l7.error_code) && l7.error_url.empty()) {
    problems.Error(url_path,
                   absl::StrCat("is required with error_code ", l7.error_code));
  } else if (!IsRedirect(l7.error_code) && !l7.error_url.empty()) {
    problems.Error(code_path,
                   absl::StrCat(from.error_code(),
                                ", must be 301, 302, 303, 307 or 308 beside "
                                "error_url"));
  }
  const bool printable =
      std::all_of(l7.error_url.begin(), l7.error_url.end(), [](char c) {
        return absl::ascii_isgraph(static_cast<unsigned char>(c));
      });
  if (!l7.error_url.empty() &&
      (!printable || (!absl::StartsWith(l7.error_url, "http://") &&
                      !absl::StartsWith(l7.error_url, "https://")))) {
    problems.Error(url_path,
                   absl::StrCat(Quoted(l7.error_url),
                                ", must be a URL of http:// or https://, "
                                "without blanks"));
  }
}

void ValidateSources(const std::string& path, const proto::L7& from,
                     const ServiceDefaults& defaults, L7Service& l7,
                     Problems& problems) {
  l7.transparent = from.transparent() || defaults.l7_transparent;
  if (l7.transparent && l7.reencrypt) {
    problems.Warn(absl::StrCat(path, ".transparent"),
                  "has no effect beside reencrypt");
    l7.transparent = false;
  }
  l7.subnet_originating = !from.has_subnet_originating() ||
                          from.subnet_originating() ||
                          defaults.l7_subnet_originating;
  const std::string list = absl::StrCat(path, ".alternate_source_addresses");
  const int count = from.alternate_source_addresses_size();
  if (count == 0) return;
  if (count > kAlternateSourcesMax) {
    problems.Error(list, absl::StrCat(count, " of them, must be at most ",
                                      kAlternateSourcesMax));
    return;
  }
  if (!defaults.l7_connection_scaling) {
    problems.Error(list, "must be empty without l7.connection_scaling");
  }
  for (int i = 0; i < count; ++i) {
    const auto address = ValidateHost(absl::StrCat(list, "[", i, "]"),
                                      from.alternate_source_addresses(i),
                                      /*link_local_allowed=*/false, problems,
                                      /*loopback_allowed=*/true);
    if (address) l7.alternate_sources.push_back(*address);
  }
  if (l7.transparent) problems.Warn(list, "has no effect with transparent");
}

void ValidateServerInitiating(const std::string& path, const proto::L7& from,
                              const VirtualService& service, L7Service& l7,
                              Problems& problems) {
  const auto kind = Known<proto::L7::ServerInitiating>(
      path, from.server_initiating(), proto::L7::POP3, problems);
  if (kind == proto::L7::CLIENT) return;
  l7.server_initiating = true;
  if (service.persistence.mode == PersistenceMode::kSslSessionId) {
    problems.Error(path, absl::StrCat(proto::L7::ServerInitiating_Name(kind),
                                      ", must be CLIENT: the server is chosen "
                                      "by a client's TLS"));
  }
  if (l7.type != L7Type::kGeneric) {
    problems.Error(path, absl::StrCat(proto::L7::ServerInitiating_Name(kind),
                                      ", must be CLIENT: type is not GENERIC"));
  } else if (service.port == 80 || service.port == 8080 ||
             service.port == 443) {
    problems.Error(path,
                   absl::StrCat(proto::L7::ServerInitiating_Name(kind),
                                ", must be CLIENT on port ", service.port));
  }
}

// What only requests have.
void RefuseForGeneric(const std::string& path, const proto::L7& from,
                      Problems& problems) {
  const auto refuse = [&](const char* field, bool set) {
    if (!set) return;
    problems.Error(absl::StrCat(path, ".", field),
                   "must be unset: type is GENERIC");
  };
  refuse("sub_services", from.sub_services_size() > 0);
  refuse("error_code", from.error_code() != 0);
  refuse("error_url", !from.error_url().empty());
  refuse("error_page_file", !from.error_page_file().empty());
  refuse("client_header", from.client_header() != 0);
  refuse("via", from.via());
  refuse("limits.requests_per_second",
         from.limits().requests_per_second() != 0);
  refuse("limits.client_requests_per_second",
         from.limits().client_requests_per_second() != 0);
  refuse("limits.excess", from.limits().excess() != 0);
}

}  // namespace

void ValidateL7(const std::string& path, const proto::VirtualService& from,
                const ServiceDefaults& defaults, const PoolOwner& owner,
                VirtualService& service, Problems& problems) {
  const proto::L7& given = from.l7();
  L7Service& l7 = service.l7.emplace();
  l7.type = Known<L7Type>(absl::StrCat(path, ".type"), given.type(),
                          proto::L7::GENERIC, problems);
  l7.host_address = given.host_address();
  if (service.protocol != Protocol::kTcp) {
    problems.Error(path, "must be unset: protocol is UDP");
  }
  if (from.port() == 0) {
    problems.Error(path, "must be unset with a wildcard port");
  }
  if (given.has_tls()) {
    l7.tls = ValidateTls(absl::StrCat(path, ".tls"), given.tls(), defaults,
                         problems);
  }
  if (given.has_reencrypt()) {
    const std::string reencrypt_path = absl::StrCat(path, ".reencrypt");
    l7.reencrypt =
        ValidateReencrypt(reencrypt_path, given.reencrypt(), problems);
    if (!service.extra_ports.empty()) {
      problems.Error(reencrypt_path, "must be unset beside extra_ports");
    }
  }
  ValidateSources(path, given, defaults, l7, problems);
  ValidateServerInitiating(absl::StrCat(path, ".server_initiating"), given,
                           service, l7, problems);
  l7.qos = ValidateQos(absl::StrCat(path, ".qos"), given.qos(), problems);
  l7.client_header = Known<ClientHeader>(absl::StrCat(path, ".client_header"),
                                         given.client_header(),
                                         proto::L7::FORWARDED, problems);
  l7.via = given.via();
  if (l7.type == L7Type::kGeneric) {
    RefuseForGeneric(path, given, problems);
  } else {
    ValidateErrorAnswer(path, given, l7, problems);
    ValidateSubServices(path, from, defaults, owner, l7, problems);
  }
  l7.limits =
      ValidateLimits(absl::StrCat(path, ".limits"), given.limits(), problems);
}

void ValidateL7Defaults(const proto::L7Defaults& from,
                        ServiceDefaults& defaults, L7Settings& settings,
                        Problems& problems) {
  defaults.l7_transparent = from.transparent();
  defaults.l7_subnet_originating = from.subnet_originating();
  defaults.l7_connection_scaling = from.connection_scaling();
  settings.real_servers_are_local = from.real_servers_are_local();
  settings.always_persist =
      Known<AlwaysPersist>("l7.always_persist", from.always_persist(),
                           proto::L7Defaults::EVERY_CHANGE, problems);
  settings.share_sub_service_persistence = from.share_sub_service_persistence();
  settings.add_port_to_active_cookie = from.add_port_to_active_cookie();
  settings.head_bytes_max =
      problems.InRangeOr("l7.head_bytes_max", from.head_bytes_max(), 1024,
                         1048576, settings.head_bytes_max);
  settings.header_fields_max =
      problems.InRangeOr("l7.header_fields_max", from.header_fields_max(), 16,
                         1000, settings.header_fields_max);
  if (from.has_idle_server_connections()) {
    settings.idle_server_connections = problems.InRange(
        "l7.idle_server_connections", from.idle_server_connections(), 0, 65535);
  }
  if (from.secrets_size() > kSecretsMax) {
    problems.Error("l7.secrets", absl::StrCat(from.secrets_size(),
                                              " of them, must be at "
                                              "most ",
                                              kSecretsMax));
    return;
  }
  for (int i = 0; i < from.secrets_size(); ++i) {
    L7Secret secret;
    const std::string& text = from.secrets(i);
    if (text.size() != 2 * secret.size() ||
        !std::all_of(text.begin(), text.end(), [](char c) {
          return absl::ascii_isxdigit(static_cast<unsigned char>(c));
        })) {
      problems.Error(absl::StrCat("l7.secrets[", i, "]"),
                     absl::StrCat(text.size(), " characters, must be ",
                                  2 * secret.size(), " hex digits"));
      continue;
    }
    const std::string bytes = absl::HexStringToBytes(text);
    std::copy(bytes.begin(), bytes.end(), secret.begin());
    settings.secrets.push_back(secret);
  }
  settings.limits = ValidateLimits("l7.limits", from.limits(), problems);
}

}  // namespace ballast::config
