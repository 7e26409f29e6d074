// Expected values: LoadMaster behaviour document §2.4 (worked sequences) and
// the IPVS sync notes §6 (what goes out for which settings, seen with a real
// kernel).
#include "ha/sync_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ballast::ha {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// IPVS's states and their timeouts.
enum State : uint8_t {
  kEstablished = 1,
  kSynReceived = 3,
  kFinWait = 4,
  kTimeWait = 5,
  kClose = 6,
  kCloseWait = 7,
  kLastAck = 8,
};
constexpr uint32_t kTimeoutMs[] = {2000,   900000, 120000, 60000, 120000,
                                   120000, 10000,  60000,  30000};

bool IsSynced(uint8_t state) {
  return state == kEstablished || (state >= kFinWait && state <= kCloseWait);
}

// One connection or template on a clock of its own.
class Entry {
 public:
  explicit Entry(const SyncSettings& settings, uint32_t now_ms = 0)
      : settings_(settings), now_ms_(now_ms), memory_{.end_ms = now_ms} {}

  void Sleep(uint32_t ms) { now_ms_ += ms; }
  void set_count(uint32_t count) { count_ = count; }
  uint32_t count() const { return count_; }
  uint32_t now_ms() const { return now_ms_; }
  const SyncMemory& memory() const { return memory_; }

  bool Tcp(uint8_t state) {
    return Ask({.timeout_ms = kTimeoutMs[state],
                .state = state,
                .state_synced = IsSynced(state),
                .state_established = state == kEstablished});
  }
  bool Udp() { return Ask({.timeout_ms = 300000, .has_states = false}); }
  bool Template(uint32_t timeout_ms = 360000) {
    return Ask(
        {.timeout_ms = timeout_ms, .has_states = false, .is_template = true});
  }

  // The counts at which a connection that was set up with one SYN, or came by
  // sync (SYN = false), sends in `packets` packets.
  std::vector<uint32_t> TcpCounts(uint32_t packets, uint32_t gap_ms = 0) {
    std::vector<uint32_t> counts;
    for (uint32_t i = 0; i < packets; ++i) {
      const bool sent = Tcp(count_ == 0 ? kSynReceived : kEstablished);
      if (sent) counts.push_back(count_);
      Sleep(gap_ms);
    }
    return counts;
  }
  // The times, in ms from now, at which it sends.
  template <typename Packet>
  std::vector<uint32_t> Times(uint32_t packets, uint32_t gap_ms,
                              Packet packet) {
    const uint32_t start = now_ms_;
    std::vector<uint32_t> times;
    for (uint32_t i = 0; i < packets; ++i) {
      if (packet()) times.push_back(now_ms_ - start);
      Sleep(gap_ms);
    }
    return times;
  }

 private:
  bool Ask(SyncQuestion question) {
    question.now_ms = now_ms_;
    question.count_before = count_++;
    question.count_after = count_;
    return AskSyncPolicy(settings_, question, memory_);
  }

  SyncSettings settings_;
  uint32_t now_ms_;
  uint32_t count_ = 0;
  SyncMemory memory_;
};

// -- By count ---------------------------------------------------------------

struct Sequence {
  const char* name;
  SyncSettings settings;
  uint32_t packets;
  std::vector<uint32_t> counts;
};

class SyncPolicyCountTest : public ::testing::TestWithParam<Sequence> {};

TEST_P(SyncPolicyCountTest, SendsAtExactlyTheseCounts) {
  Entry entry(GetParam().settings);
  EXPECT_THAT(entry.TcpCounts(GetParam().packets),
              ElementsAreArray(GetParam().counts));
}

INSTANTIATE_TEST_SUITE_P(
    , SyncPolicyCountTest,
    ::testing::Values(
        // §2.4's table.
        Sequence{"Threshold3Period50", {3, 50, 0}, 160, {3, 53, 103, 153}},
        Sequence{"Threshold0Period50", {0, 50, 0}, 160, {50, 100, 150}},
        Sequence{"Threshold49Period50", {49, 50, 0}, 150, {49, 99, 149}},
        Sequence{"Threshold3AloneSendsOnce", {3, 0, 0}, 1000, {3}},
        Sequence{"AllZeroSendsNoneByCount", {0, 0, 0}, 1000, {}},
        // §6.3's.
        Sequence{"Period2", {0, 2, 0}, 7, {2, 4, 6}},
        Sequence{"SynReceivedIsNotSent", {1, 4, 0}, 10, {5, 9}},
        Sequence{
            "Period1IsEveryPacketFromTheSecond", {0, 1, 0}, 5, {2, 3, 4, 5}},
        // What configuration refuses and a foreign unit cannot have.
        Sequence{"ThresholdNotBelowPeriodNeverMatches", {5, 5, 0}, 100, {}}),
    [](const auto& info) { return info.param.name; });

