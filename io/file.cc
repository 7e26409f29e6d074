#include "io/file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

absl::Status Error(const char* what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> ReadFile(const std::string& path,
                                              size_t bytes_max) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error("cannot open", path);
  std::vector<uint8_t> bytes;
  size_t size = 0;
  for (;;) {
    bytes.resize(size + (size_t{64} << 10));
    const ssize_t got = read(fd.get(), &bytes[size], bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error("cannot read", path);
    size += static_cast<size_t>(got);
    if (size > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": more than ", bytes_max, " bytes"));
    }
    if (got == 0) break;
  }
  bytes.resize(size);
  return bytes;
}

absl::Status WriteFileAtomically(const std::string& path,
                                 std::span<const uint8_t> bytes) {
  const std::string temporary = absl::StrCat(path, ".new");
  UniqueFd fd(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error("cannot create", temporary);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(fd.get(), &bytes[done], bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Error("cannot write", temporary);
    done += static_cast<size_t>(wrote);
  }
  if (fsync(fd.get()) != 0) return Error("cannot sync", temporary);
  fd.Reset();
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return Error("cannot rename to", path);
  }
  const std::string folder = FolderOf(path);
  const UniqueFd dir(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid() || fsync(dir.get()) != 0) {
    return Error("cannot sync", folder);
  }
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return Error("cannot make folder", part);
    }
    if (slash == std::string::npos) return absl::OkStatus();
  }
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error("cannot remove", path);
  }
  return absl::OkStatus();
}

void FillRandom(std::span<uint8_t> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = getrandom(&bytes[done], bytes.size() - done, 0);
    BALLAST_CHECK(got > 0 || errno == EINTR);
    if (got > 0) done += static_cast<size_t>(got);
  }
}

}  // namespace ballast
