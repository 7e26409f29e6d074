// Kernel settings under /proc/sys, of the calling thread's network namespace
// where the name begins with net/: WriteSysctl("net/ipv4/ip_forward", "1").
//
// Errors  the file's name and errno text; kNotFound when there is no such
//         setting (an interface's go with it), kPermissionDenied where /proc is
//         read-only to us.
#ifndef IO_SYSCTL_H_
#define IO_SYSCTL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast {

absl::Status WriteSysctl(absl::string_view name, absl::string_view value);

// The value without its closing newline.
absl::StatusOr<std::string> ReadSysctl(absl::string_view name);

}  // namespace ballast

#endif  // IO_SYSCTL_H_