TEST(SyncPolicyTest, UdpIsSentAtItsFirstPacketWhenThatIsTheThreshold) {
  Entry entry({1, 10, 0});
  std::vector<uint32_t> counts;
  for (int i = 0; i < 35; ++i) {
    if (entry.Udp()) counts.push_back(entry.count());
  }
  EXPECT_THAT(counts, ElementsAre(1, 11, 21, 31));
}

TEST(SyncPolicyTest, AnEntryReceivedWithTheThresholdAsCountSendsAPeriodLater) {
  Entry entry({3, 50, 0});
  entry.set_count(3);
  EXPECT_THAT(entry.TcpCounts(100), ElementsAre(53, 103));
}

// -- State changes ----------------------------------------------------------

TEST(SyncPolicyTest, EstablishedIsNotSentForTheChangeAlone) {
  Entry entry({3, 50, 0});
  EXPECT_FALSE(entry.Tcp(kSynReceived));
  EXPECT_FALSE(entry.Tcp(kEstablished));
  EXPECT_EQ(entry.memory().last_state, 0);
  EXPECT_TRUE(entry.Tcp(kEstablished));
  EXPECT_EQ(entry.memory().last_state, kEstablished);
}

TEST(SyncPolicyTest, ClosingStatesAreSentAtOnceAndOnce) {
  for (const uint8_t state : {kFinWait, kTimeWait, kClose, kCloseWait}) {
    SCOPED_TRACE(int{state});
    Entry entry({0, 0, 0});
    EXPECT_FALSE(entry.Tcp(kSynReceived));
    EXPECT_FALSE(entry.Tcp(kEstablished));
    EXPECT_TRUE(entry.Tcp(state));
    EXPECT_FALSE(entry.Tcp(state));
  }
}

TEST(SyncPolicyTest, ClosingStatesAreNotHeldBackByTheRefreshPeriod) {
  Entry entry({0, 0, 10});
  EXPECT_FALSE(entry.Tcp(kSynReceived));
  EXPECT_TRUE(entry.Tcp(kEstablished));
  EXPECT_TRUE(entry.Tcp(kCloseWait));
  EXPECT_TRUE(entry.Tcp(kTimeWait));
}

TEST(SyncPolicyTest, AClosingStateIsSentByCountAgain) {
  Entry entry({3, 5, 0});
  EXPECT_FALSE(entry.Tcp(kSynReceived));
  EXPECT_TRUE(entry.Tcp(kFinWait));
  EXPECT_TRUE(entry.Tcp(kFinWait));  // Number 3.
  EXPECT_FALSE(entry.Tcp(kFinWait));
}

TEST(SyncPolicyTest, LastAckIsSentNeitherForTheChangeNorByCount) {
  Entry entry({0, 1, 0});
  EXPECT_FALSE(entry.Tcp(kSynReceived));
  EXPECT_TRUE(entry.Tcp(kEstablished));
  EXPECT_FALSE(entry.Tcp(kLastAck));
  EXPECT_FALSE(entry.Tcp(kLastAck));
  EXPECT_EQ(entry.memory().last_state, kEstablished);
}

TEST(SyncPolicyTest, ReopeningToEstablishedWaitsForTheCount) {
  Entry entry({3, 50, 0});
  entry.set_count(10);
  EXPECT_TRUE(entry.Tcp(kFinWait));
  EXPECT_FALSE(entry.Tcp(kEstablished));
  EXPECT_EQ(entry.memory().last_state, kFinWait);
  EXPECT_TRUE(entry.Tcp(kCloseWait));
}

TEST(SyncPolicyTest, AStateChangeForgetsRetries) {
  Entry entry({0, 0, 8, 2});
  entry.Tcp(kEstablished);
  entry.Sleep(1000);
  EXPECT_TRUE(entry.Tcp(kEstablished));
  EXPECT_EQ(entry.memory().retries, 1);
  EXPECT_TRUE(entry.Tcp(kFinWait));
  EXPECT_EQ(entry.memory().retries, 0);
}

// -- Refresh ----------------------------------------------------------------

TEST(SyncPolicyTest, RefreshWithoutPeriodSendsFirstAndThenEachRefreshPeriod) {
  Entry entry({3, 0, 5});
  EXPECT_FALSE(entry.Tcp(kSynReceived));
  EXPECT_THAT(entry.Times(150, 100, [&] { return entry.Tcp(kEstablished); }),
              ElementsAre(0, 5000, 10000));
}

