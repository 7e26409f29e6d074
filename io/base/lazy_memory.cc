#include "io/base/lazy_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ballast {

absl::StatusOr<LazyMemory> LazyMemory::Create(size_t bytes, bool huge_pages) {
  constexpr size_t kHugePage = size_t{2} << 20;
  LazyMemory memory;
  memory.mapped_bytes_ = huge_pages ? bytes + kHugePage : bytes;
  void* mapping =
      mmap(nullptr, memory.mapped_bytes_, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, 0);
  if (mapping == MAP_FAILED) {
    memory.mapped_bytes_ = 0;
    return absl::ResourceExhaustedError(
        absl::StrCat("mmap of ", bytes, " bytes: ", strerror(errno)));
  }
  memory.mapping_ = mapping;
  auto base = reinterpret_cast<uintptr_t>(mapping);
  if (huge_pages) {
    base = (base + kHugePage - 1) / kHugePage * kHugePage;
    // Only pages used whole: the rest keeps small ones, so that no memory is
    // taken for nothing. A refusal costs speed, nothing else.
    madvise(reinterpret_cast<void*>(base), bytes / kHugePage * kHugePage,
            MADV_HUGEPAGE);
  }
  memory.base_ = reinterpret_cast<void*>(base);
  return memory;
}

LazyMemory::~LazyMemory() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_bytes_);
}

}  // namespace ballast
