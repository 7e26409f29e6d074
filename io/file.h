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

// Writes a temporary file beside it (mode 0600), syncs it, renames it over
// `path` and syncs the folder.
absl::Status WriteFileAtomically(const std::string& path,
                                 std::span<const uint8_t> bytes);

// Makes the folder, and those above it, unless it is there.
absl::Status MakeFolder(const std::string& path);

// OK if there is no such file.
absl::Status RemoveFile(const std::string& path);

// From the kernel's generator.
void FillRandom(std::span<uint8_t> bytes);

}  // namespace ballast

#endif  // IO_FILE_H_
