#include "lb/config/default_check.h"

namespace ballast::config {

CheckType DefaultCheckType(Protocol protocol, uint16_t port,
                           bool terminates_tls, bool reencrypts) {
  if (protocol == Protocol::kUdp) {
    return port == 53 ? CheckType::kDns : CheckType::kIcmp;
  }
  switch (port) {
    case 0:
      return CheckType::kIcmp;
    case 21:
      return CheckType::kFtp;
    case 23:
      return CheckType::kTelnet;
    case 25:
      return CheckType::kSmtp;
    case 80:
      return reencrypts ? CheckType::kHttps : CheckType::kHttp;
    case 110:
      return CheckType::kPop3;
    case 119:
      return CheckType::kNntp;
    case 143:
      return CheckType::kImap;
    case 389:
    case 636:
      return CheckType::kLdap;
    case 443:
      return terminates_tls && !reencrypts ? CheckType::kHttp
                                           : CheckType::kHttps;
    default:
      return CheckType::kTcp;
  }
}

}  // namespace ballast::config
