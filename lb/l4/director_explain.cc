// Director: what would become of a client's next packet.
#include <string>

#include "absl/strings/str_cat.h"
#include "lb/l4/director.h"

namespace ballast::l4 {
namespace {

// A SIP request as far as persistence reads it.
std::string DatagramOf(const ExplainOrder::Request& request) {
  std::string text = absl::StrCat(
      request.method.empty() ? "INVITE" : request.method, " ",
      request.target.empty() ? "sip:ballast" : request.target, " SIP/2.0\r\n");
  for (const std::string& field : request.fields) {
    absl::StrAppend(&text, field, "\r\n");
  }
  return absl::StrCat(text, "\r\n");
}

}  // namespace

void Director::Explain(Instant now, const ExplainOrder& order,
                       Explanation* out) {
  if (!context_.active) {
    return out->Refuse(DropReasonName(DropReason::kStandby),
                       "this unit stands by: the other one serves");
  }
  if (!Leased(now)) {
    return out->Refuse(DropReasonName(DropReason::kLeaseExpired),
                       "this unit did not run for so long that the other one "
                       "may serve");
  }
  std::string datagram;
  if (order.request.has_value()) datagram = DatagramOf(*order.request);
  const std::span<const uint8_t> bytes(
      reinterpret_cast<const uint8_t*>(datagram.data()), datagram.size());
  const FlowKey key = {order.client, order.destination, order.protocol};
  if (order.client.address.is_v4()) {
    v4_.Explain(now, key, bytes, out);
  } else {
    v6_.Explain(now, key, bytes, out);
  }
}

}  // namespace ballast::l4
