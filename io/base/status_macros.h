// BALLAST_RETURN_IF_ERROR(expr): returns the absl::Status of `expr` if not OK.
// BALLAST_ASSIGN_OR_RETURN(lhs, expr): assigns the value of a StatusOr, or
// returns its status.
#ifndef IO_BASE_STATUS_MACROS_H_
#define IO_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define BALLAST_RETURN_IF_ERROR(expr)                                 \
  do {                                                                \
    if (absl::Status ballast_status = (expr); !ballast_status.ok()) { \
      return ballast_status;                                          \
    }                                                                 \
  } while (false)

#define BALLAST_CONCAT_INNER(a, b) a##b
#define BALLAST_CONCAT(a, b) BALLAST_CONCAT_INNER(a, b)
#define BALLAST_ASSIGN_OR_RETURN(lhs, expr)                                 \
  BALLAST_ASSIGN_OR_RETURN_IMPL(BALLAST_CONCAT(ballast_or_, __LINE__), lhs, \
                                expr)
#define BALLAST_ASSIGN_OR_RETURN_IMPL(temporary, lhs, expr)  \
  auto temporary = (expr);                                   \
  if (!temporary.ok()) return std::move(temporary).status(); \
  lhs = std::move(temporary).value()

#endif  // IO_BASE_STATUS_MACROS_H_
