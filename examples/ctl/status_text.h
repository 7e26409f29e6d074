// The unit's status (lb/admin/v1.proto) as text for people. Pure.
#ifndef EXAMPLES_CTL_STATUS_TEXT_H_
#define EXAMPLES_CTL_STATUS_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {

// What all services do together.
admin::proto::Traffic SumOf(const admin::proto::Status& status);

// Of a real server: "enabled", "draining", ...; of another its kind.
std::string StateOf(const admin::proto::Server& server);

// The unit in some lines: what is up, rates, drops by reason.
std::string UnitText(const admin::proto::Status& status);

// A line for each service.
std::string ServicesText(const admin::proto::Status& status);

// A line for each server under its service; of `only`, a Service.id, if that is
// not empty.
std::string ServersText(const admin::proto::Status& status,
                        absl::string_view only);

// A line for each configuration that is kept.
std::string HistoryText(const admin::proto::History& history);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_STATUS_TEXT_H_
