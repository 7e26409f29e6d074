#include "lb/admin/v1_certificates.h"

#include <string>

#include "lb/admin/certificates.h"
#include "lb/tls/certificate_info.h"

namespace ballast::admin {
namespace {

std::string TimeText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

}  // namespace

proto::Certificates CertificatesOf(absl::Time now,
                                   const config::proto::Config& config) {
  proto::Certificates all;
  for (const auto& from : config.certificates()) {
    proto::Certificate& to = *all.add_certificates();
    to.set_name(from.name());
    for (std::string& service : ServicesOf(from.name(), config)) {
      to.add_services(std::move(service));
    }
    const auto info = tls::DescribeCertificate(from.chain());
    if (!info.ok()) continue;
    to.set_subject(info->subject);
    to.set_issuer(info->issuer);
    for (const std::string& name : info->names) to.add_host_names(name);
    to.set_key_type(info->key_type);
    to.set_not_before(TimeText(info->not_before));
    to.set_not_after(TimeText(info->not_after));
    to.set_expired(now >= info->not_after);
    to.set_sha256(info->sha256);
  }
  return all;
}

}  // namespace ballast::admin
