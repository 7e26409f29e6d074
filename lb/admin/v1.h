// The unit's own API (v1.proto): a request of a known user in, a reply out.
//
// Errors   400 no JSON of the order's message, a field that is unknown, or a
//              value out of its range
//          403 not this role's, or a POST that a page of another site could
//              have made
//          404 no such path, service or server
//          405 not this path's method
//          409 not on this unit, not without a restart, or not while a service
//              names it
//          413 a body above kV1BodyMax, with a certificate kV1CertificateMax
//          422 not a valid configuration
//          503 the disk did not take it
//          each with {"error": "..."}
// Threads  the backend's.
#ifndef LB_ADMIN_V1_H_
#define LB_ADMIN_V1_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/admin/backend.h"
#include "lb/config/ballast.pb.h"

namespace ballast::admin {

struct V1Request {
  bool post = false;       // Else GET.
  absl::string_view path;  // "/v1/status"
  absl::string_view body;
  absl::string_view content_type;
  absl::string_view ballast_request;  // X-Ballast-Request.
  absl::string_view fetch_site;       // Sec-Fetch-Site; empty: no browser.
  config::proto::User::Role role = config::proto::User::VIEWER;
  Author author;
};

struct V1Reply {
  uint16_t status = 200;
  std::string json;
};

inline constexpr size_t kV1BodyMax = 4096;
inline constexpr size_t kV1CertificateMax = size_t{128} << 10;

// {"error": text}.
V1Reply V1Error(uint16_t status, absl::string_view text);

V1Reply AnswerV1(absl::Time now, const V1Request& request, Backend* backend);

}  // namespace ballast::admin

#endif  // LB_ADMIN_V1_H_
