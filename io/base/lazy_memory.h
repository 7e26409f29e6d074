// A large zeroed array that costs memory only where it has been written.
//
// Taking address space is the one system call behind this header; like
// operator new it is made when a table is created, never on the packet path.
// Lookups in a table of hundreds of megabytes take a third less time with
// huge pages.
#ifndef IO_BASE_LAZY_MEMORY_H_
#define IO_BASE_LAZY_MEMORY_H_

#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"

namespace ballast {

class LazyMemory {
 public:
  // `bytes` > 0, aligned to a page (or to 2 MiB with `huge_pages`, which asks
  // for such pages: fewer TLB misses, memory taken in lumps of 2 MiB).
  //   kResourceExhausted  the system has no such address space to give
  static absl::StatusOr<LazyMemory> Create(size_t bytes, bool huge_pages);

  LazyMemory() = default;
  LazyMemory(LazyMemory&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)),
        mapping_(std::exchange(other.mapping_, nullptr)),
        mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {}
  LazyMemory& operator=(LazyMemory&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(mapping_, other.mapping_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
    return *this;
  }
  ~LazyMemory();

  void* data() const { return base_; }

 private:
  void* base_ = nullptr;
  void* mapping_ = nullptr;
  size_t mapped_bytes_ = 0;
};

}  // namespace ballast

#endif  // IO_BASE_LAZY_MEMORY_H_
