#include "lb/health/stream_check.h"

#include <optional>
#include <utility>

#include "io/base/address.h"
#include "io/base/check.h"
#include "lb/health/binary_dialogue.h"
#include "lb/health/greeting.h"
#include "lb/health/http_dialogue.h"
#include "lb/health/ldap_dialogue.h"
#include "lb/health/rdp_dialogue.h"

namespace ballast::health {
namespace {

using config::CheckType;

constexpr uint16_t kLdapsPort = 636;

static_assert(static_cast<int>(HttpMethod::kPost) ==
              static_cast<int>(config::CheckMethod::kPost));
static_assert(static_cast<int>(HttpMethod::kOptions) ==
              static_cast<int>(config::CheckMethod::kOptions));

std::optional<Greeter> GreeterOf(CheckType type) {
  switch (type) {
    case CheckType::kFtp:
      return Greeter::kFtp;
    case CheckType::kSmtp:
      return Greeter::kSmtp;
    case CheckType::kNntp:
      return Greeter::kNntp;
    case CheckType::kPop3:
      return Greeter::kPop3;
    case CheckType::kImap:
      return Greeter::kImap;
    case CheckType::kTelnet:
      return Greeter::kTelnet;
    default:
      return std::nullopt;
  }
}

// The name in `host`, without a port; empty: it is an address, which TLS does
// not ask for (RFC 6066 §3).
std::string NameOf(const std::string& host) {
  const std::string name = host.substr(0, host.find(':'));
  if (name.empty() || name[0] == '[' || Address::Parse(name).ok()) return "";
  return name;
}

}  // namespace

std::shared_ptr<const StreamCheck> StreamCheck::Create(
    const config::HealthCheck& check, uint16_t port) {
  std::shared_ptr<StreamCheck> made(new StreamCheck);
  made->type_ = check.type;
  switch (check.type) {
    case CheckType::kNone:
    case CheckType::kTcp:
    case CheckType::kIcmp:
    case CheckType::kDns:
      return nullptr;
    case CheckType::kHttps:
    case CheckType::kHttp: {
      auto http =
          HttpCheck::Create({.method = static_cast<HttpMethod>(check.method),
                             .url = check.url,
                             .http11 = check.http11,
                             .host = check.host,
                             .headers = check.headers,
                             .body = check.post_data,
                             .codes = check.codes,
                             .pattern = check.pattern});
      BALLAST_CHECK(http.ok());
      made->http_ = *std::move(http);
      made->tls_ = check.type == CheckType::kHttps;
      made->server_name_ = NameOf(check.host);
      break;
    }
    case CheckType::kBinary:
      made->request_ = check.url;
      made->pattern_ = check.pattern;
      made->match_length_ = check.match_length;
      break;
    case CheckType::kLdap:
      made->tls_ = port == kLdapsPort;
      break;
    default:
      break;
  }
  return made;
}

std::unique_ptr<Dialogue> StreamCheck::NewDialogue() const {
  switch (type_) {
    case CheckType::kHttp:
    case CheckType::kHttps:
      return std::make_unique<HttpDialogue>(http_);
    case CheckType::kBinary:
      return std::make_unique<BinaryDialogue>(request_, pattern_,
                                              match_length_);
    case CheckType::kLdap:
      return std::make_unique<LdapDialogue>();
    case CheckType::kRdp:
      return std::make_unique<RdpDialogue>();
    default:
      return std::make_unique<GreetingDialogue>(GreeterOf(type_).value());
  }
}

}  // namespace ballast::health
