#include "lb/health/rdp_dialogue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "lb/health/dialogue_testing.h"

namespace ballast::health {
namespace {

using State = Dialogue::State;

std::string Bytes(const char* hex) { return absl::HexStringToBytes(hex); }

State Answered(const std::string& answer, size_t piece) {
  return Hear([] { return std::make_unique<RdpDialogue>(); }, answer, piece,
              false)
      .state;
}

// The layout of MS-RDPBCGR 4.1.1, without a cookie.
TEST(RdpDialogueTest, AsksForAConnection) {
  EXPECT_EQ(RdpDialogue().OnOpen().send,
            Bytes("030000130ee000000000000100080003000000"));
}

TEST(RdpDialogueTest, AConfirmationIsUp) {
  for (const size_t piece : {1, 4, 100}) {
    // MS-RDPBCGR 4.1.2, and one without negotiation.
    EXPECT_EQ(Answered(Bytes("030000130ed000001234000200080000000000"), piece),
              State::kUp);
    EXPECT_EQ(Answered(Bytes("0300000b06d00000123400"), piece), State::kUp);
    // A negotiation failure: SSL_REQUIRED_BY_SERVER.
    EXPECT_EQ(Answered(Bytes("030000130ed000001234000300080001000000"), piece),
              State::kUp);
  }
}

TEST(RdpDialogueTest, AnythingElseIsDown) {
  // A disconnect request, X.224 code 1000.
  EXPECT_EQ(Answered(Bytes("0300000b06800000123400"), 1), State::kDown);
  EXPECT_EQ(Answered("SSH-2.0-OpenSSH\r\n", 1), State::kDown);
  EXPECT_EQ(Answered(Bytes("0300000b06"), 1), State::kGoesOn);
}

}  // namespace
}  // namespace ballast::health
