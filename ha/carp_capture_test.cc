// Captures of two ucarps, A (10.77.0.1) and B (10.77.0.2), against the wire,
// the receiver, and a node of ours in the place of either: see
// testdata/README.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/capture.h"
#include "ha/carp_frame.h"
#include "ha/carp_node.h"
#include "ha/carp_receiver.h"
#include "ha/carp_wire.h"
#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/instant.h"
#include "io/base/status_matchers.h"

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using enum CarpAction;

const Address kA = Address::V4(0x0a4d0001);
const Address kB = Address::V4(0x0a4d0002);

struct Heard {
  Instant when;
  Address source;
  CarpAdvert advert;
  std::vector<uint8_t> frame;
};

// All adverts of a capture, each accepted by a receiver with its password.
std::vector<Heard> Adverts(absl::string_view name, absl::string_view password,
                           uint8_t vhid, absl::string_view address) {
  std::ifstream file(absl::StrCat("ha/testdata/carp-", name, ".pcap"),
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  const std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file),
                                   std::istreambuf_iterator<char>{});
  auto key =
      CarpKey::Create(password, vhid, std::vector{*Address::Parse(address)});
  EXPECT_THAT(key, IsOk());
  CarpReceiver receiver(*std::move(key), {});
  std::vector<Heard> adverts;
  PacketCapture capture(bytes);
  while (const auto captured = capture.Next()) {
    if (captured->protocol != kCarpIpProtocol) continue;
    const auto frame = std::span(bytes).subspan(captured->file_offset, 70);
    const auto packet = ParseCarpFrame(frame);
    EXPECT_TRUE(packet);
    if (!packet) continue;
    Heard heard{.when = Instant::FromNanos(1000 * captured->when_us),
                .source = packet->source,
                .frame = {frame.begin(), frame.end()}};
    EXPECT_EQ(receiver.Receive(*packet, &heard.advert), CarpRefusal::kNone);
    adverts.push_back(heard);
  }
  EXPECT_THAT(capture.status(), IsOk());
  return adverts;
}
std::vector<Heard> Takeover() {
  return Adverts("takeover", "kemp-secret", 7, "10.77.0.100");
}
std::vector<Heard> Preempt() {
  return Adverts("preempt", "tie-pass", 9, "10.77.0.200");
}
std::vector<Heard> TieBreak() {
  return Adverts("tiebreak", "tie-pass", 11, "10.77.0.201");
}
std::vector<Heard> Broadcast() {
  return Adverts("broadcast", "secret", 1, "10.77.0.50");
}

CarpActions Hear(CarpNode& node, const Heard& heard) {
  return node.Step(heard.when, CarpHeard{.source = heard.source,
                                         .advbase = heard.advert.advbase,
                                         .advskew = heard.advert.advskew,
                                         .demotion = heard.advert.demotion});
}

// The counts are tshark's, of protocol 112.
TEST(CarpCaptureTest, EveryAdvertOfUcarpIsAccepted) {
  EXPECT_EQ(Takeover().size(), 10u);
  EXPECT_EQ(Preempt().size(), 19u);
  EXPECT_EQ(TieBreak().size(), 11u);
  EXPECT_EQ(Broadcast().size(), 3u);
}

TEST(CarpCaptureTest, EveryFrameOfUcarpIsBuiltByteForByte) {
  for (const auto& adverts : {Takeover(), Preempt(), TieBreak(), Broadcast()}) {
    for (const Heard& heard : adverts) {
      CarpFraming framing{.source = heard.source,
                          .identification = LoadBig16(&heard.frame[18])};
      std::copy_n(&heard.frame[6], 6, framing.source_mac.bytes.begin());
      if (heard.frame[0] == 0xff) {
        framing.delivery = CarpDelivery::kEthernetBroadcast;
      }
      std::array<uint8_t, kCarpFrameSizeMax> buffer;
      EXPECT_THAT(BuildCarpFrame(framing, heard.advert, buffer),
                  ElementsAreArray(heard.frame));
    }
  }
}

TEST(CarpCaptureTest, OurCounterGoesWhereThatOfTheNewMasterDid) {
  CarpCounter ours;
  int compared = 0;
  for (const Heard& heard : Takeover()) {
    if (heard.source == kA) {
      ours.OnAccepted(heard.advert.counter);
    } else {
      EXPECT_EQ(ours.Next(0), heard.advert.counter);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 3);
}

// ucarp, which looks at its clock seldom, took 4.36 s.
TEST(CarpCaptureTest, InThePlaceOfBItTakesOverWhenAHasBeenSilentForItsWait) {
  const auto adverts = Takeover();
  CarpNode node({.advbase = 1, .advskew = 100, .source = kB},
                adverts.front().when);
  Instant last;
  for (const Heard& heard : adverts) {
    if (heard.source != kA) continue;
    EXPECT_THAT(Hear(node, heard), IsEmpty());
    last = heard.when;
  }
  EXPECT_EQ(node.deadline() - last, absl::Microseconds(3'390'625));
  EXPECT_THAT(node.Step(node.deadline(), CarpTick{}),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  EXPECT_LT(last + absl::Microseconds(3'390'625), adverts[7].when);
}

TEST(CarpCaptureTest, InThePlaceOfAItPreemptsAtTheFirstAdvertOfB) {
  const auto adverts = Preempt();
  CarpNode node({.advbase = 1,
                 .advskew = 20,
                 .preempt = CarpPreempt::kAlways,
                 .source = kA},
                adverts.front().when);
  ASSERT_EQ(adverts[0].source, kB);
  EXPECT_THAT(Hear(node, adverts[0]),
              ElementsAre(kTakeAddresses, kAnnounce, kSendAdvert));
  // B's answer, as it gives way, is announced against, as A did.
  ASSERT_EQ(adverts[4].source, kB);
  Instant now = adverts[0].when;
  while (node.deadline() < adverts[4].when) {
    now = node.deadline();
    (void)node.Step(now, CarpTick{});
  }
  EXPECT_THAT(Hear(node, adverts[4]), ElementsAre(kAnnounce));
}

TEST(CarpCaptureTest, OfTwoMastersItDoesAsTheUcarpInItsPlaceDid) {
  const auto adverts = TieBreak();
  // Where the links were joined: an advert of each, and then B's answer.
  ASSERT_EQ(adverts[3].source, kA);
  ASSERT_EQ(adverts[4].source, kB);
  ASSERT_EQ(adverts[5].source, kB);
  const auto master = [&adverts](const Address& source) {
    const Instant start = adverts[3].when - absl::Seconds(4);
    CarpNode node({.advbase = 1, .advskew = 5, .source = source}, start);
    (void)node.Step(node.deadline(), CarpTick{});
    EXPECT_EQ(node.role(), CarpRole::kMaster);
    return node;
  };
  CarpNode in_place_of_b = master(kB);
  EXPECT_THAT(Hear(in_place_of_b, adverts[3]),
              ElementsAre(kDropAddresses, kSendAdvert));
  CarpNode in_place_of_a = master(kA);
  EXPECT_THAT(Hear(in_place_of_a, adverts[4]), ElementsAre(kAnnounce));
  EXPECT_EQ(in_place_of_a.role(), CarpRole::kMaster);
}

}  // namespace
}  // namespace ballast::ha
