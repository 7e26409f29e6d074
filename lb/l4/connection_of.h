// A flow as it is shown outside.
#ifndef LB_L4_CONNECTION_OF_H_
#define LB_L4_CONNECTION_OF_H_

#include <cstdint>

#include "lb/connections.h"
#include "lb/l4/flow.h"
#include "lb/l4/plan.h"

namespace ballast::l4 {

// `now_ms`: ClockMs(). Of a flow whose server is in `plan`.
ConnectionRecord ConnectionOf(const Plan& plan, const FlowView& flow,
                              uint32_t now_ms);

}  // namespace ballast::l4

#endif  // LB_L4_CONNECTION_OF_H_
