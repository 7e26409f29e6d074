// What every command of the API is given, and the commands themselves; api.cc
// has the table of them.
//
// Errors   of a command, by code: kOutOfRange a parameter is missing (HTTP
//          400), kPermissionDenied (403), kUnimplemented no such command (405),
//          all else 422 as the vendor has it, whoever is at fault.
#ifndef LB_ADMIN_COMMAND_H_
#define LB_ADMIN_COMMAND_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/admin/authenticator.h"
#include "lb/admin/backend.h"
#include "lb/admin/directory.h"
#include "lb/admin/document.h"
#include "lb/admin/request.h"
#include "lb/statistics.h"

namespace ballast::admin {

// One call: who asks what.
struct Call {
  std::string command;  // As it was spelled.
  const Parameters& parameters;
  Identity who;
  std::string from;  // The peer's address.
  absl::Time now;
};

Author AuthorOf(const Call& call);

struct ApiOptions {
  absl::Time start;                                // Of the process.
  std::function<void(std::span<uint8_t>)> random;  // For API keys.
};

class Context {
 public:
  Context(Backend& backend, const Call& call, const ApiOptions& options);

  const Parameters& parameters() const { return call_.parameters; }
  const Call& call() const { return call_; }
  const ApiOptions& options() const { return options_; }
  Backend& backend() { return backend_; }

  // The configuration in force, with a number for everything; the command's
  // own to change.
  config::proto::Config& config() { return config_; }
  // Has config() accepted, unless that changes nothing; then it is the one in
  // force.
  absl::Status Commit();
  const Statistics& statistics();

 private:
  Backend& backend_;
  const Call& call_;
  const ApiOptions& options_;
  config::proto::Config config_;
  std::string before_;  // config_ as it was.
  bool has_statistics_ = false;
  Statistics statistics_;
};

using CommandFunction = absl::StatusOr<Document> (*)(Context& context);

// unit_commands.cc
absl::StatusOr<Document> GetCommand(Context& context);
absl::StatusOr<Document> SetCommand(Context& context);
absl::StatusOr<Document> GetAllCommand(Context& context);
absl::StatusOr<Document> ShowHealthCommand(Context& context);
absl::StatusOr<Document> ModifyHealthCommand(Context& context);
absl::StatusOr<Document> ShowAdaptiveCommand(Context& context);
absl::StatusOr<Document> ModifyAdaptiveCommand(Context& context);
absl::StatusOr<Document> ShowInterfaceCommand(Context& context);
absl::StatusOr<Document> ModifyInterfaceCommand(Context& context);
absl::StatusOr<Document> RebootCommand(Context& context);

// key_commands.cc
absl::StatusOr<Document> AddKeyCommand(Context& context);
absl::StatusOr<Document> ListKeysCommand(Context& context);
absl::StatusOr<Document> DeleteKeyCommand(Context& context);

// certificate_commands.cc
absl::StatusOr<Document> AddCertificateCommand(Context& context);
absl::StatusOr<Document> DeleteCertificateCommand(Context& context);
absl::StatusOr<Document> ListCertificatesCommand(Context& context);
absl::StatusOr<Document> ReadCertificateCommand(Context& context);

// service_commands.cc
absl::StatusOr<Document> AddServiceCommand(Context& context);
absl::StatusOr<Document> ModifyServiceCommand(Context& context);
absl::StatusOr<Document> ShowServiceCommand(Context& context);
absl::StatusOr<Document> DeleteServiceCommand(Context& context);
absl::StatusOr<Document> ListServicesCommand(Context& context);

// server_commands.cc
absl::StatusOr<Document> AddServerCommand(Context& context);
absl::StatusOr<Document> ModifyServerCommand(Context& context);
absl::StatusOr<Document> ShowServerCommand(Context& context);
absl::StatusOr<Document> DeleteServerCommand(Context& context);
absl::StatusOr<Document> EnableServersCommand(Context& context);
absl::StatusOr<Document> DisableServersCommand(Context& context);

// statistics_commands.cc
absl::StatusOr<Document> StatisticsCommand(Context& context);
absl::StatusOr<Document> TotalsCommand(Context& context);

}  // namespace ballast::admin

#endif  // LB_ADMIN_COMMAND_H_
