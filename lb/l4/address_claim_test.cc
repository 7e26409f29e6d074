#include "lb/l4/address_claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ballast::l4 {
namespace {

using ::testing::IsEmpty;
using State = AddressClaim::State;

const Instant kStart = Instant::FromNanos(1'000'000'000);
const Address kVip = Address::V4(0xc0000201);

// Runs the claim to `until` and writes what it sent as text: p and a.
std::string Sent(AddressClaim& claim, Instant until) {
  std::string sent;
  while (claim.deadline() <= until) {
    for (const auto& action : claim.Step(claim.deadline())) {
      sent += action.send == AddressClaim::Send::kProbe ? 'p' : 'a';
    }
  }
  return sent;
}

TEST(AddressClaimTest, ProbesThenAnnouncesTwice) {
  AddressClaim claim;
  claim.Want(kStart, {kVip}, false);
  EXPECT_EQ(Sent(claim, kStart + absl::Milliseconds(599)), "ppp");
  EXPECT_FALSE(claim.claimed(kVip));
  EXPECT_EQ(Sent(claim, kStart + absl::Milliseconds(600)), "a");
  EXPECT_TRUE(claim.claimed(kVip));
  EXPECT_EQ(Sent(claim, kStart + absl::Milliseconds(1799)), "");
  EXPECT_EQ(Sent(claim, kStart + absl::Milliseconds(1800)), "a");
  EXPECT_EQ(claim.deadline(), Instant::Never());
}

TEST(AddressClaimTest, AtOnceAnnouncesWithoutProbing) {
  AddressClaim claim;
  claim.Want(kStart, {kVip}, true);
  EXPECT_TRUE(claim.claimed(kVip));
  EXPECT_EQ(Sent(claim, kStart + absl::Seconds(5)), "aa");
}

TEST(AddressClaimTest, AnAddressInUseIsNotClaimedUntilItIsFree) {
  AddressClaim claim;
  claim.Want(kStart, {kVip}, false);
  EXPECT_EQ(Sent(claim, kStart), "p");
  EXPECT_TRUE(claim.OnForeignClaim(kStart + absl::Milliseconds(1), kVip));
  EXPECT_EQ(claim.state(kVip), State::kConflict);
  const Instant retry = kStart + absl::Milliseconds(1) + AddressClaim::kRetry;
  EXPECT_EQ(Sent(claim, retry - absl::Nanoseconds(1)), "");
  EXPECT_EQ(Sent(claim, retry + absl::Seconds(2)), "pppaa");
  EXPECT_TRUE(claim.claimed(kVip));
}

TEST(AddressClaimTest, TellsOnceThatAnAddressIsInUseAndThatItIsClaimed) {
  using Kind = AddressClaim::News::Kind;
  AddressClaim claim;
  claim.Want(kStart, {kVip}, false);
  Instant now = kStart;
  for (int i = 0; i < 3; ++i) {  // Three times it is probed, in vain.
    Sent(claim, now);
    claim.OnForeignClaim(now, kVip);
    now = now + AddressClaim::kRetry;
  }
  std::vector<AddressClaim::News> news = claim.TakeNews();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].kind, Kind::kInUse);
  EXPECT_EQ(news[0].address, kVip);
  Sent(claim, now + absl::Seconds(2));
  news = claim.TakeNews();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].kind, Kind::kClaimedAfterUse);
  now = now + absl::Seconds(3);
  claim.OnForeignClaim(now, kVip);
  claim.OnForeignClaim(now + absl::Seconds(1), kVip);  // Not yet again.
  news = claim.TakeNews();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].kind, Kind::kDefended);
  EXPECT_FALSE(claim.has_news());
}

TEST(AddressClaimTest, AClaimedAddressIsDefendedOnceInTenSeconds) {
  AddressClaim claim;
  claim.Want(kStart, {kVip}, true);
  Sent(claim, kStart + absl::Seconds(2));
  const Instant later = kStart + absl::Seconds(3);
  EXPECT_TRUE(claim.OnForeignClaim(later, kVip));
  EXPECT_TRUE(claim.OnForeignClaim(later + absl::Seconds(1), kVip));
  EXPECT_EQ(Sent(claim, later + absl::Seconds(2)), "a");
  EXPECT_TRUE(claim.claimed(kVip));
}

// Two units claim it: whoever took it last repeats that, unopposed.
TEST(AddressClaimTest, ADefenceTakesThePlaceOfNoAnnouncement) {
  AddressClaim claim;
  claim.Want(kStart, {kVip}, true);
  claim.Step(kStart);
  const Instant soon = kStart + absl::Milliseconds(5);
  EXPECT_TRUE(claim.OnForeignClaim(soon, kVip));
  EXPECT_EQ(claim.deadline(), soon);
  EXPECT_EQ(claim.Step(soon).size(), 1u);
  EXPECT_EQ(claim.deadline(), kStart + AddressClaim::kSecondAnnouncement);
  EXPECT_EQ(claim.Step(claim.deadline()).size(), 1u);
  EXPECT_EQ(claim.deadline(), Instant::Never());
}

TEST(AddressClaimTest, ReannouncesWhatIsClaimedOnly) {
  AddressClaim claim;
  const Address other = Address::V4(0xc0000202);
  claim.Want(kStart, {kVip}, true);
  claim.Want(kStart, {kVip, other}, false);
  claim.OnForeignClaim(kStart, other);
  Sent(claim, kStart + absl::Seconds(2));
  claim.Reannounce(kStart + absl::Seconds(3));
  EXPECT_EQ(Sent(claim, kStart + absl::Seconds(5)), "aa");
}

TEST(AddressClaimTest, WantingTheSameAgainSendsNothing) {
  AddressClaim claim;
  claim.Want(kStart, {kVip}, true);
  Sent(claim, kStart + absl::Seconds(2));
  claim.Want(kStart + absl::Seconds(3), {kVip}, false);
  EXPECT_TRUE(claim.claimed(kVip));
  EXPECT_THAT(Sent(claim, kStart + absl::Seconds(9)), IsEmpty());
  claim.Want(kStart + absl::Seconds(10), {}, false);
  EXPECT_FALSE(claim.claimed(kVip));
  EXPECT_FALSE(claim.OnForeignClaim(kStart + absl::Seconds(11), kVip));
}

}  // namespace
}  // namespace ballast::l4
