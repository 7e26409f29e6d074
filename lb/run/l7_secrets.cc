#include "lb/run/l7_secrets.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/file.h"

namespace ballast::run {
namespace {

std::string PathOf(const config::Model& model) {
  return absl::StrCat(model.state_dir, "/l7_secret");
}

}  // namespace

absl::StatusOr<config::L7Secret> ReadL7Secret(const config::Model& model) {
  config::L7Secret secret;
  if (!model.state_dir.empty()) {
    const auto bytes = ReadFile(PathOf(model), 4096);
    if (bytes.ok()) {
      if (bytes->size() != secret.size()) {
        return absl::DataLossError(
            absl::StrCat(PathOf(model), ": ", bytes->size(), " bytes, must be ",
                         secret.size(), "; remove it to have a new one made"));
      }
      std::copy(bytes->begin(), bytes->end(), secret.begin());
      return secret;
    }
    if (!absl::IsNotFound(bytes.status())) return bytes.status();
  }
  FillRandom(secret);
  BALLAST_RETURN_IF_ERROR(KeepL7Secret(model, secret));
  return secret;
}

absl::Status KeepL7Secret(const config::Model& model,
                          const config::L7Secret& secret) {
  if (model.state_dir.empty()) return absl::OkStatus();
  BALLAST_RETURN_IF_ERROR(MakeFolder(model.state_dir));
  return WriteFileAtomically(PathOf(model), secret);
}

}  // namespace ballast::run
