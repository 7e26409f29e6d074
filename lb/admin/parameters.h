// The parameters of a call out of a query, a form or a JSON object.
//
// Query, form  application/x-www-form-urlencoded: name=value, separated by '&',
//              '+' for a blank, %XX for any byte. A name without '=' has an
//              empty value.
// JSON         an object. Text, numbers, true and false ("1" and "0") and null
//              (empty) are parameters; whatever else is in it is left out, as
//              unknown parameters are. Protobuf's parser reads it.
// Errors       kInvalidArgument: not of that form, not UTF-8, or with a control
//              character. kResourceExhausted: beyond a bound of Parameters.
// Cost         linear, but for looking names up among kCountMax.
#ifndef LB_ADMIN_PARAMETERS_H_
#define LB_ADMIN_PARAMETERS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lb/admin/request.h"

namespace ballast::admin {

// Each adds to what is there.
absl::Status ReadForm(absl::string_view text, Parameters* parameters);
absl::Status ReadJson(absl::string_view text, Parameters* parameters);

}  // namespace ballast::admin

#endif  // LB_ADMIN_PARAMETERS_H_
