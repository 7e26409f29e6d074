#include "lb/health/greeting.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "lb/health/dialogue_testing.h"

namespace ballast::health {
namespace {

using State = Dialogue::State;

struct Greeting {
  const char* name;
  Greeter greeter;
  std::string says;
  State state;
  std::string send;
};

class GreetingTest : public ::testing::TestWithParam<Greeting> {};

TEST_P(GreetingTest, DecidesWhateverThePieces) {
  const Greeting& given = GetParam();
  const auto make = [&] {
    return std::make_unique<GreetingDialogue>(given.greeter);
  };
  for (const size_t piece : {1, 2, 3, 1000}) {
    const auto step = Hear(make, given.says, piece, /*ends=*/false);
    EXPECT_EQ(step.state, given.state) << piece << " " << step.why;
    EXPECT_EQ(step.send, given.send) << piece;
    EXPECT_EQ(step.why.empty(), given.state != State::kDown) << piece;
  }
}

// Greetings as in the RFCs' examples.
INSTANTIATE_TEST_SUITE_P(
    All, GreetingTest,
    ::testing::Values(
        Greeting{"Ftp", Greeter::kFtp, "220 Service ready\r\n", State::kUp,
                 "QUIT\r\n"},
        Greeting{"FtpManyLines", Greeter::kFtp, "220-Welcome\r\n220 ok\r\n",
                 State::kUp, "QUIT\r\n"},
        Greeting{"FtpBusy", Greeter::kFtp, "421 Too many users\r\n",
                 State::kDown, ""},
        Greeting{"FtpLater", Greeter::kFtp, "120 Ready in 5 minutes\r\n",
                 State::kDown, ""},
        Greeting{"Smtp", Greeter::kSmtp, "220 foo.com Simple Mail\r\n",
                 State::kUp, "QUIT\r\n"},
        Greeting{"SmtpRefuses", Greeter::kSmtp, "554 No SMTP service here\r\n",
                 State::kDown, ""},
        Greeting{"SmtpOtherCode", Greeter::kSmtp, "2200\r\n", State::kDown, ""},
        Greeting{"SmtpPart", Greeter::kSmtp, "220", State::kGoesOn, ""},
        Greeting{"NntpPosting", Greeter::kNntp, "200 Ready, posting allowed",
                 State::kUp, "QUIT\r\n"},
        Greeting{"NntpReading", Greeter::kNntp, "201 Posting prohibited\r\n",
                 State::kUp, "QUIT\r\n"},
        Greeting{"NntpGone", Greeter::kNntp, "502 Service unavailable\r\n",
                 State::kDown, ""},
        Greeting{"Pop3", Greeter::kPop3, "+OK POP3 server ready\r\n",
                 State::kUp, "QUIT\r\n"},
        Greeting{"Pop3Error", Greeter::kPop3, "-ERR\r\n", State::kDown, ""},
        Greeting{"Imap", Greeter::kImap, "* OK IMAP4rev2 Service Ready\r\n",
                 State::kUp, "a LOGOUT\r\n"},
        Greeting{"ImapPreauth", Greeter::kImap, "* PREAUTH logged in\r\n",
                 State::kUp, "a LOGOUT\r\n"},
        Greeting{"ImapBye", Greeter::kImap, "* BYE Autologout\r\n",
                 State::kDown, ""},
        Greeting{"Telnet", Greeter::kTelnet, "\xff\xfd\x18", State::kUp, ""},
        Greeting{"TelnetText", Greeter::kTelnet, "login: ", State::kDown, ""}),
    [](const auto& test) { return test.param.name; });

TEST(GreetingDialogueTest, SaysNothingFirst) {
  EXPECT_EQ(GreetingDialogue(Greeter::kSmtp).OnOpen().send, "");
}

TEST(GreetingDialogueTest, AnEndBeforeTheGreetingIsDown) {
  const auto step =
      Hear([] { return std::make_unique<GreetingDialogue>(Greeter::kFtp); },
           "22", 1, /*ends=*/true);
  EXPECT_EQ(step.state, State::kDown);
  EXPECT_EQ(step.why, "closed before it had answered");
}

TEST(GreetingDialogueTest, SaysWhatItHeard) {
  const auto step =
      Hear([] { return std::make_unique<GreetingDialogue>(Greeter::kFtp); },
           "421 \x01 busy\r\nmore", 100, false);
  EXPECT_EQ(step.why, "greeting \"421 \\x01 busy\", must begin with 220");
}

}  // namespace
}  // namespace ballast::health
