// Unit: connections shared with a conntrackd.
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/run/unit.h"

namespace ballast::run {

absl::Status Unit::OpenConnectionSync(const config::Model& model) {
  if (!model.connection_sync.has_value()) return absl::OkStatus();
  auto link =
      ConntrackLink::Open(*reactor_, *model.connection_sync, *table_, log_);
  if (!link.ok()) {
    return absl::Status(
        link.status().code(),
        absl::StrCat("connection_sync: ", link.status().message()));
  }
  connection_sync_ = *std::move(link);
  if (active_) connection_sync_->Lead();
  return absl::OkStatus();
}

void Unit::CloseConnectionSync() {
  if (connection_sync_ == nullptr) return;
  connection_sync_->Follow();
  connection_sync_.reset();
}

absl::Status Unit::ApplyConnectionSync(const config::Model& model) {
  if (model.connection_sync == model_->connection_sync) return absl::OkStatus();
  CloseConnectionSync();
  const absl::Status status = OpenConnectionSync(model);
  if (status.ok()) return status;
  if (const absl::Status again = OpenConnectionSync(*model_); !again.ok()) {
    log_({LogLevel::kError, "connection_sync_lost",
          std::string(again.message())});
  }
  return status;
}

}  // namespace ballast::run
