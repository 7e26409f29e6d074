// gMock matchers for absl::Status and StatusOr: IsOk(), IsOkAndHolds(m),
// StatusIs(code, message_matcher). For tests.
#ifndef IO_BASE_STATUS_MATCHERS_H_
#define IO_BASE_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ballast {

inline const absl::Status& ToStatus(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& ToStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << ToStatus(arg).ToString();
  return ToStatus(arg).ok();
}

MATCHER_P(IsOkAndHolds, matcher, "is OK and holds a value that matches") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(matcher, *arg, result_listener);
}

MATCHER_P2(StatusIs, code, message, "has the code and a matching message") {
  *result_listener << ToStatus(arg).ToString();
  return ToStatus(arg).code() == code &&
         ::testing::ExplainMatchResult(
             message, std::string(ToStatus(arg).message()), result_listener);
}

}  // namespace ballast

#endif  // IO_BASE_STATUS_MATCHERS_H_
