// Lines for the log from threads that may not write it, about what may happen
// thousands of times a second: the first since the last look, and how many
// there were after it.
//
// Cost     Put: a lock; no line is made of one that is only counted.
// Threads  any.
#ifndef LB_RUN_NOTICES_H_
#define LB_RUN_NOTICES_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"

namespace ballast::run {

class Notices {
 public:
  void Put(absl::FunctionRef<std::string()> line) {
    const std::lock_guard lock(mutex_);
    if (first_) {
      ++more_;
    } else {
      first_ = line();
    }
  }
  // What to log now.
  std::optional<std::string> Take() {
    const std::lock_guard lock(mutex_);
    std::optional<std::string> line = std::exchange(first_, std::nullopt);
    if (more_ > 0) absl::StrAppend(&*line, " (and ", more_, " more)");
    more_ = 0;
    return line;
  }

 private:
  std::mutex mutex_;
  std::optional<std::string> first_;
  uint64_t more_ = 0;
};

}  // namespace ballast::run

#endif  // LB_RUN_NOTICES_H_
