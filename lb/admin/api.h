// The LoadMaster's REST API: a command by its name, in v1 (/access/COMMAND,
// XML) and v2 (/accessv2, JSON). Pure: what it changes is a Backend's.
//
// Until it is switched on (management.enable_api) every command is answered
// 404, but for `set param=enableapi value=yes`.
//
// Errors  command.h; the texts of LoadMaster behaviour 7.3.
// Cost    a copy of the configuration a call.
// Threads the backend's.
#ifndef LB_ADMIN_API_H_
#define LB_ADMIN_API_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/admin/backend.h"
#include "lb/admin/command.h"
#include "lb/admin/document.h"
#include "lb/admin/request.h"

namespace ballast::admin {

enum class Version : uint8_t { kV1, kV2 };

class Api {
 public:
  Api(Backend* backend, ApiOptions options);

  // Whether anybody may call this now, who shows who he is.
  bool IsOpen(absl::string_view command, const Parameters& parameters) const;

  Reply Run(Version version, const Call& call);

  static Reply Error(Version version, uint16_t code, absl::string_view text);

 private:
  absl::StatusOr<Document> Find(const Call& call);

  Backend* const backend_;
  const ApiOptions options_;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_API_H_
