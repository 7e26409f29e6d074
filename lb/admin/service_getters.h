// The fields of a service that are not simply a field of ballast.proto: what
// service_fields.cc's table calls by name.
#ifndef LB_ADMIN_SERVICE_GETTERS_H_
#define LB_ADMIN_SERVICE_GETTERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lb/admin/directory.h"
#include "lb/admin/service_fields.h"

namespace ballast::admin {

std::string GetStatus(const ServiceView& view);
std::string GetIndex(const ServiceView& view);
std::string GetAddress(const ServiceView& view);
std::string GetPort(const ServiceView& view);
std::string GetLayer(const ServiceView& view);
std::string GetEnable(const ServiceView& view);
std::string GetTransparent(const ServiceView& view);
std::string GetIsTransparent(const ServiceView& view);
std::string GetIdleTime(const ServiceView& view);
std::string GetForceL4(const ServiceView& view);
std::string GetForceL7(const ServiceView& view);
std::string GetType(const ServiceView& view);
std::string GetProtocol(const ServiceView& view);
std::string GetPersist(const ServiceView& view);
std::string GetPersistTimeout(const ServiceView& view);
std::string GetCookie(const ServiceView& view);
std::string GetQueryTag(const ServiceView& view);
std::string GetRefreshPersist(const ServiceView& view);
std::string GetMasterVs(const ServiceView& view);
std::string GetMasterVsId(const ServiceView& view);
std::string GetQos(const ServiceView& view);
std::string GetAddVia(const ServiceView& view);
std::string GetServerCount(const ServiceView& view);
std::string GetExtraPorts(const ServiceView& view);
std::string GetSorryAddress(const ServiceView& view);
std::string GetSorryPort(const ServiceView& view);

absl::Status SetAddress(const Service& service, absl::string_view text);
absl::Status SetPort(const Service& service, absl::string_view text);
absl::Status SetEnable(const Service& service, absl::string_view text);
absl::Status SetIdleTime(const Service& service, absl::string_view text);
absl::Status SetForceL4(const Service& service, absl::string_view text);
absl::Status SetForceL7(const Service& service, absl::string_view text);
absl::Status SetType(const Service& service, absl::string_view text);
absl::Status SetQos(const Service& service, absl::string_view text);
absl::Status SetErrorCode(const Service& service, absl::string_view text);
absl::Status SetAddVia(const Service& service, absl::string_view text);
absl::Status SetSorryAddress(const Service& service, absl::string_view text);
absl::Status SetSorryPort(const Service& service, absl::string_view text);

// service_health.cc (5.3): the type of check in force; how many servers must be
// up, and whether that is said at all.
std::string GetCheckType(const ServiceView& view);
std::string GetServersMin(const ServiceView& view);
std::string GetEnhancedChecks(const ServiceView& view);
absl::Status SetCheckType(const Service& service, absl::string_view text);
absl::Status SetServersMin(const Service& service, absl::string_view text);
absl::Status SetEnhancedChecks(const Service& service, absl::string_view text);

// service_adaptive.cc (4.10).
std::string GetAdaptive(const ServiceView& view);
std::string GetAdaptivePort(const ServiceView& view);
std::string GetAdaptiveInterval(const ServiceView& view);
std::string GetAdaptiveMinPercent(const ServiceView& view);
absl::Status IgnoreAdaptive(const Service& service, absl::string_view text);
absl::Status SetAdaptivePort(const Service& service, absl::string_view text);
absl::Status SetAdaptiveInterval(const Service& service,
                                 absl::string_view text);
absl::Status SetAdaptiveMinPercent(const Service& service,
                                   absl::string_view text);

// service_tls.cc: names of certificates; whether clients speak TLS.
std::string GetCertificates(const ServiceView& view);
std::string GetSslAcceleration(const ServiceView& view);
absl::Status SetCertificates(const Service& service, absl::string_view text);
absl::Status SetSslAcceleration(const Service& service, absl::string_view text);

// Persist, PersistTimeout, Cookie, QueryTag and RefreshPersist together
// (4.5, 4.6).
absl::Status SetPersistence(const Parameters& parameters,
                            const Service& service);

}  // namespace ballast::admin

#endif  // LB_ADMIN_SERVICE_GETTERS_H_
