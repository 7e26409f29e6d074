#include "lb/run/proxy_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "lb/l7/limiter.h"
#include "lb/l7/server_counters.h"
#include "lb/run/proxy_thread_testing.h"
#include "lb/run/server_news.h"

namespace ballast::run {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_P(ProxyThreadTest, ServersConnectionsAreUsedAgain) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  for (int i = 0; i < 10; ++i) {
    const UniqueFd client = Connect();
    for (int j = 0; j < 10; ++j) {
      const std::string target = absl::StrCat("/", i, "/", j);
      EXPECT_THAT(Get(client.get(), target), StartsWith("HTTP/1.1 200 OK\r\n"));
    }
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(Stats().accepted, 10u);
}

TEST_P(ProxyThreadTest, AServerThatClosesAfterEachAnswerIsNoFailure) {
  TestServer server(1);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(Get(client.get(), absl::StrCat("/", i)),
                StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  EXPECT_GE(server.connections(), 50);
}

// What a server says on an idle connection, or its end, is there when the next
// request comes, with the proxy's thread busy elsewhere: the client's bytes are
// seen first. None of it is an answer to that.
TEST_P(ProxyThreadTest, WhatCameBeforeARequestDoesNotAnswerIt) {
  const UniqueFd listener = ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value();
  Start(SocketAddress::Local(listener.get()).endpoint());
  if (IsSkipped()) return;
  const auto accepted = [&] {
    pollfd waited = {listener.get(), POLLIN, 0};
    EXPECT_EQ(poll(&waited, 1, 10'000), 1);
    return UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  };
  const auto answer = [](absl::string_view text) {
    return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", text.size(),
                        "\r\n\r\n", text);
  };
  const UniqueFd client = Connect();
  std::vector<UniqueFd> servers;
  for (int i = 0; i < 6; ++i) {
    const std::string request = "POST / HTTP/1.1\r\nHost: h\r\n\r\n";
    if (i == 0) {
      SendAll(client.get(), request);
    } else {
      std::promise<void> go;
      std::atomic<bool> stands{false};
      ASSERT_TRUE(thread_->Post([&](ProxyThread&) {
        stands = true;
        go.get_future().wait();
      }));
      while (!stands) {
      }
      SendAll(client.get(), request);
      if (i % 2 == 1) {
        SendAll(servers.back().get(), answer("wrong"));
      } else {
        servers.back() = UniqueFd();
      }
      go.set_value();
    }
    servers.push_back(accepted());
    ASSERT_TRUE(servers.back().valid());
    EXPECT_THAT(ReceiveSome(servers.back().get()), HasSubstr(" / HTTP/1.1"));
    SendAll(servers.back().get(), answer("right"));
    const std::string got = ReceiveSome(client.get());
    EXPECT_THAT(got, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(got, EndsWith("right")) << i;
  }
  uint64_t stale = 0;
  thread_->Call(
      [&](ProxyThread& thread) { stale = thread.pool().stats().stale; });
  EXPECT_EQ(stale, 5u);
}

TEST_P(ProxyThreadTest, NobodyListeningIs502OrSo) {
  const Endpoint nobody = [] {
    return SocketAddress::Local(
               ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value().get())
        .endpoint();
  }();
  Start(nobody);
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/"), StartsWith("HTTP/1.1 50"));
}

TEST_P(ProxyThreadTest, OneTooManyIsClosedAndCounted) {
  TestServer server(1000);
  Start(server.endpoint(), 1);
  if (IsSkipped()) return;
  const UniqueFd first = Connect();
  EXPECT_THAT(Get(first.get(), "/a"), HasSubstr("/a"));
  const UniqueFd second = Connect();
  EXPECT_EQ(ReceiveSome(second.get()), "");
  EXPECT_EQ(Stats().too_many, 1u);
  EXPECT_THAT(Get(first.get(), "/b"), HasSubstr("/b"));
}

TEST_P(ProxyThreadTest, IdleConnectionsOfARemovedServiceEnd) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/a"), HasSubstr("/a"));
  thread_->Call([](ProxyThread& thread) { thread.SetServices({}); });
  EXPECT_EQ(ReceiveSome(client.get()), "");
  UniqueFd late(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(connect(late.get(), address_.get(), address_.length()), 0);
}

// Whatever state connections are in when a thread ends.
TEST_P(ProxyThreadTest, EndsWithConnectionsInEveryState) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd idle = Connect();
  EXPECT_THAT(Get(idle.get(), "/a"), HasSubstr("/a"));
  const UniqueFd silent = Connect();
  const UniqueFd partly = Connect();
  SendAll(partly.get(), "GET / HT");
  const UniqueFd body = Connect();
  SendAll(body.get(),
          "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx");
  while (Stats().connections < 4) {
  }
  thread_.reset();
  for (const UniqueFd* fd : {&idle, &silent, &partly}) {
    EXPECT_EQ(ReceiveSome(fd->get()), "");
  }
}

TEST_P(ProxyThreadTest, OrdersArePostedWithoutWaitingUpToABound) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  // The thread stands still, as one without a processor does.
  std::promise<void> go;
  std::atomic<bool> stands{false};
  ASSERT_TRUE(thread_->Post([&](ProxyThread&) {
    stands = true;
    go.get_future().wait();
  }));
  while (!stands) {
  }
  int ran = 0;
  for (size_t i = 0; i < ProxyThread::kOrdersMax; ++i) {
    ASSERT_TRUE(thread_->Post([&](ProxyThread&) { ++ran; }));
  }
  EXPECT_FALSE(thread_->Post([&](ProxyThread&) { ran = -1; }));
  go.set_value();
  thread_->Call([](ProxyThread&) {});  // Behind all of them.
  EXPECT_EQ(ran, static_cast<int>(ProxyThread::kOrdersMax));
}

TEST_P(ProxyThreadTest, NewsThatAFullMailboxRefusedIsToldLater) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd client = Connect();
  EXPECT_THAT(Get(client.get(), "/a"), HasSubstr("/a"));
  std::vector<std::unique_ptr<ProxyThread>> threads;
  threads.push_back(std::move(thread_));
  ServerNews news(threads);
  const std::vector<std::shared_ptr<l7::ServiceChooser>> choosers = {
      service_->chooser};
  const ServerNews::Server about = {.id = 1,
                                    .endpoint = server.endpoint(),
                                    .service = 1,
                                    .choosers = choosers};
  std::promise<void> go;
  std::atomic<bool> stands{false};
  ASSERT_TRUE(threads[0]->Post([&](ProxyThread&) {
    stands = true;
    go.get_future().wait();
  }));
  while (!stands) {
  }
  while (threads[0]->Post([](ProxyThread&) {})) {
  }
  news.Health(about, false);
  news.Send();
  EXPECT_EQ(news.refused(), 1u);
  go.set_value();
  threads[0]->Call([](ProxyThread&) {});
  EXPECT_TRUE(service_->chooser->up());
  news.Send();
  news.Send();  // Nothing is told twice.
  threads[0]->Call([](ProxyThread&) {});
  EXPECT_FALSE(service_->chooser->up());
  EXPECT_EQ(news.refused(), 1u);
  SendAll(client.get(), "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(ReceiveSome(client.get()), StartsWith("HTTP/1.1 503 "));
}

TEST_P(ProxyThreadTest, WhatIsOpenToACutServerEnds) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  const UniqueFd busy = Connect();
  SendAll(busy.get(), "GET /silent HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto made = [&] {
    return service_->chooser->counters(1)->Sum(
        &l7::ServerCounters::OfThread::connections);
  };
  while (made() < 1) {
  }
  const UniqueFd idle = Connect();
  EXPECT_THAT(Get(idle.get(), "/a"), HasSubstr("/a"));
  size_t pooled = 0;
  thread_->Call([&](ProxyThread& thread) {
    thread.CutServer(2, 1, *Endpoint::Parse("127.0.0.2:1"));
    pooled = thread.pool().size();
  });
  EXPECT_EQ(pooled, 1u);
  thread_->Call([&](ProxyThread& thread) {
    thread.CutServer(1, 1, server.endpoint());
    pooled = thread.pool().size();
  });
  EXPECT_EQ(pooled, 0u);
  EXPECT_EQ(ReceiveSome(busy.get()), "");
  // A client that waits for nothing of that server does not notice.
  const int before = server.connections();
  EXPECT_THAT(Get(idle.get(), "/b"), HasSubstr("/b"));
  EXPECT_EQ(server.connections(), before + 1);
}

TEST_P(ProxyThreadTest, OneConnectionTooManyOfAServiceIsToldSoOrClosed) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  auto limiter = std::make_shared<l7::Limiter>(l7::Limiter::Options());
  const auto limits = limiter->NewService();
  config::TrafficLimits configured = {.all = {.connections = 1},
                                      .excess = config::Excess::kStatus429};
  const auto set = [&] {
    thread_->Call([&](ProxyThread& thread) {
      limits->Set(thread.Now(), configured);
      service_->limits = limits;
    });
  };
  set();
  const UniqueFd first = Connect();
  EXPECT_THAT(Get(first.get(), "/a"), HasSubstr("/a"));
  const UniqueFd told = Connect();
  EXPECT_THAT(Get(told.get(), "/b"),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("Retry-After: 1")));
  configured.excess = config::Excess::kClose;
  set();
  const UniqueFd closed = Connect();
  EXPECT_EQ(ReceiveSome(closed.get()), "");
  EXPECT_THAT(Get(first.get(), "/c"), HasSubstr("/c"));
  EXPECT_EQ(limits->refused(l7::LimitReason::kConnections), 2u);
}

