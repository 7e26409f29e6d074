// Parts of an HTTP request target that persistence looks at. No allocation but
// what is decoded into `scratch`.
#ifndef PERSIST_TARGET_H_
#define PERSIST_TARGET_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ballast::persist {

// Path and query: without the scheme and host of an absolute target, without a
// fragment; an absolute target's empty path is "/" (RFC 9110 §4.2.3), written
// into `scratch` if a query follows. Of CONNECT and "*" the target itself.
absl::string_view PathAndQuery(absl::string_view target, std::string& scratch);

// The value of the first item of that name in the query, percent-decoded; its
// name is compared decoded too, and '+' is a plus. nullopt: there is none. A
// '%' without two hex digits stands for itself. The view is of `target` or of
// `scratch`.
std::optional<absl::string_view> QueryItem(absl::string_view target,
                                           absl::string_view name,
                                           std::string& scratch);

}  // namespace ballast::persist

#endif  // PERSIST_TARGET_H_
