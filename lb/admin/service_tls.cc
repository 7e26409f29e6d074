// Clients' TLS of a service, as far as the API has it: certificates by name.
// Those that the configuration has otherwise, as text or file, are not shown,
// and go when others are named.
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lb/admin/option.h"
#include "lb/admin/service_getters.h"

namespace ballast::admin {

std::string GetCertificates(const ServiceView& view) {
  std::vector<absl::string_view> names;
  for (const auto& one : view.service.service->l7().tls().certificates()) {
    if (!one.name().empty()) names.push_back(one.name());
  }
  return absl::StrJoin(names, " ");
}

absl::Status SetCertificates(const Service& service, absl::string_view text) {
  if (!service.is_l7()) {
    return WrongValue("CertFile", text, "empty: the service is of layer 4");
  }
  auto& certificates =
      *service.service->mutable_l7()->mutable_tls()->mutable_certificates();
  certificates.Clear();
  for (const absl::string_view name :
       absl::StrSplit(text, absl::ByAnyChar(" ,"), absl::SkipEmpty())) {
    certificates.Add()->set_name(std::string(name));
  }
  return absl::OkStatus();
}

std::string GetSslAcceleration(const ServiceView& view) {
  return view.service.service->l7().has_tls() ? "1" : "";
}

// On it is by CertFile.
absl::Status SetSslAcceleration(const Service& service,
                                absl::string_view text) {
  const auto wanted = ReadFlag(text);
  if (!wanted) return WrongValue("SSLAcceleration", text, "Y or N");
  if (*wanted) {
    return WrongValue("SSLAcceleration", text,
                      "N without CertFile, the name of a certificate");
  }
  service.service->mutable_l7()->clear_tls();
  return absl::OkStatus();
}

}  // namespace ballast::admin
