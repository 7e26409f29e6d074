// Why a client's request or stream gets the server that it gets, on one thread:
// a rehearsal of the choosers that decide. The application's own rules and
// scheduler are not asked, and the steps say so.
//
// Cost     copies the service's choosers: some 10 us for each sub service.
// Threads  the service's.
#ifndef LB_L7_SERVICE_EXPLAIN_H_
#define LB_L7_SERVICE_EXPLAIN_H_

#include "io/base/instant.h"
#include "lb/explanation.h"
#include "lb/http/head.h"
#include "lb/l7/orders.h"
#include "lb/l7/service_chooser.h"

namespace ballast::l7 {

// Of the first request on a new connection, as a codec has prepared it; null:
// of a stream.
void ExplainService(Instant now, const ServiceChooser& service,
                    const Client& client, http::RequestHead* request,
                    Explanation* out);

}  // namespace ballast::l7

#endif  // LB_L7_SERVICE_EXPLAIN_H_
