// What a parsed head means: target, Host, framing, connection; or why it is
// refused. The second half of a reader, behind the parser.
//
// Source  RFC 9112 §3.2 (target and Host), §6 (framing), §9 (connection); RFC
//         9110 §7.6.1 (Connection), §10.1.1 (Expect).
#ifndef LB_HTTP_MESSAGE_POLICY_H_
#define LB_HTTP_MESSAGE_POLICY_H_

#include "lb/http/head.h"
#include "lb/http/refusal.h"

namespace ballast::http {

// Fill in what follows from the first line and the fields.
Refusal FinishRequest(RequestHead* head);
Refusal FinishResponse(Method request_method, ResponseHead* head);

}  // namespace ballast::http

#endif  // LB_HTTP_MESSAGE_POLICY_H_
