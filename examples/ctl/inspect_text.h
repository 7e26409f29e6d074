// Connections and explanations of v1.proto as text for people. Pure.
#ifndef EXAMPLES_CTL_INSPECT_TEXT_H_
#define EXAMPLES_CTL_INSPECT_TEXT_H_

#include <string>

#include "lb/admin/v1.pb.h"

namespace ballast::ctl {

std::string ConnectionsText(const admin::proto::Connections& connections);
std::string PersistenceText(const admin::proto::PersistenceEntries& entries);
std::string ExplanationText(const admin::proto::Explanation& explanation);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_INSPECT_TEXT_H_
