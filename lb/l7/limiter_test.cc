// Limits by the clock: what passes is what R*t + burst says (traffic_meter.h),
// to the nanosecond.
#include "lb/l7/limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace ballast::l7 {
namespace {

constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);

Address A(const char* text) { return *Address::Parse(text); }

class LimiterTest : public testing::Test {
 protected:
  std::optional<LimitReason> Open(const char* client = "192.0.2.1") {
    Ticket ticket;
    const auto refusal = ticket.Open(now, service, A(client));
    if (refusal) return refusal->reason;
    open.push_back(std::move(ticket));
    return std::nullopt;
  }
  // How many of `count` connections pass, each closed at once.
  int Pass(int count, const char* client = "192.0.2.1") {
    int passed = 0;
    for (int i = 0; i < count; ++i) {
      Ticket ticket;
      passed += !ticket.Open(now, service, A(client)).has_value();
    }
    return passed;
  }
  static int Requests(Ticket& ticket, Instant at, int count) {
    int passed = 0;
    for (int i = 0; i < count; ++i) passed += !ticket.Request(at).has_value();
    return passed;
  }

  Instant now = kStart;
  std::shared_ptr<Limiter> limiter =
      std::make_shared<Limiter>(Limiter::Options{.clients_max = 1024});
  std::shared_ptr<LimitedService> service = limiter->NewService();
  std::vector<Ticket> open;
};

TEST_F(LimiterTest, WhatWouldBeRefusedIsWhatIs) {
  const auto limits = [](uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    return config::TrafficLimits{.all = {.connections = a,
                                         .connections_per_second = b,
                                         .requests_per_second = c},
                                 .client = {.connections = d,
                                            .connections_per_second = 2,
                                            .requests_per_second = 3}};
  };
  limiter->Set(now, limits(9, 20, 30, 4));
  service->Set(now, limits(8, 15, 12, 3));
  std::set<LimitReason> seen;
  uint32_t dice = 1;
  for (int i = 0; i < 5000; ++i) {
    dice = dice * 1664525 + 1013904223;
    now += absl::Milliseconds(dice >> 26);
    if ((dice >> 8) % 4 == 0 && !open.empty()) open.pop_back();
    const char* const client = (dice >> 12) % 3 == 0   ? "192.0.2.1"
                               : (dice >> 12) % 3 == 1 ? "192.0.2.2"
                                                       : "192.0.2.3";
    const auto would = service->WouldRefuse(now, A(client), true);
    ASSERT_EQ(service->WouldRefuse(now, A(client), true), would);
    Ticket ticket;
    auto refused = ticket.Open(now, service, A(client));
    if (!refused) refused = ticket.Request(now);
    ASSERT_EQ(refused, would) << i;
    if (refused) seen.insert(refused->reason);
    if ((dice >> 16) % 2 == 0) open.push_back(std::move(ticket));
  }
  EXPECT_GE(seen.size(), 3u);
}

TEST_F(LimiterTest, WithoutLimitsEverythingPassesAndIsCounted) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Open(), std::nullopt);
  EXPECT_EQ(service->open(), 100u);
  EXPECT_EQ(Requests(open[0], now, 1000), 1000);
  EXPECT_EQ(open[0].Charge(now, 1 << 30), now);
  open.clear();
  EXPECT_EQ(service->open(), 0u);
}

TEST_F(LimiterTest, OneConnectionTooManyIsRefusedUntilAnotherEnds) {
  service->Set(
      now, {.all = {.connections = 3}, .excess = config::Excess::kStatus503});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Open(), std::nullopt);
  Ticket late;
  EXPECT_EQ(
      late.Open(now, service, A("192.0.2.9")),
      (LimitRefusal{LimitReason::kConnections, config::Excess::kStatus503}));
  EXPECT_FALSE(late.open());
  EXPECT_EQ(late.Request(now)->reason, LimitReason::kConnections);
  open.pop_back();
  EXPECT_EQ(Open(), std::nullopt);
  EXPECT_EQ(service->refused(LimitReason::kConnections), 1u);
  EXPECT_EQ(service->open(), 3u);
}

TEST_F(LimiterTest, ALimitHoldsForWhatIsOpenAlready) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Open(), std::nullopt);
  service->Set(now, {.all = {.connections = 4}});
  EXPECT_EQ(Open(), LimitReason::kConnections);
  open.resize(3);
  EXPECT_EQ(Open(), std::nullopt);
  EXPECT_EQ(Open(), LimitReason::kConnections);
  service->Set(now, {});
  EXPECT_EQ(Open(), std::nullopt);
}

