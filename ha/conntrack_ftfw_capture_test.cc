// One of two real daemons is replaced: this channel, told what its daemon was
// told and hearing what it heard, sends the same datagrams byte for byte at the
// same time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ha/conntrack_channel_testing.h"
#include "ha/conntrack_ftfw.h"
#include "ha/conntrack_testing.h"

namespace ballast::ha {
namespace {

using namespace conntrack_testing;  // NOLINT: made for this.

const Instant kStart = Instant::FromNanos(0) + absl::Hours(1);

struct Role {
  const char* name;
  const char* capture;
  bool a = false;      // Plays A; else B.
  bool lossy = false;  // Datagrams 3, 8, 13, ... of A's do not arrive.
  // A's repeats: what it says again, and not because it was told.
  std::set<uint32_t> repeats = {};
  // Of what it sends.
  uint64_t nacks = 0;
  uint64_t repeated = 0;
};

class ConntrackReplayTest : public ::testing::TestWithParam<Role> {};

TEST_P(ConntrackReplayTest, SendsWhatTheDaemonSent) {
  const Role& role = GetParam();
  const auto datagrams = Captured(role.capture);
  const auto when = [&](const CapturedDatagram& datagram) {
    return kStart + absl::Microseconds(datagram.when_us);
  };
  // The daemon began a second before it first spoke, unless it was told.
  std::vector<CapturedDatagram> expected;
  for (const CapturedDatagram& datagram : datagrams) {
    if (datagram.from_a == role.a) expected.push_back(datagram);
  }
  ChannelWorld world;
  ConntrackFtfw::Options options;
  options.out.first_sequence = Read(expected[0].payload).messages[0].sequence;
  world.Make<ConntrackFtfw>(options, when(expected[0]) - absl::Seconds(1));
  int of_a = 0;
  for (const CapturedDatagram& datagram : datagrams) {
    // Its timers are not to the microsecond ours; nothing depends on less.
    const absl::Duration grain = absl::Milliseconds(3);
    if (datagram.from_a) ++of_a;
    if (datagram.from_a != role.a) {
      world.RunTo(std::max(world.now(), when(datagram)));
      if (role.lossy && datagram.from_a && of_a % 5 == 3) continue;
      world.Hear(datagram.payload);
      continue;
    }
    // What the daemon was told just then.
    bool told = false;
    for (const ConntrackMessage& message : Read(datagram.payload).messages) {
      if (!message.is_data() || role.repeats.contains(message.sequence)) {
        continue;
      }
      if (!told) world.RunTo(std::max(world.now(), when(datagram)));
      told = true;
      world.channel().Tell(world.now(), message.type, message.entry);
    }
    if (told) {
      world.channel().Flush(world.now());
    } else {
      world.RunTo(std::max(world.now(), when(datagram) + grain));
    }
  }
  ASSERT_EQ(world.sent().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(ToHex(world.sent()[i]), ToHex(expected[i].payload));
    EXPECT_LE(absl::AbsDuration(world.sent_at()[i] - when(expected[i])),
              absl::Milliseconds(10));
  }
  EXPECT_EQ(world.channel().stats().nacks_sent, role.nacks);
  EXPECT_EQ(world.channel().stats().repeated, role.repeated);
  EXPECT_EQ(world.channel().stats().forgotten, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    , ConntrackReplayTest,
    ::testing::Values(Role{"Receiver", "ftfw"}, Role{"Sender", "ftfw", true},
                      Role{"ReceiverWithLoss", "ftfw-loss", false, true, {}, 4},
                      // X again three times, and an ACK.
                      Role{"SenderWithLoss",
                           "ftfw-loss",
                           true,
                           true,
                           {0x6b022238, 0x6b02223d, 0x6b022242},
                           0,
                           4}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::ha
