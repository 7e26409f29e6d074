// Whole small files: read with a bound, written so that a reader (or the next
// process, after a crash at any step) finds the old or the new file, never half
// of one.
//
// Errors   absl::Status naming the path and the system's errno text.
#ifndef IO_FILE_H_
#define IO_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ballast {

//   kNotFound            no such file
//   kResourceExhausted   more than `bytes_max`
absl::StatusOr<std::vector<uint8_t>> ReadFile(const std::string& path,
                                              size_t bytes_max);

// The first bytes of a file, and its last ones: at most `bytes_max`.
absl::StatusOr<std::vector<uint8_t>> ReadFileStart(const std::string& path,
                                                   size_t bytes_max);
absl::StatusOr<std::vector<uint8_t>> ReadFileEnd(const std::string& path,
                                                 size_t bytes_max);
absl::StatusOr<uint64_t> FileSize(const std::string& path);

// Names of what is in the folder, in no order.
absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path);

// Writes a temporary file beside it (mode 0600), syncs it, renames it over
// `path` and syncs the folder.
absl::Status WriteFileAtomically(const std::string& path,
                                 std::span<const uint8_t> bytes);

// Adds `bytes` at the end of a file, which is made (mode 0600) if it is not
// there. Not synced: they outlive the process, and soon the machine. After a
// crash some of them may be there.
absl::Status AppendToFile(const std::string& path,
                          std::span<const uint8_t> bytes);

// In one folder, and syncs that; what was at `to` is gone.
absl::Status RenameFile(const std::string& from, const std::string& to);

// Of the file system that has `path`, in bytes. `free`: what a user without
// privileges may still have.
struct Space {
  uint64_t total = 0;
  uint64_t free = 0;
};
absl::StatusOr<Space> SpaceOf(const std::string& path);

// Makes the folder, and those above it, unless it is there.
absl::Status MakeFolder(const std::string& path);

// OK if there is no such file.
absl::Status RemoveFile(const std::string& path);

// From the kernel's generator.
void FillRandom(std::span<uint8_t> bytes);

}  // namespace ballast

#endif  // IO_FILE_H_
