// A large array of zeroes that takes memory only where it has been written: for
// tables sized for the worst case.
#ifndef PERSIST_ZEROED_ARRAY_H_
#define PERSIST_ZEROED_ARRAY_H_

#include <cstddef>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "io/base/lazy_memory.h"
#include "io/base/status_macros.h"

namespace ballast::persist {

template <typename T>
class ZeroedArray {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  ZeroedArray() = default;
  // `size` > 0. Errors are LazyMemory's.
  static absl::StatusOr<ZeroedArray> Create(size_t size, bool huge_pages) {
    ZeroedArray array;
    BALLAST_ASSIGN_OR_RETURN(array.memory_,
                             LazyMemory::Create(size * sizeof(T), huge_pages));
    return array;
  }

  T* data() const { return static_cast<T*>(memory_.data()); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }

 private:
  LazyMemory memory_;
};

}  // namespace ballast::persist

#endif  // PERSIST_ZEROED_ARRAY_H_
