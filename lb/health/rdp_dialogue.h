// The RDP check: a connection request, which must be confirmed. What security
// the server chooses, or that it refuses ours (a negotiation failure), does not
// matter: a terminal server that says so is at work.
//
// Source  MS-RDPBCGR 2.2.1.1 and 2.2.1.2; X.224 §13.3, §13.4; RFC 1006 §6.
//         LoadMaster: sends code 1110 (CR), wants 1101 (CC).
#ifndef LB_HEALTH_RDP_DIALOGUE_H_
#define LB_HEALTH_RDP_DIALOGUE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lb/health/dialogue.h"

namespace ballast::health {

class RdpDialogue final : public Dialogue {
 public:
  Step OnOpen() override;
  Step OnBytes(absl::string_view bytes) override;

 private:
  std::string heard_;
};

}  // namespace ballast::health

#endif  // LB_HEALTH_RDP_DIALOGUE_H_
