#include "ha/conntrack_plain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ha/conntrack_channel_testing.h"

namespace ballast::ha {
namespace {

using namespace conntrack_testing;  // NOLINT: made for this.
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Instant kStart = Instant::FromNanos(0) + absl::Hours(1);
using Mode = ConntrackPlain::Mode;

class ConntrackPlainTest : public ::testing::Test, public ChannelWorld {
 protected:
  void Begin(Mode mode) {
    ConntrackPlain::Options options{.mode = mode};
    options.out.first_sequence = 100;
    Make<ConntrackPlain>(options, kStart);
  }
  const ConntrackChannel::Stats& stats() { return channel().stats(); }
};

TEST_F(ConntrackPlainTest, NotrackSaysAliveAfterASilentSecond) {
  Begin(Mode::kNotrack);
  RunFor(absl::Milliseconds(1500));
  Tell(Connection(1));
  RunFor(absl::Milliseconds(1500));
  EXPECT_THAT(sent_at(), ElementsAre(kStart + absl::Milliseconds(1000),
                                     kStart + absl::Milliseconds(1500),
                                     kStart + absl::Milliseconds(2500)));
  EXPECT_THAT(TakeSent(), ElementsAre("100 alive", "101 :1", "102 alive"));
}

TEST_F(ConntrackPlainTest, NotrackTakesWhateverNumber) {
  Begin(Mode::kNotrack);
  Hear(500, Connection(1));
  Hear(510, Connection(2));
  Hear(505, Connection(3));
  EXPECT_THAT(TakeHeard(), ElementsAre(1, 2, 3));
  EXPECT_EQ(stats().gaps, 1u);
  EXPECT_EQ(stats().missing, 9u);
  EXPECT_EQ(stats().late, 1u);
  EXPECT_THAT(TakeSent(), IsEmpty());
}

TEST_F(ConntrackPlainTest, NotrackIsAskedForEverything) {
  Begin(Mode::kNotrack);
  Hear(kConntrackResync, 1);
  EXPECT_EQ(tell_all(), 1);
  channel().AskAll(now());
  channel().Flush(now());
  EXPECT_THAT(TakeSent(), ElementsAre("100 resync"));
}

TEST_F(ConntrackPlainTest, OtherModesControlsAreLeftAlone) {
  Begin(Mode::kNotrack);
  Hear(kConntrackAck, 1, 1, 1);
  Hear(kConntrackNack, 2, 1, 1);
  EXPECT_EQ(stats().not_of_mode, 2u);
  Begin(Mode::kAlarm);
  Hear(kConntrackResync, 1);
  Hear(kConntrackAlive, 2);
  Hear(3, Connection(1), kConntrackHello);
  EXPECT_EQ(stats().not_of_mode, 3u);
  EXPECT_EQ(tell_all(), 0);
  EXPECT_THAT(TakeHeard(), IsEmpty());
  EXPECT_THAT(TakeSent(), IsEmpty());
}

TEST_F(ConntrackPlainTest, AlarmHasNoTimersNorControls) {
  Begin(Mode::kAlarm);
  EXPECT_EQ(channel().deadline(), Instant::Never());
  channel().AskAll(now());
  Tell(Connection(1));
  RunFor(absl::Minutes(1));
  EXPECT_THAT(TakeSent(), ElementsAre("100 :1"));
}

TEST_F(ConntrackPlainTest, DatagramsStayBelowTheirMost) {
  Begin(Mode::kAlarm);
  for (uint16_t port = 1; port <= 50; ++port) {
    channel().Tell(now(), ConntrackType::kUpdate, Connection(port));
  }
  channel().Flush(now());
  std::vector<size_t> sizes;
  for (const Bytes& datagram : sent()) sizes.push_back(datagram.size());
  // 21 of 68 bytes are 1428; one more would be 1496.
  EXPECT_THAT(sizes, ElementsAre(1428, 1428, 544));
  EXPECT_THAT(TakeSent(), testing::SizeIs(50));
}

// What real daemons of the mode say is understood, all of it.
TEST_F(ConntrackPlainTest, CapturesOfTheMode) {
  for (const auto& [mode, name] : std::vector<std::pair<Mode, const char*>>{
           {Mode::kNotrack, "notrack"},
           {Mode::kNotrack, "types"},
           {Mode::kNotrack, "multicast"},
           {Mode::kNotrack, "notrack-direct"},
           {Mode::kAlarm, "alarm"}}) {
    SCOPED_TRACE(name);
    Begin(mode);
    size_t data = 0;
    for (const CapturedDatagram& datagram : Captured(name)) {
      if (!datagram.from_a) continue;
      for (const ConntrackMessage& message : Read(datagram.payload).messages) {
        data += message.is_data();
      }
      Hear(datagram.payload);
    }
    EXPECT_EQ(TakeHeard().size(), data);
    EXPECT_GT(data, 4u);
    EXPECT_EQ(stats().gaps + stats().late + stats().not_of_mode, 0u);
  }
}

}  // namespace
}  // namespace ballast::ha
