#include "lb/admin/api.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "lb/admin/option.h"

namespace ballast::admin {
namespace {

using config::proto::User;

constexpr auto kViewer = User::VIEWER;
constexpr auto kOperator = User::OPERATOR;
constexpr auto kAdmin = User::ADMIN;

struct Command {
  absl::string_view name;
  User::Role role;  // At least.
  CommandFunction run;
};

absl::StatusOr<Document> ListCommand(Context& context);

constexpr Command kCommands[] = {
    {"get", kViewer, GetCommand},
    {"set", kAdmin, SetCommand},
    {"getall", kViewer, GetAllCommand},
    {"listapi", kViewer, ListCommand},
    {"addvs", kAdmin, AddServiceCommand},
    {"modvs", kAdmin, ModifyServiceCommand},
    {"showvs", kViewer, ShowServiceCommand},
    {"delvs", kAdmin, DeleteServiceCommand},
    {"listvs", kViewer, ListServicesCommand},
    {"addrs", kAdmin, AddServerCommand},
    {"modrs", kOperator, ModifyServerCommand},
    {"showrs", kViewer, ShowServerCommand},
    {"delrs", kAdmin, DeleteServerCommand},
    {"enablers", kOperator, EnableServersCommand},
    {"disablers", kOperator, DisableServersCommand},
    {"stats", kViewer, StatisticsCommand},
    {"vstotals", kViewer, TotalsCommand},
    {"showhealth", kViewer, ShowHealthCommand},
    {"modhealth", kAdmin, ModifyHealthCommand},
    {"showadaptive", kViewer, ShowAdaptiveCommand},
    {"modadaptive", kAdmin, ModifyAdaptiveCommand},
    {"showiface", kViewer, ShowInterfaceCommand},
    {"modiface", kAdmin, ModifyInterfaceCommand},
    {"addapikey", kViewer, AddKeyCommand},
    {"listapikeys", kViewer, ListKeysCommand},
    {"delapikey", kViewer, DeleteKeyCommand},
    {"addcert", kAdmin, AddCertificateCommand},
    {"delcert", kAdmin, DeleteCertificateCommand},
    {"listcert", kViewer, ListCertificatesCommand},
    {"readcert", kViewer, ReadCertificateCommand},
    {"reboot", kAdmin, RebootCommand},
};

absl::StatusOr<Document> ListCommand(Context&) {
  Node list = Node::List("API");
  for (const Command& command : kCommands) {
    list.AddElement({Node::Text("Name", command.name)});
  }
  return Document::Of({std::move(list)});
}

uint16_t CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kUnimplemented:
      return 405;
    default:
      return 422;
  }
}

}  // namespace

Api::Api(Backend* backend, ApiOptions options)
    : backend_(backend), options_(std::move(options)) {}

bool Api::IsOpen(absl::string_view command,
                 const Parameters& parameters) const {
  if (backend_->configuration().management().enable_api()) return true;
  return absl::EqualsIgnoreCase(command, "set") &&
         absl::EqualsIgnoreCase(parameters.Get("param"), "enableapi");
}

absl::StatusOr<Document> Api::Find(const Call& call) {
  const auto* command = std::find_if(
      std::begin(kCommands), std::end(kCommands), [&](const Command& one) {
        return absl::EqualsIgnoreCase(one.name, call.command);
      });
  if (command == std::end(kCommands)) {
    return absl::UnimplementedError("Unknown command");
  }
  if (call.who.role < command->role) {
    return absl::PermissionDeniedError("Permission denied");
  }
  Context context(*backend_, call, options_);
  return command->run(context);
}

Reply Api::Run(Version version, const Call& call) {
  const absl::StatusOr<Document> document = Find(call);
  if (!document.ok()) {
    return Error(version, CodeOf(document.status()),
                 document.status().message());
  }
  if (version == Version::kV1) {
    return {.content_type = "text/xml", .body = XmlOf(*document)};
  }
  return {.content_type = "application/json", .body = JsonOf(*document)};
}

Reply Api::Error(Version version, uint16_t code, absl::string_view text) {
  if (version == Version::kV1) {
    return {.status = code,
            .content_type = "text/xml",
            .body = XmlOfError(code, text)};
  }
  return {.status = code,
          .content_type = "application/json",
          .body = JsonOfError(code, text)};
}

}  // namespace ballast::admin
