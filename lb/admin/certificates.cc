#include "lb/admin/certificates.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "io/base/status_macros.h"
#include "lb/admin/v1_find.h"
#include "lb/tls/certificate_info.h"

namespace ballast::admin {

using config::proto::Config;
using config::proto::NamedCertificate;

namespace {

constexpr size_t kNameMax = 127;

}  // namespace

absl::Status PutCertificate(absl::string_view name, absl::string_view pem,
                            bool replace, Config* config) {
  if (name.empty() || name.size() > kNameMax) {
    return absl::InvalidArgumentError(absl::StrCat("a name of ", name.size(),
                                                   " characters, must be 1 to ",
                                                   size_t{kNameMax}));
  }
  auto& all = *config->mutable_certificates();
  auto found = std::find_if(
      all.begin(), all.end(),
      [&](const NamedCertificate& one) { return one.name() == name; });
  if (found != all.end() && !replace) {
    return absl::AlreadyExistsError("a certificate of that name is there");
  }
  BALLAST_ASSIGN_OR_RETURN(tls::Certificate certificate, tls::SplitPem(pem));
  BALLAST_RETURN_IF_ERROR(tls::CheckCertificate(certificate));
  NamedCertificate& kept = found != all.end() ? *found : *all.Add();
  kept.set_name(std::string(name));
  kept.set_chain(std::move(certificate.chain));
  kept.set_key(std::move(certificate.key));
  return absl::OkStatus();
}

absl::StatusOr<const NamedCertificate*> FindCertificate(absl::string_view name,
                                                        const Config& config) {
  for (const NamedCertificate& one : config.certificates()) {
    if (one.name() == name) return &one;
  }
  return absl::NotFoundError("Unknown certificate");
}

absl::Status DeleteCertificate(absl::string_view name, Config* config) {
  BALLAST_RETURN_IF_ERROR(FindCertificate(name, *config).status());
  if (const auto services = ServicesOf(name, *config); !services.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the certificate is in use: ", absl::StrJoin(services, ", ")));
  }
  auto& all = *config->mutable_certificates();
  all.erase(std::find_if(
      all.begin(), all.end(),
      [&](const NamedCertificate& one) { return one.name() == name; }));
  return absl::OkStatus();
}

std::vector<std::string> ServicesOf(absl::string_view name,
                                    const Config& config) {
  std::vector<std::string> services;
  for (const auto& service : config.virtual_services()) {
    const auto& certificates = service.l7().tls().certificates();
    if (std::any_of(certificates.begin(), certificates.end(),
                    [&](const auto& one) { return one.name() == name; })) {
      services.push_back(ServiceNameOf(service));
    }
  }
  return services;
}

}  // namespace ballast::admin
