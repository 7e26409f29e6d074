// ballast.proto to text, as ParseConfig() (load.h) reads it: for writing a
// configuration that was changed by other means than an editor to its file.
//
// Parsing the text gives the same configuration back. What a file had besides,
// comments and the order of its fields, is lost: say so in `comment`.
// Fields that only a later version knows are left out.
//
// Cost     linear.
// Threads  a pure function.
#ifndef LB_CONFIG_FORMAT_H_
#define LB_CONFIG_FORMAT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::config {

// `comment`: any text; each of its lines becomes one of a comment at the top.
// The text holds the configuration's secrets: keep it from other users.
std::string FormatConfig(const proto::Config& config,
                         absl::string_view comment = "");

}  // namespace ballast::config

#endif  // LB_CONFIG_FORMAT_H_
