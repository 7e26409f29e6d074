#include "lb/admin/v1.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lb/admin/certificates.h"
#include "lb/admin/v1.pb.h"
#include "lb/admin/v1_certificates.h"
#include "lb/admin/v1_find.h"
#include "lb/admin/v1_inspect.h"
#include "lb/admin/v1_status.h"

namespace ballast::admin {
namespace {

using config::proto::User;

constexpr uint32_t kWeightMax = 65535;

std::string JsonOf(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

// For what the backend refused.
V1Reply ReplyOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return {200, "{}"};
    case absl::StatusCode::kInvalidArgument:
      return V1Error(422, status.message());
    case absl::StatusCode::kNotFound:
      return V1Error(404, status.message());
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return V1Error(409, status.message());
    case absl::StatusCode::kUnavailable:
      return V1Error(503, status.message());
    default:
      return V1Error(500, status.message());
  }
}

proto::Role RoleOf(User::Role role) {
  switch (role) {
    case User::ADMIN:
      return proto::ADMIN;
    case User::OPERATOR:
      return proto::OPERATOR;
    default:
      return proto::VIEWER;
  }
}

V1Reply ShowStatus(absl::Time now, const V1Request& request, Backend* backend) {
  proto::Status status =
      StatusOf(now, backend->configuration(), backend->GetStatistics());
  status.set_user(request.author.user);
  status.set_role(RoleOf(request.role));
  return {200, JsonOf(status)};
}

V1Reply ShowHistory(absl::Time, const V1Request&, Backend* backend) {
  return {200, JsonOf(HistoryOf(backend->History()))};
}

// A body that is no JSON of `message`, or has a field that it has not.
// ASCII: all that an order names is.
absl::Status Read(absl::string_view body, google::protobuf::Message* message) {
  if (!std::all_of(body.begin(), body.end(),
                   [](unsigned char c) { return absl::ascii_isascii(c); })) {
    return absl::InvalidArgumentError("body: must be ASCII");
  }
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(body.data(), body.size()), message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "body: ",
      absl::string_view(status.message().data(), status.message().size())));
}

V1Reply OrderServer(absl::Time, const V1Request& request, Backend* backend) {
  proto::ServerOrder order;
  if (const absl::Status read = Read(request.body, &order); !read.ok()) {
    return V1Error(400, read.message());
  }
  config::proto::Config next = backend->configuration();
  const auto server = FindServer(order, &next);
  if (!server.ok()) return ReplyOf(server.status());
  std::string what;
  if (order.state() == "enable" && IsDisabledEverywhere(**server, next)) {
    return V1Error(409, absl::StrCat("server: ", order.server(),
                                     " is disabled in every service, by "
                                     "disabled_servers"));
  }
  if (order.state() == "enable") {
    (*server)->set_state(config::proto::ENABLED);
  } else if (order.state() == "disable") {
    (*server)->set_state(config::proto::DISABLED);
  } else if (order.state() == "drain") {
    (*server)->set_state(config::proto::DRAINING);
  } else if (!order.state().empty()) {
    return V1Error(400,
                   "state: must be \"enable\", \"disable\" or \"drain\", or "
                   "not there");
  }
  what = order.state();
  if (order.has_weight()) {
    if (order.weight() > kWeightMax) {
      return V1Error(400, absl::StrCat("weight: ", order.weight(),
                                       ", must be 0 to ", kWeightMax));
    }
    (*server)->set_weight(order.weight());
    absl::StrAppend(&what, what.empty() ? "" : ", ", "weight ", order.weight());
  }
  if (what.empty()) return V1Error(400, "neither state nor weight is there");
  absl::StrAppend(&what, ": server ", order.server(), " of ", order.service());
  if (!order.sub_service().empty()) {
    absl::StrAppend(&what, ", ", order.sub_service());
  }
  return ReplyOf(backend->Change(std::move(next), what, request.author));
}

// A question, and what `answer` knows.
template <typename Order, typename Answer>
V1Reply Ask(const V1Request& request, Backend* backend,
            absl::StatusOr<Answer> (*answer)(const Order&, Backend*)) {
  Order order;
  absl::Status status = Read(request.body, &order);
  if (status.ok()) {
    const absl::StatusOr<Answer> known = answer(order, backend);
    if (known.ok()) return {200, JsonOf(*known)};
    status = known.status();
  }
  if (absl::IsInvalidArgument(status)) return V1Error(400, status.message());
  return ReplyOf(status);
}

V1Reply ShowConnections(absl::Time, const V1Request& request,
                        Backend* backend) {
  return Ask(request, backend, &ListConnections);
}

V1Reply ShowExplanation(absl::Time, const V1Request& request,
                        Backend* backend) {
  return Ask(request, backend, &Explain);
}

V1Reply ShowCertificates(absl::Time now, const V1Request&, Backend* backend) {
  return {200, JsonOf(CertificatesOf(now, backend->configuration()))};
}

V1Reply UploadCertificate(absl::Time, const V1Request& request,
                          Backend* backend) {
  proto::CertificateUpload upload;
  if (const absl::Status read = Read(request.body, &upload); !read.ok()) {
    return V1Error(400, read.message());
  }
  config::proto::Config next = backend->configuration();
  const absl::Status put =
      PutCertificate(upload.name(), upload.pem(), upload.replace(), &next);
  if (!put.ok()) return ReplyOf(put);
  return ReplyOf(backend->Change(std::move(next),
                                 absl::StrCat("certificate ", upload.name()),
                                 request.author));
}

