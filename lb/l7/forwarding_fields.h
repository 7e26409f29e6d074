// Tells the server about the client: X-Forwarded-*, Forwarded, Via.
//
// Source  RFC 7239 (Forwarded); RFC 9110 §7.6.3 (Via); X-Forwarded-* as every
//         proxy writes them.
#ifndef LB_L7_FORWARDING_FIELDS_H_
#define LB_L7_FORWARDING_FIELDS_H_

#include "lb/http/head.h"
#include "lb/l7/orders.h"
#include "lb/l7/settings.h"

namespace ballast::l7 {

void AddForwardingFields(const ForwardingFields& settings, const Client& client,
                         http::RequestHead* request);
void AddVia(const ForwardingFields& settings, http::MessageHead* message);

}  // namespace ballast::l7

#endif  // LB_L7_FORWARDING_FIELDS_H_
