// The fields that Connection names: meant for the connection they came over,
// and not passed on.
//
// Cost    nothing to speak of where Connection names no field, as is usual.
// Source  RFC 9110 §7.6.1.
#ifndef LB_HTTP_CONNECTION_FIELDS_H_
#define LB_HTTP_CONNECTION_FIELDS_H_

#include "absl/strings/string_view.h"
#include "lb/http/fields.h"

namespace ballast::http {

bool NamedByConnection(const Fields& fields, absl::string_view name);
// Anything but close, keep-alive and upgrade.
bool ConnectionNamesFields(const Fields& fields);

// Removes them, but for Upgrade, and Connection with them. To be done before
// anything is added to a message that passes: its sender could name what is
// added, and have that removed.
void RemoveNamedByConnection(Fields* fields);

}  // namespace ballast::http

#endif  // LB_HTTP_CONNECTION_FIELDS_H_
