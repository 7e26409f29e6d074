#include "lb/health/rdp_dialogue.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace ballast::health {
namespace {

// TPKT (version 3, length 19), X.224 connection request of 14 further bytes,
// RDP negotiation request for TLS and CredSSP.
constexpr absl::string_view kRequest(
    "\x03\x00\x00\x13"
    "\x0e\xe0\x00\x00\x00\x00\x00"
    "\x01\x00\x08\x00\x03\x00\x00\x00",
    19);
constexpr uint8_t kConnectionConfirm = 0xd;

}  // namespace

Dialogue::Step RdpDialogue::OnOpen() { return Say(std::string(kRequest)); }

Dialogue::Step RdpDialogue::OnBytes(absl::string_view bytes) {
  // TPKT's header, then the length and the code of the TPDU.
  constexpr size_t kDecides = 6;
  absl::StrAppend(&heard_, bytes.substr(0, kDecides - heard_.size()));
  if (!heard_.empty() && heard_[0] != 3) return Down("not a TPKT packet");
  if (heard_.size() < kDecides) return {};
  const int code = static_cast<uint8_t>(heard_[5]) >> 4;
  if (code == kConnectionConfirm) return Up();
  return Down(
      absl::StrCat("X.224 code ", code, ", must be 13 (connection confirm)"));
}

}  // namespace ballast::health