TEST(SyncPolicyTest, RefreshIsReachedAtExactlyThePeriod) {
  Entry entry({3, 0, 10});
  EXPECT_TRUE(entry.Tcp(kEstablished));
  entry.Sleep(9999);
  EXPECT_FALSE(entry.Tcp(kEstablished));
  entry.Sleep(1);
  EXPECT_TRUE(entry.Tcp(kEstablished));
}

TEST(SyncPolicyTest, RefreshAndPeriodMustBothHold) {
  // Twenty packets a second: the counts come each 2.5 s, the refresh each 10.
  Entry entry({3, 50, 10});
  EXPECT_THAT(entry.TcpCounts(700, 50), ElementsAre(3, 203, 403, 603));
  // Slower than the refresh: each count.
  Entry slow({3, 50, 10});
  EXPECT_THAT(slow.TcpCounts(160, 200), ElementsAre(3, 53, 103, 153));
}

TEST(SyncPolicyTest, RefreshIsBoundedByHalfTheTimeoutButNotBelowTenSeconds) {
  // FIN_WAIT, 120 s: half of it is less than the refresh of 100 s.
  Entry half({0, 0, 100});
  EXPECT_TRUE(half.Tcp(kFinWait));
  half.Sleep(59999);
  EXPECT_FALSE(half.Tcp(kFinWait));
  half.Sleep(1);
  EXPECT_TRUE(half.Tcp(kFinWait));
  // CLOSE, 10 s: half is 5 s, so 10 s it is.
  Entry ten({0, 0, 100});
  EXPECT_TRUE(ten.Tcp(kClose));
  ten.Sleep(9999);
  EXPECT_FALSE(ten.Tcp(kClose));
  ten.Sleep(1);
  EXPECT_TRUE(ten.Tcp(kClose));
}

TEST(SyncPolicyTest, AnotherTimeoutShiftsTheEndAndSendsAtOnce) {
  Entry entry({0, 0, 10});
  EXPECT_TRUE(entry.Tcp(kCloseWait));
  EXPECT_TRUE(entry.Tcp(kEstablished));  // Not the change: 60 s against 900 s.
}

TEST(SyncPolicyTest, ANewEntryIsHeldBackIfItsTimeoutIsBelowTheRefresh) {
  // The end starts as the time of creation, so the shift is the timeout.
  Entry entry({0, 0, 10});
  EXPECT_FALSE(entry.Template(9999));
  EXPECT_TRUE(entry.Template(10000));
}

TEST(SyncPolicyTest, RetriesComeAnEighthOfTheRefreshApart) {
  // §6.2's remark: F = 8 s, K = 2, a packet each 0.5 s.
  Entry entry({3, 0, 8, 2});
  EXPECT_THAT(
      entry.Times(45, 500, [&] { return entry.Tcp(kEstablished); }),
      ElementsAre(0, 1000, 2000, 10000, 11000, 12000, 20000, 21000, 22000));
}

TEST(SyncPolicyTest, MoreThanThreeRetriesAreThree) {
  Entry entry({3, 0, 8, 200});
  EXPECT_THAT(entry.Times(24, 500, [&] { return entry.Tcp(kEstablished); }),
              ElementsAre(0, 1000, 2000, 3000, 11000));
}

// -- Templates --------------------------------------------------------------

TEST(SyncPolicyTest, ATemplateIsSentAtEachPacketWithAPeriodAndNoRefresh) {
  Entry entry({3, 50, 0});
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(entry.Template());
}

TEST(SyncPolicyTest, ATemplateIsSentAtItsOwnThresholdOnlyWithoutAPeriod) {
  Entry entry({3, 0, 0});
  std::vector<uint32_t> counts;
  for (int i = 0; i < 60; ++i) {
    if (entry.Template()) counts.push_back(entry.count());
  }
  EXPECT_THAT(counts, ElementsAre(3));
  Entry never({0, 0, 0});
  EXPECT_THAT(never.Times(60, 10, [&] { return never.Template(); }), IsEmpty());
}

TEST(SyncPolicyTest, ATemplateIsSentOncePerRefreshPeriod) {
  Entry entry({3, 50, 2});
  EXPECT_THAT(entry.Times(50, 100, [&] { return entry.Template(); }),
              ElementsAre(0, 2000, 4000));
}

TEST(SyncPolicyTest, ATemplateHasNoStatesToChange) {
  SyncMemory memory;
  EXPECT_FALSE(AskSyncPolicy({0, 0, 0},
                             {.timeout_ms = 360000,
                              .count_after = 1,
                              .state = 1,
                              .has_states = true,
                              .is_template = true},
                             memory));
}

