// A large array of zeroes that takes memory only where it has been written: for
// tables sized for the worst case. Parts of one array share its memory, and so
// its large pages.
#ifndef PERSIST_ZEROED_ARRAY_H_
#define PERSIST_ZEROED_ARRAY_H_

#include <cstddef>
#include <memory>
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
    BALLAST_ASSIGN_OR_RETURN(LazyMemory memory,
                             LazyMemory::Create(size * sizeof(T), huge_pages));
    ZeroedArray array;
    array.data_ = static_cast<T*>(memory.data());
    array.memory_ = std::make_shared<LazyMemory>(std::move(memory));
    return array;
  }

  // The array from element `first` on.
  ZeroedArray From(size_t first) const {
    ZeroedArray part = *this;
    part.data_ += first;
    return part;
  }

  T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  std::shared_ptr<LazyMemory> memory_;
  T* data_ = nullptr;
};

}  // namespace ballast::persist

#endif  // PERSIST_ZEROED_ARRAY_H_