V1Reply RemoveCertificate(absl::Time, const V1Request& request,
                          Backend* backend) {
  proto::CertificateName order;
  if (const absl::Status read = Read(request.body, &order); !read.ok()) {
    return V1Error(400, read.message());
  }
  config::proto::Config next = backend->configuration();
  const absl::Status deleted = DeleteCertificate(order.name(), &next);
  if (!deleted.ok()) return ReplyOf(deleted);
  return ReplyOf(backend->Change(
      std::move(next), absl::StrCat("delete certificate ", order.name()),
      request.author));
}

V1Reply ShowPersistence(absl::Time, const V1Request& request,
                        Backend* backend) {
  return Ask(request, backend, &ListPersistence);
}

V1Reply DropPersistence(absl::Time, const V1Request& request,
                        Backend* backend) {
  proto::PersistenceQuery query;
  absl::Status status = Read(request.body, &query);
  if (status.ok()) {
    const auto taken = DeletePersistence(query, request.author, backend);
    if (taken.ok()) return {200, JsonOf(*taken)};
    status = taken.status();
  }
  if (absl::IsInvalidArgument(status)) return V1Error(400, status.message());
  return ReplyOf(status);
}

V1Reply Switchover(absl::Time, const V1Request& request, Backend* backend) {
  proto::Nothing nothing;
  if (const absl::Status read = Read(request.body, &nothing); !read.ok()) {
    return V1Error(400, read.message());
  }
  return ReplyOf(backend->Switchover(request.author));
}

V1Reply ForceUpdate(absl::Time, const V1Request& request, Backend* backend) {
  proto::Nothing nothing;
  if (const absl::Status read = Read(request.body, &nothing); !read.ok()) {
    return V1Error(400, read.message());
  }
  return ReplyOf(backend->ForceUpdate(request.author));
}

struct Route {
  absl::string_view path;
  bool post;
  User::Role role;  // At least.
  V1Reply (*answer)(absl::Time now, const V1Request& request, Backend* backend);
  size_t body_max = kV1BodyMax;
};

constexpr Route kRoutes[] = {
    {"/v1/status", false, User::VIEWER, &ShowStatus},
    {"/v1/history", false, User::VIEWER, &ShowHistory},
    {"/v1/connections", true, User::VIEWER, &ShowConnections},
    {"/v1/explain", true, User::VIEWER, &ShowExplanation},
    {"/v1/persistence", true, User::VIEWER, &ShowPersistence},
    {"/v1/persistence/delete", true, User::OPERATOR, &DropPersistence},
    {"/v1/server", true, User::OPERATOR, &OrderServer},
    {"/v1/certificates", false, User::VIEWER, &ShowCertificates},
    {"/v1/certificates", true, User::ADMIN, &UploadCertificate,
     kV1CertificateMax},
    {"/v1/delete-certificate", true, User::ADMIN, &RemoveCertificate},
    {"/v1/switchover", true, User::ADMIN, &Switchover},
    {"/v1/force-update", true, User::ADMIN, &ForceUpdate},
};

// Browsers ask the other site first before they send these for a page of
// another one, and are not answered.
bool IsOwnPages(const V1Request& request) {
  const absl::string_view type = absl::StripAsciiWhitespace(
      request.content_type.substr(0, request.content_type.find(';')));
  return absl::EqualsIgnoreCase(type, "application/json") &&
         request.ballast_request == "1" &&
         (request.fetch_site.empty() || request.fetch_site == "same-origin" ||
          request.fetch_site == "none");
}

}  // namespace

V1Reply V1Error(uint16_t status, absl::string_view text) {
  proto::Error error;
  error.set_error(std::string(text));
  // A message is UTF-8, and what it quotes may be anything.
  for (char& c : *error.mutable_error()) {
    if (!absl::ascii_isascii(static_cast<unsigned char>(c))) c = '?';
  }
  return {status, JsonOf(error)};
}

V1Reply AnswerV1(absl::Time now, const V1Request& request, Backend* backend) {
  const auto is_path = [&](const Route& one) {
    return one.path == request.path;
  };
  const auto* const path =
      std::find_if(std::begin(kRoutes), std::end(kRoutes), is_path);
  if (path == std::end(kRoutes)) return V1Error(404, "no such path");
  const auto* const route =
      std::find_if(path, std::end(kRoutes), [&](const Route& one) {
        return is_path(one) && one.post == request.post;
      });
  if (route == std::end(kRoutes)) {
    return V1Error(405, path->post ? "must be POST" : "must be GET");
  }
  if (request.post && !IsOwnPages(request)) {
    return V1Error(403,
                   "must have Content-Type: application/json and "
                   "X-Ballast-Request: 1, and come from no other site");
  }
  if (request.role < route->role) {
    return V1Error(
        403, absl::StrCat("needs role ", User::Role_Name(route->role), ", not ",
                          User::Role_Name(request.role)));
  }
  if (request.body.size() > route->body_max) {
    return V1Error(413, absl::StrCat("body: ", request.body.size(),
                                     " bytes, at most ", route->body_max));
  }
  return route->answer(now, request, backend);
}

}  // namespace ballast::admin
