#include "lb/run/packet_thread.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <future>
#include <memory>
#include <utility>

#include "io/unique_fd.h"
#include "lb/l4/director_world.h"

namespace ballast::run {
namespace {

// Nothing ever comes.
class Silence : public PacketIo {
 public:
  size_t Receive(std::span<Frame>) override { return 0; }
  size_t Send(std::span<const Frame> frames) override { return frames.size(); }
  void Release(std::span<const Frame>) override {}
  size_t Allocate(std::span<Frame>) override { return 0; }
  int fd() const override { return fd_.get(); }
  PacketIoStats stats() const override { return {}; }

 private:
  UniqueFd fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

class PacketThreadTest : public ::testing::Test {
 protected:
  static constexpr absl::Duration kLong = absl::Seconds(20);
  static constexpr absl::Duration kShort = absl::Milliseconds(20);

  void SetUp() override {
    auto thread = PacketThread::Start(std::make_unique<Silence>(),
                                      std::move(world_.director));
    ASSERT_TRUE(thread.ok()) << thread.status();
    thread_ = *std::move(thread);
  }
  // The thread does nothing until Free().
  void Hold() {
    ASSERT_TRUE(thread_->Post([this](Instant, l4::Director&) {
      held_.set_value();
      free_.get_future().wait();
    }));
    held_.get_future().wait();
  }
  void Free() { free_.set_value(); }

  std::promise<void> held_;
  std::promise<void> free_;
  l4::DirectorWorld world_{
      {.services = {l4::Service(l4::kVip, {"10.0.0.1:8080"})}}};
  std::unique_ptr<PacketThread> thread_;
};

TEST_F(PacketThreadTest, OrdersRunInOrder) {
  int last = 0;
  for (int i = 1; i <= 100; ++i) {
    ASSERT_TRUE(thread_->Post([&last, i](Instant, l4::Director&) {
      EXPECT_EQ(std::exchange(last, i), i - 1);
    }));
  }
  EXPECT_TRUE(thread_->Call([](Instant, l4::Director&) {}));
  EXPECT_EQ(last, 100);
}

TEST_F(PacketThreadTest, AFullMailboxRefuses) {
  Hold();
  for (size_t i = 0; i < PacketThread::kMailboxMax; ++i) {
    EXPECT_TRUE(thread_->Post([](Instant, l4::Director&) {}));
  }
  EXPECT_FALSE(thread_->Post([](Instant, l4::Director&) {}));
  EXPECT_FALSE(thread_->Call([](Instant, l4::Director&) {}));
  Free();
}

TEST_F(PacketThreadTest, AThreadThatRunsAnswersAgainAndAgain) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(thread_->Answers(kLong));
}

TEST_F(PacketThreadTest, OneThatDoesNotRunDoesNotAnswer) {
  Hold();
  EXPECT_FALSE(thread_->Answers(kShort));
  EXPECT_FALSE(thread_->Answers(absl::ZeroDuration()));
  Free();
  EXPECT_TRUE(thread_->Answers(kLong));
}

TEST_F(PacketThreadTest, AnAnswerThatCameLateCounts) {
  Hold();
  EXPECT_FALSE(thread_->Answers(absl::ZeroDuration()));
  Free();
  EXPECT_TRUE(thread_->Call([](Instant, l4::Director&) {}));
  EXPECT_TRUE(thread_->Answers(absl::ZeroDuration()));
}

}  // namespace
}  // namespace ballast::run