TEST_F(LimiterTest, ARateOfConnectionsHasABurstAndThenItsInterval) {
  service->Set(now, {.all = {.connections_per_second = 100}});
  EXPECT_EQ(Pass(1000), 25);  // A quarter of a second's.
  now += absl::Milliseconds(10) - absl::Nanoseconds(1);
  EXPECT_EQ(Pass(10), 0);
  now += absl::Nanoseconds(1);
  EXPECT_EQ(Pass(10), 1);
  now += absl::Seconds(1);
  EXPECT_EQ(Pass(1000), 25);  // No more is saved up.
}

TEST_F(LimiterTest, OverFiveSecondsARateIsWithinTenPerCent) {
  for (const uint32_t rate : {100u, 1000u, 1'000'000u}) {
    SCOPED_TRACE(rate);
    service->Set(now, {.all = {.requests_per_second = rate}});
    Ticket ticket;
    ASSERT_FALSE(ticket.Open(now, service, A("192.0.2.1")));
    int passed = 0;
    for (int tick = 0; tick < 5000; ++tick) {
      passed += Requests(ticket, now, static_cast<int>(rate / 500));
      if (rate < 500) passed += Requests(ticket, now, 1);
      now += absl::Milliseconds(1);
    }
    EXPECT_NEAR(passed, 5.0 * rate, 0.1 * 5 * rate);
    now += absl::Seconds(2);
  }
}

TEST_F(LimiterTest, LowRatesLetASecondsWorthPassAtOnce) {
  service->Set(now, {.all = {.connections_per_second = 6}});
  EXPECT_EQ(Pass(100), 6);
  service->Set(now, {.all = {.connections_per_second = 1}});
  now += absl::Seconds(1);
  EXPECT_EQ(Pass(100), 1);
}

TEST_F(LimiterTest, AHigherRateIsInForceAtOnce) {
  service->Set(now, {.all = {.requests_per_second = 1}});
  Ticket ticket;
  ASSERT_FALSE(ticket.Open(now, service, A("192.0.2.1")));
  EXPECT_EQ(Requests(ticket, now, 10), 1);
  service->Set(now, {.all = {.requests_per_second = 1000}});
  // Not a burst for free, but a thousandth of a second is the wait now.
  EXPECT_EQ(Requests(ticket, now, 10), 0);
  EXPECT_EQ(Requests(ticket, now + absl::Milliseconds(1), 10), 1);
  service->Set(now, {});
  EXPECT_EQ(Requests(ticket, now, 1000), 1000);
}

TEST_F(LimiterTest, AClientThatExceedsItsLimitUsesUpNobodyElses) {
  service->Set(now, {.all = {.connections_per_second = 20},
                     .client = {.connections_per_second = 4}});
  EXPECT_EQ(Pass(100, "192.0.2.1"), 4);
  EXPECT_EQ(Pass(100, "192.0.2.2"), 4);
  EXPECT_EQ(Pass(100, "192.0.2.3"), 2);  // Of the service's burst of ten.
  EXPECT_EQ(service->refused(LimitReason::kClientConnectionRate), 192u);
  EXPECT_EQ(service->refused(LimitReason::kConnectionRate), 98u);
  // What the service refused the third was not taken from its own.
  service->Set(now, {.client = {.connections_per_second = 4}});
  EXPECT_EQ(Pass(100, "192.0.2.3"), 2);
}

TEST_F(LimiterTest, ClientsAreCountedApartAndIpv6ByTheirNetwork) {
  service->Set(now, {.client = {.connections = 2}});
  EXPECT_EQ(Open("192.0.2.1"), std::nullopt);
  EXPECT_EQ(Open("192.0.2.1"), std::nullopt);
  EXPECT_EQ(Open("192.0.2.1"), LimitReason::kClientConnections);
  EXPECT_EQ(Open("192.0.2.2"), std::nullopt);
  EXPECT_EQ(Open("2001:db8:0:1::1"), std::nullopt);
  EXPECT_EQ(Open("2001:db8:0:1:ffff::2"), std::nullopt);
  EXPECT_EQ(Open("2001:db8:0:1::3"), LimitReason::kClientConnections);
  EXPECT_EQ(Open("2001:db8:0:2::1"), std::nullopt);
}

