// Rules F1 to F9, each by itself. That conntrackd keeps them so is in
// conntrack_ftfw_capture_test.cc.
#include "ha/conntrack_ftfw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "ha/conntrack_channel_testing.h"

namespace ballast::ha {
namespace {

using namespace conntrack_testing;  // NOLINT: made for this.
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Instant kStart = Instant::FromNanos(0) + absl::Hours(1);

class ConntrackFtfwTest : public ::testing::Test, public ChannelWorld {
 protected:
  void Begin(ConntrackFtfw::Options options = {}) {
    options.out.first_sequence = 100;
    Make<ConntrackFtfw>(options, kStart);
  }
  // Both have said hello; the next number of ours is 101, the peer's 501.
  void BeginGreeted(const ConntrackFtfw::Options& options = {}) {
    Begin(options);
    RunFor(absl::Seconds(1));
    Hear(kConntrackAlive | kConntrackHelloBack, 500);
    TakeSent();
  }
  const ConntrackChannel::Stats& stats() { return channel().stats(); }
};

TEST_F(ConntrackFtfwTest, SaysHelloUntilItIsAnswered) {
  Begin();
  RunFor(absl::Milliseconds(2500));
  Tell(Connection(1));
  EXPECT_THAT(TakeSent(), ElementsAre("100 alive hello", "101 alive hello",
                                      "102 :1 hello"));
  EXPECT_EQ(greeted(), 0);
  Hear(kConntrackAck | kConntrackHelloBack, 500, 100, 102);
  EXPECT_EQ(greeted(), 1);
  Tell(Connection(2));
  EXPECT_THAT(TakeSent(), ElementsAre("103 :2"));
}

TEST_F(ConntrackFtfwTest, AnswersEachHelloOnce) {
  BeginGreeted();
  Hear(kConntrackAlive | kConntrackHello, 7000);
  Tell(Connection(1));
  Tell(Connection(2));
  EXPECT_THAT(TakeSent(), ElementsAre("101 :1 back", "102 :2"));
  EXPECT_EQ(stats().hellos_received, 1u);
  // Still no answer there.
  Hear(kConntrackAlive | kConntrackHello, 7001);
  Tell(Connection(3));
  EXPECT_THAT(TakeSent(), ElementsAre("103 :3 back"));
  EXPECT_EQ(stats().hellos_received, 1u);
  EXPECT_EQ(greeted(), 1);
  Hear(kConntrackAlive, 7002);  // Now there was one.
  EXPECT_EQ(greeted(), 2);
}

TEST_F(ConntrackFtfwTest, AHelloIsTakenWhateverItsNumber) {
  BeginGreeted();
  Hear(501, Connection(1));
  Hear(3, Connection(2), kConntrackHello);
  Hear(4, Connection(3));
  EXPECT_THAT(TakeHeard(), ElementsAre(1, 2, 3));
  RunFor(absl::Seconds(1));
  EXPECT_THAT(TakeSent(), ElementsAre("101 ack 3-4 back"));
}

TEST_F(ConntrackFtfwTest, AHelloEndsWhatWasKept) {
  BeginGreeted();
  Tell(Connection(1));
  TakeSent();
  EXPECT_EQ(channel().lag(now()).connections, 1u);
  Hear(kConntrackAlive | kConntrackHello, 7000);
  EXPECT_EQ(channel().lag(now()).connections, 0u);
  Hear(kConntrackNack, 7001, 101, 101);
  EXPECT_THAT(TakeSent(), IsEmpty());
}

TEST_F(ConntrackFtfwTest, AcknowledgesAfterASecondOrAWindow) {
  BeginGreeted({.window = 4});  // The hello's answer was the first.
  Hear(501, Connection(1));
  Hear(502, Connection(2));
  EXPECT_THAT(TakeSent(), IsEmpty());
  Hear(503, Connection(3));
  EXPECT_THAT(TakeSent(), ElementsAre("101 ack 500-503"));
  Hear(504, Connection(4));
  RunFor(absl::Seconds(1));
  EXPECT_THAT(TakeSent(), ElementsAre("102 ack 504-504"));
  RunFor(absl::Seconds(1));
  EXPECT_THAT(TakeSent(), ElementsAre("103 alive"));
}

TEST_F(ConntrackFtfwTest, AGapIsAskedForBehindAnAcknowledgement) {
  BeginGreeted();
  Hear(501, Connection(1));
  Hear(505, Connection(5));
  EXPECT_THAT(TakeSent(), ElementsAre("101 ack 500-501", "102 nack 502-504"));
  EXPECT_THAT(TakeHeard(), ElementsAre(1, 5));
  Hear(503, Connection(3));  // Late: not taken.
  EXPECT_THAT(TakeHeard(), IsEmpty());
  EXPECT_EQ(stats().gaps, 1u);
  EXPECT_EQ(stats().missing, 3u);
  EXPECT_EQ(stats().late, 1u);
  Hear(506, Connection(3));
  EXPECT_THAT(TakeHeard(), ElementsAre(3));
}

TEST_F(ConntrackFtfwTest, NumbersWrap) {
  BeginGreeted();
  Hear(kConntrackAlive | kConntrackHello, 0xfffffffe);
  Hear(0xffffffff, Connection(1));
  Hear(0, Connection(2));
  Hear(2, Connection(3));
  EXPECT_THAT(TakeHeard(), ElementsAre(1, 2, 3));
  EXPECT_THAT(TakeSent(),
              ElementsAre("101 ack 4294967294-0 back", "102 nack 1-1"));
}

TEST_F(ConntrackFtfwTest, WhatIsAskedForGoesAgainUnderNewNumbers) {
  BeginGreeted();
  for (uint16_t port = 1; port <= 4; ++port) Tell(Connection(port));
  TakeSent();
  Hear(kConntrackAck, 501, 100, 101);
  Hear(kConntrackNack, 502, 102, 103);
  EXPECT_THAT(TakeSent(), ElementsAre("105 :2", "106 :3"));
  EXPECT_EQ(stats().repeated, 2u);
  EXPECT_EQ(channel().lag(now()).connections, 3u);
  // The same again: nothing is kept there.
  Hear(kConntrackNack, 503, 102, 103);
  EXPECT_THAT(TakeSent(), IsEmpty());
}

TEST_F(ConntrackFtfwTest, ARepeatNeverUndoesWhatWasToldLater) {
  BeginGreeted();
  Tell(Connection(1));
  Tell(Connection(2));
  Tell(Connection(1), ConntrackType::kDelete);
  TakeSent();
  Hear(kConntrackNack, 501, 101, 102);
  EXPECT_THAT(TakeSent(), ElementsAre("104 :2"));
}

TEST_F(ConntrackFtfwTest, ControlMessagesAreRepeatedToo) {
  BeginGreeted();
  channel().AskAll(now());
  channel().Flush(now());
  EXPECT_THAT(TakeSent(), ElementsAre("101 resync"));
  Hear(kConntrackNack, 501, 101, 101);
  EXPECT_THAT(TakeSent(), ElementsAre("102 resync"));
}

TEST_F(ConntrackFtfwTest, ANackOfAllNumbersCostsWhatIsKept) {
  BeginGreeted();
  for (uint16_t port = 1; port <= 3; ++port) Tell(Connection(port));
  TakeSent();
  Hear(kConntrackNack, 501, 101u - 0x7fffffffu, 100);
  EXPECT_THAT(TakeSent(), IsEmpty());
  Hear(kConntrackNack, 502, 90, 90u + 0x7fffffffu);
  EXPECT_THAT(TakeSent(), ElementsAre("104 :1", "105 :2", "106 :3"));
}

TEST_F(ConntrackFtfwTest, RepeatsKeepThePace) {
  ConntrackFtfw::Options options;
  options.out.burst_max = 2;
  BeginGreeted(options);
  RunFor(absl::Milliseconds(10));
  for (uint16_t port = 1; port <= 100; ++port) {
    channel().Tell(now(), ConntrackType::kUpdate, Connection(port));
  }
  channel().Flush(now());
  TakeSent();
  RunFor(absl::Milliseconds(500));
  Hear(kConntrackNack, 501, 101, 200);
  // 68 bytes each, 21 of them in a datagram. What was begun is sent.
  EXPECT_THAT(sent(), SizeIs(testing::Le(3)));
  EXPECT_FALSE(channel().HasRoom(now()));
  RunFor(absl::Milliseconds(30));
  EXPECT_EQ(stats().repeated, 100u);
  EXPECT_THAT(TakeSent(), SizeIs(100));
}

TEST_F(ConntrackFtfwTest, ARefusedMessageIsAcknowledged) {
  BeginGreeted();
  Hear(FromHex("10000010 000001f5 00080063 00000000"));
  EXPECT_THAT(TakeHeard(), IsEmpty());
  Hear(502, Connection(2));
  RunFor(absl::Seconds(1));
  EXPECT_THAT(TakeSent(), ElementsAre("101 ack 500-502"));
}

TEST_F(ConntrackFtfwTest, AResyncDuringTheHelloWaitsForItsEnd) {
  Begin();
  Hear(kConntrackResync | kConntrackHello, 1);
  EXPECT_EQ(tell_all(), 0);
  RunFor(absl::Seconds(1));
  Hear(kConntrackAck | kConntrackHelloBack, 2, 100, 100);
  EXPECT_EQ(greeted(), 1);  // Which tells all.
  EXPECT_EQ(tell_all(), 0);
  Hear(kConntrackResync, 3);
  EXPECT_EQ(tell_all(), 1);
}

TEST_F(ConntrackFtfwTest, WhatCannotBeKeptWaits) {
  BeginGreeted({.kept_max = 6});
  for (uint16_t port = 1; port <= 3; ++port) {
    EXPECT_TRUE(channel().HasRoom(now())) << port;
    Tell(Connection(port));
  }
  EXPECT_FALSE(channel().HasRoom(now()));
  Hear(kConntrackAck, 501, 100, 101);
  EXPECT_TRUE(channel().HasRoom(now()));
  EXPECT_EQ(stats().forgotten, 0u);
}

TEST_F(ConntrackFtfwTest, WhatWasForgottenBeginsAnew) {
  BeginGreeted({.kept_max = 3});
  for (uint16_t port = 1; port <= 5; ++port) Tell(Connection(port));
  EXPECT_EQ(stats().forgotten, 2u);
  RunFor(absl::Seconds(10));  // Nobody there: it waits.
  EXPECT_EQ(stats().begun_again, 0u);
  TakeSent();
  Hear(kConntrackAck, 501, 103, 105);
  EXPECT_EQ(stats().begun_again, 1u);
  RunFor(absl::Seconds(1));
  ASSERT_THAT(TakeSent(), ElementsAre(testing::HasSubstr("hello")));
  Hear(kConntrackAck | kConntrackHelloBack, 502, 120, 120);
  EXPECT_EQ(greeted(), 2);
}

TEST_F(ConntrackFtfwTest, APeerThatAcknowledgesNothingIsGreetedAgain) {
  BeginGreeted();
  Tell(Connection(1));
  // A link that was cut for long is no reason.
  RunFor(absl::Minutes(10));
  uint32_t sequence = 501;
  Hear(kConntrackAlive, sequence++);
  EXPECT_EQ(stats().begun_again, 0u);
  for (int second = 0; second < 31; ++second) {
    RunFor(absl::Seconds(1));
    Hear(kConntrackAlive, sequence++);
  }
  EXPECT_EQ(stats().begun_again, 1u);
}

TEST_F(ConntrackFtfwTest, APeerThatIsOnlyLateHasBegunAnew) {
  BeginGreeted();
  for (uint32_t sequence = 10; sequence < 42; ++sequence) {
    Hear(sequence, Connection(static_cast<uint16_t>(sequence)));
    RunFor(absl::Seconds(1));
  }
  EXPECT_EQ(stats().late_accepted, 1u);
  EXPECT_THAT(TakeHeard(), ElementsAre(40, 41));
}

TEST_F(ConntrackFtfwTest, TheLagIsWhatIsNotAcknowledged) {
  BeginGreeted();
  EXPECT_EQ(channel().lag(now()).connections, 0u);
  Tell(Connection(1));
  RunFor(absl::Milliseconds(300));
  Tell(Connection(2));
  EXPECT_EQ(channel().lag(now()).connections, 2u);
  EXPECT_EQ(channel().lag(now()).oldest, absl::Milliseconds(300));
  Hear(kConntrackAck, 501, 100, 101);
  EXPECT_EQ(channel().lag(now()).connections, 1u);
  EXPECT_EQ(channel().lag(now()).oldest, absl::ZeroDuration());
}

TEST_F(ConntrackFtfwTest, WhatIsNotSendableUsesNoNumber) {
  BeginGreeted();
  Tell(ConntrackEntry());
  Tell(Connection(1));
  EXPECT_THAT(TakeSent(), ElementsAre("101 :1"));
  EXPECT_EQ(stats().unsendable, 1u);
}

}  // namespace
}  // namespace ballast::ha