TEST_P(ProxyThreadTest, BandwidthPausesReadingAndLosesNothing) {
  TestServer server(1000);
  Start(server.endpoint());
  if (IsSkipped()) return;
  auto limiter = std::make_shared<l7::Limiter>(l7::Limiter::Options());
  service_->limits = limiter->NewService();
  service_->limits->Set(Instant::FromNanos(0),
                        {.all = {.bandwidth_kbit_s = 800}});
  // Each request and its answer are some 14 KB, of 100 KB a second, after 16 KB
  // at once: the tenth is complete after a second at least.
  const UniqueFd client = Connect();
  const std::string path = absl::StrCat("/", std::string(7000, 'a'), "z");
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Get(client.get(), path), StartsWith("HTTP/1.1 200 OK"));
  }
  EXPECT_GT(absl::Now() - begin, absl::Seconds(1));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  const auto& counted = *service_->counted;
  // What was sent is counted a moment after the client has it.
  while (counted.bytes_out.value() <= 70'000 &&
         absl::Now() - begin < absl::Seconds(10)) {
  }
  EXPECT_GT(counted.bytes_in.value(), 70'000u);
  EXPECT_GT(counted.bytes_out.value(), 70'000u);
  const auto server_counted = service_->chooser->counters(1);
  using OfThread = l7::ServerCounters::OfThread;
  EXPECT_EQ(server_counted->Sum(&OfThread::requests), 10u);
  EXPECT_EQ(server_counted->Sum(&OfThread::connections), 1u);
  EXPECT_EQ(server_counted->Sum(&OfThread::open), 0u);
  EXPECT_GT(server_counted->Sum(&OfThread::bytes_in), 70'000u);
  EXPECT_GT(server_counted->Sum(&OfThread::bytes_out), 70'000u);
}

INSTANTIATE_TEST_SUITE_P(Backends, ProxyThreadTest, AllBackends(), BackendName);

}  // namespace
}  // namespace ballast::run