TEST_F(LimiterTest, TheUnitsLimitsHoldOverAllServices) {
  const auto other = limiter->NewService();
  limiter->Set(now, {.all = {.connections = 3},
                     .client = {.connections = 2},
                     .excess = config::Excess::kStatus429});
  Ticket a, b, c, d;
  EXPECT_FALSE(a.Open(now, service, A("192.0.2.1")));
  EXPECT_FALSE(b.Open(now, other, A("192.0.2.1")));
  EXPECT_EQ(c.Open(now, other, A("192.0.2.1")),
            (LimitRefusal{LimitReason::kUnitClientConnections,
                          config::Excess::kStatus429}));
  EXPECT_FALSE(c.Open(now, other, A("192.0.2.2")));
  EXPECT_EQ(d.Open(now, service, A("192.0.2.3"))->reason,
            LimitReason::kUnitConnections);
  EXPECT_EQ(other->refused(LimitReason::kUnitClientConnections), 1u);
  EXPECT_EQ(service->refused(LimitReason::kUnitConnections), 1u);
  a.Close();
  EXPECT_FALSE(d.Open(now, service, A("192.0.2.3")));
}

TEST_F(LimiterTest, ConnectionsFromBeforeAClientsLimitCountOnceAdopted) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Open(), std::nullopt);
  service->Set(now, {.client = {.connections = 2}});
  for (Ticket& ticket : open) {
    ticket.Adopt(now);
    ticket.Adopt(now);  // Once is enough.
  }
  EXPECT_EQ(Open(), LimitReason::kClientConnections);
  open.pop_back();
  EXPECT_EQ(Open(), std::nullopt);
}

TEST_F(LimiterTest, BytesArePacedByTheirBandwidth) {
  // 8 Mbit/s: a microsecond a byte. The burst is 50 ms, 50,000 bytes.
  service->Set(now, {.all = {.bandwidth_kbit_s = 8000}});
  Ticket ticket;
  ASSERT_FALSE(ticket.Open(now, service, A("192.0.2.1")));
  EXPECT_LE(ticket.Charge(now, 50'000), now);
  EXPECT_EQ(ticket.Charge(now, 1000), now + absl::Milliseconds(1));
  EXPECT_EQ(ticket.Charge(now, 1000), now + absl::Milliseconds(2));
  // Another connection waits behind it.
  Ticket other;
  ASSERT_FALSE(other.Open(now, service, A("192.0.2.2")));
  EXPECT_EQ(other.Charge(now, 10'000), now + absl::Milliseconds(12));
  // A raised limit forgets what was owed under the old one.
  service->Set(now, {.all = {.bandwidth_kbit_s = 80'000}});
  EXPECT_LE(ticket.Charge(now, 1000), now);
}

TEST_F(LimiterTest, OfTwoBandwidthsTheSlowerHolds) {
  service->Set(now, {.all = {.bandwidth_kbit_s = 80'000},
                     .client = {.bandwidth_kbit_s = 8000}});
  Ticket ticket;
  ASSERT_FALSE(ticket.Open(now, service, A("192.0.2.1")));
  EXPECT_EQ(ticket.bandwidth(), 8000u);
  EXPECT_EQ(ticket.Charge(now, 60'000), now + absl::Milliseconds(10));
}

TEST_F(LimiterTest, ManyClientsAtOnceFillTheTableAndPassCounted) {
  limiter = std::make_shared<Limiter>(Limiter::Options{.clients_max = 16});
  service = limiter->NewService();
  service->Set(now, {.client = {.connections_per_second = 1}});
  for (uint32_t i = 0; i < 16; ++i) {
    Ticket ticket;
    EXPECT_FALSE(ticket.Open(now, service, Address::V4(i)));
  }
  EXPECT_EQ(limiter->clients_full(), 0u);
  EXPECT_EQ(Pass(5), 5);
  EXPECT_EQ(limiter->clients_full(), 5u);
  // A second later all of them are idle, and their places anybody's.
  now += absl::Seconds(1);
  EXPECT_EQ(Pass(5), 1);
  EXPECT_EQ(limiter->clients_full(), 5u);
}

// Two threads share a second's worth, and neither gets one more than it has.
TEST_F(LimiterTest, LimitsAreExactOverThreads) {
  service->Set(now, {.all = {.connections_per_second = 400'000},
                     .client = {.connections = 1000}});
  std::atomic<int> passed{0};
  std::atomic<int> most{0};
  std::atomic<int> held{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      std::vector<Ticket> tickets;
      for (int j = 0; j < 80'000; ++j) {
        Ticket ticket;
        if (ticket.Open(kStart, service, A("192.0.2.1"))) {
          held -= static_cast<int>(tickets.size());
          tickets.clear();
          continue;
        }
        ++passed;
        const int now_held = ++held;
        int before = most;
        while (now_held > before &&
               !most.compare_exchange_weak(before, now_held)) {
        }
        tickets.push_back(std::move(ticket));
      }
      held -= static_cast<int>(tickets.size());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 100'000);
  EXPECT_LE(most, 1000);
  EXPECT_EQ(service->open(), 0u);
}

}  // namespace
}  // namespace ballast::l7
