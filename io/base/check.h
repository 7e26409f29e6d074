// BALLAST_CHECK(condition): for what only a bug of ours can break. On in every
// build; never once per packet without need.
#ifndef IO_BASE_CHECK_H_
#define IO_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace ballast {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file,
                                     int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace ballast

#define BALLAST_CHECK(condition)                        \
  (__builtin_expect(static_cast<bool>(condition), true) \
       ? static_cast<void>(0)                           \
       : ::ballast::CheckFailed(#condition, __FILE__, __LINE__))

#endif  // IO_BASE_CHECK_H_
