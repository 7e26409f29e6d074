#include "lb/run/l7_secrets.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/file.h"

namespace ballast::run {

absl::StatusOr<std::vector<config::L7Secret>> ReadL7Secrets(
    const config::Model& model) {
  if (!model.l7.secrets.empty()) return model.l7.secrets;
  std::vector<config::L7Secret> secrets(1);
  FillRandom(secrets[0]);
  if (model.state_dir.empty()) return secrets;
  BALLAST_RETURN_IF_ERROR(MakeFolder(model.state_dir));
  const std::string path = absl::StrCat(model.state_dir, "/l7_secret");
  const auto bytes = ReadFile(path, 4096);
  if (absl::IsNotFound(bytes.status())) {
    BALLAST_RETURN_IF_ERROR(WriteFileAtomically(path, secrets[0]));
    return secrets;
  }
  BALLAST_RETURN_IF_ERROR(bytes.status());
  if (bytes->size() != secrets[0].size()) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", bytes->size(), " bytes, must be ",
                     secrets[0].size(), "; remove it to have a new one made"));
  }
  std::copy(bytes->begin(), bytes->end(), secrets[0].begin());
  return secrets;
}

}  // namespace ballast::run
