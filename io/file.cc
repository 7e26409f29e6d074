#include "io/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

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

absl::Status SyncFolderOf(const std::string& path) {
  const std::string folder = FolderOf(path);
  const UniqueFd dir(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid() || fsync(dir.get()) != 0) {
    return Error("cannot sync", folder);
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, const std::string& path,
                      std::span<const uint8_t> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(fd, &bytes[done], bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Error("cannot write", path);
    done += static_cast<size_t>(wrote);
  }
  return absl::OkStatus();
}

// At most `bytes_max` from `offset` on.
absl::StatusOr<std::vector<uint8_t>> ReadPart(int fd, const std::string& path,
                                              off_t offset, size_t bytes_max) {
  std::vector<uint8_t> bytes(bytes_max);
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = pread(fd, &bytes[size], bytes.size() - size,
                              offset + static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error("cannot read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  bytes.resize(size);
  return bytes;
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

absl::StatusOr<std::vector<uint8_t>> ReadFileStart(const std::string& path,
                                                   size_t bytes_max) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error("cannot open", path);
  return ReadPart(fd.get(), path, 0, bytes_max);
}

absl::StatusOr<std::vector<uint8_t>> ReadFileEnd(const std::string& path,
                                                 size_t bytes_max) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error("cannot open", path);
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return Error("cannot read", path);
  const auto wanted = static_cast<off_t>(bytes_max);
  return ReadPart(fd.get(), path, size > wanted ? size - wanted : 0, bytes_max);
}

absl::StatusOr<uint64_t> FileSize(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return Error("cannot read", path);
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<Space> SpaceOf(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return Error("cannot look at", path);
  return Space{.total = uint64_t{info.f_blocks} * info.f_frsize,
               .free = uint64_t{info.f_bavail} * info.f_frsize};
}

absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()),
                                                   closedir);
  if (folder == nullptr) return Error("cannot read folder", path);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return Error("cannot read folder", path);
  return names;
}

absl::Status WriteFileAtomically(const std::string& path,
                                 std::span<const uint8_t> bytes) {
  const std::string temporary = absl::StrCat(path, ".new");
  UniqueFd fd(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error("cannot create", temporary);
  absl::Status status = WriteAll(fd.get(), temporary, bytes);
  if (status.ok() && fsync(fd.get()) != 0) {
    status = Error("cannot sync", temporary);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());  // A full disk has use for its room.
    return status;
  }
  fd.Reset();
  return RenameFile(temporary, path);
}

absl::Status AppendToFile(const std::string& path,
                          std::span<const uint8_t> bytes) {
  const UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error("cannot open", path);
  return WriteAll(fd.get(), path, bytes);
}

absl::Status RenameFile(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return Error("cannot rename to", to);
  }
  return SyncFolderOf(to);
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
