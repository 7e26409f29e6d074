// What `get` and `set` know: options of the unit, each a row of one table.
//
// Source  LoadMaster behaviour, 7.5; the defaults are ballast.proto's.
#ifndef LB_ADMIN_UNIT_PARAMETERS_H_
#define LB_ADMIN_UNIT_PARAMETERS_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/admin/document.h"
#include "lb/admin/option.h"
#include "lb/config/ballast.pb.h"
#include "lb/statistics.h"

namespace ballast::admin {

// What parameters are read from.
struct UnitView {
  const config::proto::Config& config;
  const PairStatistics& pair;
  absl::Time start;  // Of the process.
  absl::Time now;
};

struct UnitParameter {
  Option option;  // Of Config.
  As as = As::kText;
  // In place of the option's path; null: as it says.
  std::string (*get)(const UnitView& unit) = nullptr;
  absl::Status (*set)(config::proto::Config* config, const Option& option,
                      absl::string_view text) = nullptr;
  absl::string_view alias = {};  // An older name of it.
  bool read_only = false;
};

std::span<const UnitParameter> UnitParameters();
// Null: unknown. Letter case does not matter.
const UnitParameter* FindUnitParameter(absl::string_view name);

// By `name`, however it was spelled.
Node ShowUnitParameter(const UnitParameter& parameter, absl::string_view name,
                       const UnitView& unit);
absl::Status SetUnitParameter(const UnitParameter& parameter,
                              config::proto::Config* config,
                              absl::string_view text);

}  // namespace ballast::admin

#endif  // LB_ADMIN_UNIT_PARAMETERS_H_
