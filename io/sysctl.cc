#include "io/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "io/unique_fd.h"

namespace ballast {

absl::Status WriteSysctl(absl::string_view name, absl::string_view value) {
  const std::string path = absl::StrCat("/proc/sys/", name);
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "open " + path);
  const ssize_t n = write(fd.get(), value.data(), value.size());
  if (n == static_cast<ssize_t>(value.size())) return absl::OkStatus();
  return absl::ErrnoToStatus(n < 0 ? errno : EIO,
                             absl::StrCat("write '", value, "' to ", path));
}

absl::StatusOr<std::string> ReadSysctl(absl::string_view name) {
  const std::string path = absl::StrCat("/proc/sys/", name);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "open " + path);
  char text[256];
  const ssize_t n = read(fd.get(), text, sizeof(text));
  if (n < 0) return absl::ErrnoToStatus(errno, "read " + path);
  return std::string(
      absl::StripSuffix(absl::string_view(text, static_cast<size_t>(n)), "\n"));
}

}  // namespace ballast