TEST(SyncPolicyTest, ATimerThatRunsOutInUseIsAskedAsTheThreshold) {
  for (const SyncSettings settings :
       {SyncSettings{3, 0, 0}, SyncSettings{0, 0, 0}, SyncSettings{3, 50, 0}}) {
    SyncMemory memory;
    EXPECT_TRUE(AskSyncPolicy(settings,
                              {.timeout_ms = 60000,
                               .count_before = settings.threshold - 1,
                               .count_after = settings.threshold,
                               .has_states = false,
                               .is_template = true},
                              memory));
  }
}

TEST(SyncPolicyTest, AMuchShorterTimeoutSendsAtOnceToo) {
  // The end moves back: |new_end - end| counts.
  Entry entry({0, 0, 10});
  EXPECT_TRUE(entry.Template(360000));
  EXPECT_FALSE(entry.Template(360000 - 9999));
  EXPECT_TRUE(entry.Template(360000 - 10000));
}

// -- Clock and counts -------------------------------------------------------

TEST(SyncPolicyTest, TheClockMayWrapAnywhere) {
  const auto times = [](uint32_t start) {
    Entry entry({3, 0, 8, 2}, start);
    return entry.Times(45, 500, [&] { return entry.Tcp(kEstablished); });
  };
  for (const uint32_t before_wrap : {1u, 1500u, 2000u, 9999u, 600000u, 900000u,
                                     901500u, 0x80000000u, 0x80001000u}) {
    EXPECT_EQ(times(0u - before_wrap), times(0)) << before_wrap;
  }
}

TEST(SyncPolicyTest, AnEmptyIntervalIsNoQuestion) {
  SyncMemory memory;
  EXPECT_FALSE(AskSyncPolicy({0, 1, 0},
                             {.timeout_ms = 120000,
                              .count_before = 7,
                              .count_after = 7,
                              .state = kFinWait},
                             memory));
  EXPECT_EQ(memory, SyncMemory{});
}

TEST(SyncPolicyTest, ALumpSendsIfItCrossedTheMark) {
  const auto sends = [](uint32_t before, uint32_t after) {
    SyncMemory memory;
    return AskSyncPolicy({3, 50, 0},
                         {.timeout_ms = 900000,
                          .count_before = before,
                          .count_after = after,
                          .state = kEstablished,
                          .state_established = true},
                         memory);
  };
  EXPECT_TRUE(sends(0, 3));
  EXPECT_FALSE(sends(3, 52));  // Exclusive of what was counted before.
  EXPECT_TRUE(sends(3, 53));
  EXPECT_TRUE(sends(52, 53));
  EXPECT_TRUE(sends(10, 200));
  EXPECT_FALSE(sends(54, 102));
}

// Goal    packets reported in lumps decide as if they had been seen one by one.
// Method  random settings, memory and lump, against a loop of single packets
//         with the same time and state. Some counts wrap.
TEST(SyncPolicyTest, AnIntervalDecidesAsItsPacketsOneByOne) {
  std::mt19937 prng(8848);
  const auto pick = [&](uint32_t below) { return prng() % below; };
  int sent = 0;
  for (int i = 0; i < 300000; ++i) {
    SyncSettings settings;
    settings.period = pick(3) == 0 ? 0 : 1 + pick(60);
    settings.threshold = pick(settings.period == 0 ? 40 : settings.period + 2);
    settings.refresh_s = pick(2) * pick(11);
    settings.retries = pick(4);
    SyncQuestion question;
    question.now_ms = prng();
    question.timeout_ms = pick(3) == 0 ? 60000 : 900000;
    question.count_before = pick(4) == 0 ? 0u - pick(70) : pick(200);
    question.count_after = question.count_before + pick(120);
    question.state = pick(9);
    question.has_states = pick(3) != 0;
    question.is_template = pick(4) == 0;
    question.state_synced = IsSynced(question.state);
    question.state_established = question.state == kEstablished;
    SyncMemory memory;
    memory.end_ms =
        question.now_ms + question.timeout_ms - pick(20) * 1000 - pick(2);
    memory.last_state = pick(9);
    memory.retries = pick(4);

    SyncMemory single = memory;
    bool any = false;
    for (SyncQuestion one = question; one.count_before != question.count_after;
         ++one.count_before) {
      one.count_after = one.count_before + 1;
      any |= AskSyncPolicy(settings, one, single);
    }
    const bool lump = AskSyncPolicy(settings, question, memory);
    ASSERT_EQ(lump, any) << "case " << i;
    ASSERT_EQ(memory, single) << "case " << i;
    sent += lump;
  }
  EXPECT_GT(sent, 50000);  // It decides both ways.
  EXPECT_LT(sent, 250000);
}

}  // namespace
}  // namespace ballast::ha
