#include "lb/l7/limited_chooser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lb/l7/http_rig.h"

namespace ballast::l7 {
namespace {

using testing::ElementsAre;

constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);

struct World {
  explicit World(config::Excess excess) {
    service->Set(kStart, {.all = {.connections = 1, .requests_per_second = 1},
                          .excess = excess});
    EXPECT_FALSE(ticket.Open(kStart, service, kClient.address.address));
  }
  // The status of the denial; 0: closed; -1: a server.
  int Ask(uint32_t attempt = 0) {
    auto answer = limited.Choose(kStart, kClient, attempt, &head);
    if (std::holds_alternative<ServerChoice>(answer)) return -1;
    denial = std::get<Denial>(answer);
    return denial.status;
  }

  std::shared_ptr<Limiter> limiter =
      std::make_shared<Limiter>(Limiter::Options());
  std::shared_ptr<LimitedService> service = limiter->NewService();
  Ticket ticket;
  FakeChooser chooser;
  LimitedChooser limited{chooser, ticket};
  http::RequestHead head;
  Denial denial;
};

TEST(LimitedChooserTest, ExcessIsAnsweredAsConfigured) {
  for (const auto& [excess, status] :
       {std::pair(config::Excess::kClose, 0),
        std::pair(config::Excess::kStatus429, 429),
        std::pair(config::Excess::kStatus503, 503)}) {
    World world(excess);
    EXPECT_EQ(world.Ask(), -1);
    EXPECT_EQ(world.Ask(1), -1);  // The same request, at another server.
    EXPECT_EQ(world.Ask(), status);
    EXPECT_EQ(world.denial.retry_after_s, 1u);
    EXPECT_FALSE(world.denial.close);
    EXPECT_EQ(world.chooser.asked.size(), 2u);
    EXPECT_EQ(world.service->refused(LimitReason::kRequestRate), 1u);
  }
}

TEST(LimitedChooserTest, ARefusedConnectionIsToldAtItsFirstRequestAndClosed) {
  World world(config::Excess::kStatus503);
  Ticket second;
  EXPECT_TRUE(second.Open(kStart, world.service, kClient.address.address));
  LimitedChooser limited(world.chooser, second);
  const auto answer = limited.Choose(kStart, kClient, 0, &world.head);
  ASSERT_TRUE(std::holds_alternative<Denial>(answer));
  EXPECT_EQ(std::get<Denial>(answer).status, 503);
  EXPECT_TRUE(std::get<Denial>(answer).close);
  EXPECT_TRUE(world.chooser.asked.empty());
}

// What such an answer is on the wire.

TEST_F(HttpConnectionTest, ADenialMaySayWhenToComeAgain) {
  rig().chooser.script = {Denial{.status = 429, .retry_after_s = 1}};
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n"
            "Content-Type: text/plain\r\nContent-Length: 22\r\n\r\n"
            "429 Too Many Requests\n");
  EXPECT_EQ(rig().TakeLog(), "");
  rig().Client(kGet);
  EXPECT_EQ(rig().TakeLog(), "connect:2 ");
}

TEST_F(HttpConnectionTest, ADenialMayEndTheConnection) {
  rig().chooser.script = {
      Denial{.status = 503, .retry_after_s = 1, .close = true}};
  rig().Client(std::string(kGet) + kGet);
  EXPECT_EQ(rig().TakeClient(),
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
            "Content-Type: text/plain\r\nContent-Length: 24\r\n"
            "Connection: close\r\n\r\n503 Service Unavailable\n");
  EXPECT_EQ(rig().TakeLog(), "linger-close ");
  EXPECT_THAT(rig().chooser.asked, ElementsAre("GET /a 0"));
}

}  // namespace
}  // namespace ballast::l7
