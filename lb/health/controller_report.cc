#include "lb/health/controller_report.h"

#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lb/health/controller_report.pb.h"

namespace ballast::health {

absl::StatusOr<ControllerLoads> ParseControllerReport(absl::string_view json) {
  proto::ControllerReport report;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &report,
      options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no report: ", std::string(status.message())));
  }
  ControllerLoads loads;
  for (const auto& server : report.servers()) {
    const auto address = Address::Parse(server.address());
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "no report: \"", server.address().substr(0, 60), "\" is no address"));
    }
    if (!server.has_load() || !std::isfinite(server.load()) ||
        server.load() < 0) {
      continue;
    }
    loads[*address] = server.load();
  }
  return loads;
}

}  // namespace ballast::health
