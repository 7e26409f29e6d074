#include "lb/health/ldap_dialogue.h"

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
  return Hear([] { return std::make_unique<LdapDialogue>(); }, answer, piece,
              false)
      .state;
}

// As `ldapsearch -x -b "" -s base` (OpenLDAP) sends it.
TEST(LdapDialogueTest, BindsAsNobody) {
  EXPECT_EQ(LdapDialogue().OnOpen().send,
            Bytes("300c020101600702010304008000"));
}

// By RFC 4511 appendix B: [APPLICATION 1] BindResponse.
TEST(LdapDialogueTest, AResultShowsADirectory) {
  struct Case {
    const char* what;
    const char* hex;
    State state;
  };
  for (const Case& given : {
           Case{"success", "300c02010161070a010004000400", State::kUp},
           Case{"success, lengths as Active Directory writes them",
                "308400000010020101618400000007"
                "0a010004000400",
                State::kUp},
           Case{"inappropriateAuthentication", "300c02010161070a013004000400",
                State::kUp},
           Case{"invalidCredentials", "300c02010161070a013104000400",
                State::kUp},
           Case{"busy", "300c02010161070a013304000400", State::kDown},
           Case{"unavailable", "300c02010161070a013404000400", State::kDown},
           Case{"unwillingToPerform", "300c02010161070a013504000400",
                State::kDown},
           Case{"another message's", "300c02010261070a010004000400",
                State::kDown},
           Case{"a search result", "300c02010165070a010004000400",
                State::kDown},
           Case{"endless length", "3080", State::kDown},
           Case{"a megabyte", "308300100000", State::kDown},
           Case{"cut", "300c02010161070a", State::kGoesOn},
       }) {
    for (const size_t piece : {1, 5, 100}) {
      EXPECT_EQ(Answered(Bytes(given.hex), piece), given.state) << given.what;
    }
  }
  EXPECT_EQ(Answered("HTTP/1.1 400 Bad Request\r\n", 3), State::kDown);
}

TEST(LdapDialogueTest, TakesLeave) {
  const auto step = Hear([] { return std::make_unique<LdapDialogue>(); },
                         Bytes("300c02010161070a010004000400"), 100, false);
  EXPECT_EQ(step.send, Bytes("30050201024200"));  // UnbindRequest.
}

}  // namespace
}  // namespace ballast::health
