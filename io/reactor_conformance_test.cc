// What a reactor promises (io/reactor.h), asked of every backend. Expected
// values are those of the system calls' manual pages; the other end of each
// connection is the kernel's, driven with plain calls.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Fd = UniqueFd;

// An operation that writes down what happens to it.
struct Watched {
  Operation op = Operation::To<&Watched::OnCompletion>(this);
  std::vector<int> results;
  std::string bytes;  // Received.
  int finals = 0;
  std::function<void(Completion&)> then = [](Completion&) {};

  bool done() const { return finals > 0; }
  int result() const { return results.empty() ? -999 : results.back(); }

 private:
  void OnCompletion(Completion completion) {
    results.push_back(completion.result);
    if (!completion.more) ++finals;
    const auto b = completion.buffer.bytes();
    bytes.append(b.begin(), b.end());
    then(completion);
  }
};

std::span<const uint8_t> AsBytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

struct Backend {
  std::string name;
  ReactorOptions options;
};

class ReactorTest : public ::testing::TestWithParam<Backend> {
 protected:
  ReactorTest() { Make(GetParam().options); }

  void Make(const ReactorOptions& options) {
    reactor_ = nullptr;
    auto made = MakeReactor(options);
    ASSERT_TRUE(made.ok()) << made.status();
    reactor_ = *std::move(made);
  }
  void MakeWithBuffers(uint32_t count, uint32_t size) {
    ReactorOptions options = GetParam().options;
    options.buffer_count = count;
    options.buffer_size = size;
    Make(options);
  }

  // Turns until `condition`; false after 10 s.
  bool RunUntil(const std::function<bool()>& condition) {
    const Instant limit = reactor_->Now() + absl::Seconds(10);
    while (!condition()) {
      if (reactor_->Now() >= limit) return false;
      reactor_->RunOnce(limit);
    }
    return true;
  }
  bool RunUntilDone(const Watched& watched) {
    return RunUntil([&] { return watched.done(); });
  }
  // The same for conditions that no completion announces.
  bool RunUntilSeen(const std::function<bool()>& condition) {
    for (int i = 0; i < 2000 && !condition(); ++i)
      RunFor(absl::Milliseconds(5));
    return condition();
  }
  // Turns for a while, for what must not happen.
  void RunFor(absl::Duration duration) {
    const Instant limit = reactor_->Now() + duration;
    do {
      reactor_->RunOnce(limit);
    } while (reactor_->Now() < limit);
  }

  // A connected pair of stream sockets, ours non-blocking.
  std::pair<Fd, Fd> Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    return {Fd(fds[0]), Fd(fds[1])};
  }
  static Fd TcpSocket(int family) {
    return Fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  static Fd Listener(const Address& address) {
    const SocketAddress local(Endpoint{address, 0});
    Fd fd = TcpSocket(local.family());
    EXPECT_EQ(bind(fd.get(), local.get(), local.length()), 0);
    EXPECT_EQ(listen(fd.get(), 100), 0);
    return fd;
  }
  // A blocking connection to a listener.
  static Fd ConnectTo(const Fd& listener) {
    const SocketAddress to = SocketAddress::Local(listener.get());
    Fd fd(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), to.get(), to.length()), 0);
    return fd;
  }

  const Address kLoopback4 = Address::V4(0x7f000001);
  const Address kLoopback6 = Address::Parse("::1").value();
  std::unique_ptr<Reactor> reactor_;
};

// --- Accept and Connect -----------------------------------------------------

TEST_P(ReactorTest, AcceptDeliversEveryConnectionOfBothFamilies) {
  for (const Address& address : {kLoopback4, kLoopback6}) {
    SCOPED_TRACE(address.ToString());
    const Fd listener = Listener(address);
    Watched accept;
    reactor_->Accept(&accept.op, listener.get());
    std::vector<Fd> clients;
    // More than one turn's share.
    for (int i = 0; i < 50; ++i) clients.push_back(ConnectTo(listener));
    ASSERT_TRUE(RunUntil([&] { return accept.results.size() == 50; }));
    EXPECT_EQ(accept.finals, 0);
    std::vector<Endpoint> peers, locals;
    for (const int fd : accept.results) {
      const Fd accepted(fd);
      EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
      EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
      peers.push_back(SocketAddress::Peer(fd).endpoint());
    }
    for (const Fd& fd : clients) {
      locals.push_back(SocketAddress::Local(fd.get()).endpoint());
    }
    EXPECT_THAT(peers, ::testing::UnorderedElementsAreArray(locals));

    // It goes on after a pause, and ends once.
    clients.push_back(ConnectTo(listener));
    ASSERT_TRUE(RunUntil([&] { return accept.results.size() == 51; }));
    const Fd last(accept.results.back());
    reactor_->Cancel(&accept.op);
    ASSERT_TRUE(RunUntilDone(accept));
    EXPECT_EQ(accept.result(), -ECANCELED);
    EXPECT_EQ(accept.results.size(), 52u);
  }
}

TEST_P(ReactorTest, ConnectSucceedsForBothFamilies) {
  for (const Address& address : {kLoopback4, kLoopback6}) {
    SCOPED_TRACE(address.ToString());
    const Fd listener = Listener(address);
    const SocketAddress to = SocketAddress::Local(listener.get());
    const Fd fd = TcpSocket(to.family());
    Watched connect;
    reactor_->Connect(&connect.op, fd.get(), to.get(), to.length());
    ASSERT_TRUE(RunUntilDone(connect));
    EXPECT_THAT(connect.results, ElementsAre(0));
    EXPECT_EQ(SocketAddress::Peer(fd.get()).endpoint(), to.endpoint());
  }
}

TEST_P(ReactorTest, ConnectToAClosedPortIsRefused) {
  for (const Address& address : {kLoopback4, kLoopback6}) {
    SCOPED_TRACE(address.ToString());
    Fd listener = Listener(address);
    const SocketAddress to = SocketAddress::Local(listener.get());
    listener.Reset();
    const Fd fd = TcpSocket(to.family());
    Watched connect;
    reactor_->Connect(&connect.op, fd.get(), to.get(), to.length());
    ASSERT_TRUE(RunUntilDone(connect));
    EXPECT_THAT(connect.results, ElementsAre(-ECONNREFUSED));
  }
}

TEST_P(ReactorTest, ConnectThatNobodyAnswersCanBeCancelled) {
  // A listener whose queue is full leaves further SYNs unanswered.
  const Fd listener = TcpSocket(AF_INET);
  const SocketAddress any(Endpoint{kLoopback4, 0});
  ASSERT_EQ(bind(listener.get(), any.get(), any.length()), 0);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  const Fd first = ConnectTo(listener);
  const SocketAddress to = SocketAddress::Local(listener.get());
  const Fd fd = TcpSocket(AF_INET);
  Watched connect;
  reactor_->Connect(&connect.op, fd.get(), to.get(), to.length());
  RunFor(absl::Milliseconds(50));
  ASSERT_EQ(connect.finals, 0);
  reactor_->Cancel(&connect.op);
  ASSERT_TRUE(RunUntilDone(connect));
  EXPECT_THAT(connect.results, ElementsAre(-ECANCELED));
}

// --- Receive ----------------------------------------------------------------

TEST_P(ReactorTest, ReceiveGoesOnUntilThePeerCloses) {
  auto [ours, theirs] = Pair();
  Watched receive;
  reactor_->Receive(&receive.op, ours.get());
  ASSERT_EQ(write(theirs.get(), "one", 3), 3);
  ASSERT_TRUE(RunUntil([&] { return receive.bytes == "one"; }));
  ASSERT_EQ(write(theirs.get(), "two", 3), 3);
  ASSERT_TRUE(RunUntil([&] { return receive.bytes == "onetwo"; }));
  EXPECT_EQ(receive.finals, 0);
  theirs.Reset();
  ASSERT_TRUE(RunUntilDone(receive));
  EXPECT_THAT(receive.results, ElementsAre(3, 3, 0));
}

TEST_P(ReactorTest, ReceiveNeverStarvesWhoGivesBuffersBack) {
  MakeWithBuffers(2, 64);
  auto [ours, theirs] = Pair();
  Watched receive;
  reactor_->Receive(&receive.op, ours.get());
  for (size_t i = 1; i <= 20; ++i) {
    ASSERT_EQ(write(theirs.get(), "x", 1), 1);
    ASSERT_TRUE(RunUntil([&] { return receive.bytes.size() == i; }));
  }
  EXPECT_EQ(reactor_->stats().receive_starved, 0u);
  theirs.Reset();
  ASSERT_TRUE(RunUntilDone(receive));
}

// Buffers are not short because all begin to talk in the same moment.
TEST_P(ReactorTest, ManyReceiversAtOnceStarveNobody) {
  MakeWithBuffers(512, 64);
  struct Connection {
    std::pair<Fd, Fd> fds;
    Watched receive;
  };
  std::vector<Connection> all(300);
  for (Connection& one : all) {
    one.fds = Pair();
    reactor_->Receive(&one.receive.op, one.fds.first.get());
  }
  RunFor(absl::Milliseconds(1));
  for (size_t round = 1; round <= 3; ++round) {
    for (Connection& one : all) {
      ASSERT_EQ(write(one.fds.second.get(), "x", 1), 1);
    }
    for (Connection& one : all) {
      ASSERT_TRUE(RunUntil([&] { return one.receive.bytes.size() == round; }));
    }
  }
  EXPECT_EQ(reactor_->stats().receive_starved, 0u);
  for (Connection& one : all) one.fds.second.Reset();
  for (Connection& one : all) ASSERT_TRUE(RunUntilDone(one.receive));
}

// In the socket, in the same turn behind another's, and the end of the stream.
TEST_P(ReactorTest, WhatHasArrivedIsKnownBeforeItIsTold) {
  auto [a, to_a] = Pair();
  auto [b, to_b] = Pair();
  Watched first;
  Watched second;
  std::vector<bool> told;
  first.then = [&](Completion&) {
    told.push_back(reactor_->HasArrived(&second.op));
    told.push_back(reactor_->HasArrived(&second.op));
  };
  reactor_->Receive(&first.op, a.get());
  reactor_->Receive(&second.op, b.get());
  RunFor(absl::Milliseconds(1));
  EXPECT_FALSE(reactor_->HasArrived(&first.op));
  for (size_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(write(to_a.get(), "x", 1), 1);
    ASSERT_EQ(write(to_b.get(), "y", 1), 1);
    EXPECT_TRUE(reactor_->HasArrived(&second.op));
    ASSERT_TRUE(RunUntil(
        [&] { return first.bytes.size() == i && second.bytes.size() == i; }));
    EXPECT_THAT(told, ElementsAre(true, true)) << i;
    told.clear();
    EXPECT_FALSE(reactor_->HasArrived(&first.op));
    EXPECT_FALSE(reactor_->HasArrived(&second.op));
  }
  to_b.Reset();
  EXPECT_TRUE(reactor_->HasArrived(&second.op));
  ASSERT_TRUE(RunUntilDone(second));
  first.then = [](Completion&) {};
  to_a.Reset();
  ASSERT_TRUE(RunUntilDone(first));
}

TEST_P(ReactorTest, ReceiveReportsAReset) {
  const Fd listener = Listener(kLoopback4);
  Fd client = ConnectTo(listener);
  const Fd ours(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
  Watched receive;
  reactor_->Receive(&receive.op, ours.get());
  RunFor(absl::Milliseconds(5));
  const linger reset = {.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(
      setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
      0);
  client.Reset();
  ASSERT_TRUE(RunUntilDone(receive));
  EXPECT_THAT(receive.results, ElementsAre(-ECONNRESET));
}

TEST_P(ReactorTest, ReceiveKeepsTheOrderOfALongStream) {
  MakeWithBuffers(4, 64);
  auto [ours, theirs] = Pair();
  std::string sent(100'000, 0);
  std::mt19937 prng(1);
  for (char& c : sent) c = static_cast<char>(prng());
  Watched receive;
  reactor_->Receive(&receive.op, ours.get());
  std::thread writer([&, fd = theirs.get()] {
    for (size_t at = 0; at < sent.size();) {
      at += static_cast<size_t>(write(fd, &sent[at], sent.size() - at));
    }
    shutdown(fd, SHUT_WR);
  });
  EXPECT_TRUE(RunUntilDone(receive));
  writer.join();
  EXPECT_EQ(receive.bytes, sent);
  EXPECT_EQ(receive.result(), 0);
}

TEST_P(ReactorTest, ReceiveWaitsWhileAllBuffersAreLentAndThenGoesOn) {
  MakeWithBuffers(2, 16);
  auto [ours, theirs] = Pair();
  Watched receive;
  std::vector<LentBuffer> kept;
  receive.then = [&](Completion& c) { kept.push_back(std::move(c.buffer)); };
  reactor_->Receive(&receive.op, ours.get());
  const std::string text(100, 'x');
  ASSERT_EQ(write(theirs.get(), text.data(), 100), 100);
  ASSERT_TRUE(RunUntil([&] { return kept.size() == 2; }));
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(kept.size(), 2u);  // Bounded: the rest waits in the socket.
  EXPECT_TRUE(receive.op.pending());
  EXPECT_GE(reactor_->stats().receive_starved, 1u);
  kept.clear();
  ASSERT_TRUE(RunUntil([&] { return kept.size() == 2; }));
  receive.then = [](Completion&) {};
  kept.clear();
  ASSERT_TRUE(RunUntil([&] { return receive.bytes == text; }));
  reactor_->Cancel(&receive.op);
  ASSERT_TRUE(RunUntilDone(receive));
}

TEST_P(ReactorTest, AReceiveThatWaitsForABufferCanBeCancelled) {
  MakeWithBuffers(1, 16);
  auto [ours, theirs] = Pair();
  Watched receive;
  LentBuffer kept;
  receive.then = [&](Completion& c) {
    if (c.more) kept = std::move(c.buffer);
  };
  reactor_->Receive(&receive.op, ours.get());
  ASSERT_EQ(write(theirs.get(), "0123456789abcdef.", 17), 17);
  ASSERT_TRUE(RunUntil([&] { return reactor_->stats().receive_starved == 1; }));
  reactor_->Cancel(&receive.op);
  ASSERT_TRUE(RunUntilDone(receive));
  EXPECT_THAT(receive.results, ElementsAre(16, -ECANCELED));
  kept = LentBuffer();
}

// Both have bytes, only one a buffer; who gets it cancels the other in the turn
// in which that might be told of its want.
TEST_P(ReactorTest, AReceiveCancelledAsBuffersRunOutIsCancelledAndNoError) {
  MakeWithBuffers(1, 16);
  auto [a, a_peer] = Pair();
  auto [b, b_peer] = Pair();
  Watched receives[2];
  LentBuffer kept;
  for (int i : {0, 1}) {
    receives[i].then = [&, i](Completion& c) {
      if (!c.more) return;
      kept = std::move(c.buffer);
      reactor_->Cancel(&receives[1 - i].op);
    };
  }
  reactor_->Receive(&receives[0].op, a.get());
  reactor_->Receive(&receives[1].op, b.get());
  RunFor(absl::Milliseconds(10));
  for (const Fd* peer : {&a_peer, &b_peer}) {
    ASSERT_EQ(write(peer->get(), "12345", 5), 5);
  }
  ASSERT_TRUE(
      RunUntil([&] { return receives[0].done() || receives[1].done(); }));
  const int cancelled = receives[0].done() ? 0 : 1;
  EXPECT_EQ(receives[cancelled].result(), -ECANCELED);
  reactor_->Cancel(&receives[1 - cancelled].op);
  EXPECT_TRUE(RunUntilDone(receives[1 - cancelled]));
  kept = LentBuffer();
}

TEST_P(ReactorTest, StarvedReceiversAllGetTheirBytes) {
  MakeWithBuffers(2, 16);
  std::vector<std::pair<Fd, Fd>> pairs;
  std::vector<std::unique_ptr<Watched>> receives;
  std::vector<LentBuffer> kept;
  for (int i = 0; i < 20; ++i) {
    pairs.push_back(Pair());
    receives.push_back(std::make_unique<Watched>());
    receives.back()->then = [&](Completion& c) {
      if (c.more) kept.push_back(std::move(c.buffer));
    };
    reactor_->Receive(&receives.back()->op, pairs.back().first.get());
    ASSERT_EQ(write(pairs.back().second.get(), "hello", 5), 5);
  }
  const auto all = [&] {
    if (kept.size() == 2) kept.clear();
    return std::all_of(receives.begin(), receives.end(),
                       [](const auto& r) { return r->bytes == "hello"; });
  };
  EXPECT_TRUE(RunUntil(all));
  kept.clear();
  for (auto& receive : receives) reactor_->Cancel(&receive->op);
  for (auto& receive : receives) EXPECT_TRUE(RunUntilDone(*receive));
}

TEST_P(ReactorTest, ABufferThatOneReceiverDoesNotNeedGoesToTheNext) {
  MakeWithBuffers(1, 16);
  auto [a, a_peer] = Pair();
  auto [b, b_peer] = Pair();
  auto [c, c_peer] = Pair();
  Watched first, second, third;
  LentBuffer kept;
  first.then = [&](Completion& completion) {
    if (completion.more) kept = std::move(completion.buffer);
  };
  reactor_->Receive(&first.op, a.get());
  ASSERT_EQ(write(a_peer.get(), "a", 1), 1);
  ASSERT_TRUE(RunUntil([&] { return first.bytes == "a"; }));
  ASSERT_EQ(write(b_peer.get(), "b", 1), 1);
  ASSERT_EQ(write(c_peer.get(), "c", 1), 1);
  reactor_->Receive(&second.op, b.get());
  reactor_->Receive(&third.op, c.get());
  ASSERT_TRUE(
      RunUntilSeen([&] { return reactor_->stats().receive_starved >= 2; }));
  // What the second waits for is gone when its turn comes.
  char taken;
  ASSERT_EQ(read(b.get(), &taken, 1), 1);
  kept = LentBuffer();
  ASSERT_TRUE(RunUntil([&] { return third.bytes == "c"; }));
  EXPECT_EQ(second.bytes, "");
  for (Watched* w : {&first, &second, &third}) {
    reactor_->Cancel(&w->op);
    ASSERT_TRUE(RunUntilDone(*w));
  }
}

// --- Send -------------------------------------------------------------------

TEST_P(ReactorTest, SendCompletesWhenEverythingIsSent) {
  auto [ours, theirs] = Pair();
  const int small = 4096;
  setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  std::string sent(1'000'000, 0);
  std::mt19937 prng(2);
  for (char& c : sent) c = static_cast<char>(prng());
  Watched send;
  reactor_->Send(&send.op, ours.get(), AsBytes(sent));
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(send.finals, 0);
  std::string got;
  std::thread reader([&, fd = theirs.get()] {
    std::array<char, 10'000> piece;
    while (got.size() < sent.size()) {
      got.append(piece.data(),
                 static_cast<size_t>(read(fd, piece.data(), piece.size())));
    }
  });
  EXPECT_TRUE(RunUntilDone(send));
  reader.join();
  EXPECT_THAT(send.results, ElementsAre(1'000'000));
  EXPECT_TRUE(got == sent);
}

TEST_P(ReactorTest, WhatIsSentAtOnceIsInTheKernelAtOnce) {
  auto [ours, theirs] = Pair();
  Watched send;
  reactor_->SendAtOnce(&send.op, ours.get(), AsBytes("now"));
  char read_back[4] = {};
  EXPECT_EQ(recv(theirs.get(), read_back, 3, MSG_DONTWAIT), 3);
  EXPECT_STREQ(read_back, "now");
  EXPECT_FALSE(send.done());
  ASSERT_TRUE(RunUntilDone(send));
  EXPECT_EQ(send.result(), 3);
  // More than fits: the rest follows.
  const std::string much(3'000'000, 'x');
  Watched rest;
  reactor_->SendAtOnce(&rest.op, ours.get(), AsBytes(much));
  std::thread reader([fd = theirs.get(), size = much.size()] {
    std::vector<char> buffer(1 << 16);
    for (size_t got = 0; got < size;) {
      got += static_cast<size_t>(read(fd, buffer.data(), buffer.size()));
    }
  });
  EXPECT_TRUE(RunUntilDone(rest));
  reader.join();
  EXPECT_EQ(rest.result(), static_cast<int>(much.size()));
  theirs.Reset();
  Watched failed;
  reactor_->SendAtOnce(&failed.op, ours.get(), AsBytes("late"));
  ASSERT_TRUE(RunUntilDone(failed));
  EXPECT_THAT(failed.results, ElementsAre(-EPIPE));
}

TEST_P(ReactorTest, SendToAClosedPeerFailsWithoutASignal) {
  auto [ours, theirs] = Pair();
  theirs.Reset();
  const std::string text = "hello";
  Watched send;
  reactor_->Send(&send.op, ours.get(), AsBytes(text));
  ASSERT_TRUE(RunUntilDone(send));
  EXPECT_THAT(send.results, ElementsAre(-EPIPE));
}

TEST_P(ReactorTest, ACancelledSendTellsWhatWentOut) {
  auto [ours, theirs] = Pair();
  const std::string text(10'000'000, 'x');
  Watched send;
  reactor_->Send(&send.op, ours.get(), AsBytes(text));
  ASSERT_TRUE(RunUntilSeen([&, fd = theirs.get()] {
    pollfd p = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&p, 1, 0) == 1;
  }));
  reactor_->Cancel(&send.op);
  ASSERT_TRUE(RunUntilDone(send));
  ASSERT_EQ(send.results.size(), 1u);
  ASSERT_GT(send.result(), 0);
  // The peer has exactly that many.
  ours.Reset();
  int got = 0;
  std::vector<char> piece(1 << 20);
  for (ssize_t n; (n = read(theirs.get(), piece.data(), piece.size())) > 0;) {
    got += static_cast<int>(n);
  }
  EXPECT_EQ(got, send.result());
}

TEST_P(ReactorTest, SendAndReceiveShareADescriptor) {
  auto [ours, theirs] = Pair();
  Watched receive, send;
  reactor_->Receive(&receive.op, ours.get());
  const std::string text = "ping";
  // Sent from the receiver's handler, as a server does.
  receive.then = [&, fd = ours.get()](Completion& c) {
    if (c.more) reactor_->Send(&send.op, fd, AsBytes(text));
  };
  for (int i = 1; i <= 3; ++i) {
    ASSERT_EQ(write(theirs.get(), "pong", 4), 4);
    ASSERT_TRUE(RunUntil([&] { return send.finals == i; }));
    char back[8];
    EXPECT_EQ(read(theirs.get(), back, sizeof(back)), 4);
  }
  theirs.Reset();
  ASSERT_TRUE(RunUntilDone(receive));
}

// --- Read and Write ---------------------------------------------------------

TEST_P(ReactorTest, ReadAndWriteWaitOnAPipe) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
  const Fd out(fds[0]), in(fds[1]);
  std::array<uint8_t, 100> buffer;
  Watched read, write;
  reactor_->Read(&read.op, out.get(), buffer);
  RunFor(absl::Milliseconds(5));
  EXPECT_EQ(read.finals, 0);
  const std::string text = "through the pipe";
  reactor_->Write(&write.op, in.get(), AsBytes(text));
  ASSERT_TRUE(RunUntilDone(read));
  ASSERT_TRUE(RunUntilDone(write));
  EXPECT_THAT(write.results, ElementsAre(16));
  EXPECT_THAT(read.results, ElementsAre(16));
  EXPECT_EQ(std::string(buffer.begin(), buffer.begin() + 16), text);
}

TEST_P(ReactorTest, ReadAndWriteAFileAtAnOffset) {
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  const int fd = fileno(file);
  const std::string text = "0123456789";
  Watched write, read;
  reactor_->Write(&write.op, fd, AsBytes(text), 100);
  ASSERT_TRUE(RunUntilDone(write));
  EXPECT_EQ(write.result(), 10);
  std::array<uint8_t, 100> buffer;
  reactor_->Read(&read.op, fd, buffer, 105);
  ASSERT_TRUE(RunUntilDone(read));
  EXPECT_EQ(read.result(), 5);
  EXPECT_EQ(std::string(buffer.begin(), buffer.begin() + 5), "56789");
  // Without an offset: from the file's position, which is still the start.
  reactor_->Read(&read.op, fd, buffer);
  ASSERT_TRUE(RunUntil([&] { return read.finals == 2; }));
  EXPECT_EQ(read.result(), 100);
  EXPECT_THAT(buffer, Each(0));
  fclose(file);
}

// --- Poll -------------------------------------------------------------------

TEST_P(ReactorTest, PollReportsReadinessAtTheStartAndAgain) {
  auto [ours, theirs] = Pair();
  ASSERT_EQ(write(theirs.get(), "a", 1), 1);
  Watched poll;
  std::string got;
  poll.then = [&, fd = ours.get()](Completion&) {
    char c;
    while (read(fd, &c, 1) == 1) got += c;
  };
  reactor_->Poll(&poll.op, ours.get(), POLLIN);
  ASSERT_TRUE(RunUntil([&] { return got == "a"; }));
  ASSERT_EQ(write(theirs.get(), "b", 1), 1);
  ASSERT_TRUE(RunUntil([&] { return got == "ab"; }));
  EXPECT_THAT(poll.results, Each(POLLIN));  // POLLOUT was not asked for.
  EXPECT_EQ(poll.finals, 0);
  const size_t before = poll.results.size();
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(poll.results.size(), before);  // Drained, so no more of it.
  theirs.Reset();
  ASSERT_TRUE(RunUntil([&] { return poll.results.size() > before; }));
  EXPECT_NE(poll.result() & POLLHUP, 0);
  reactor_->Cancel(&poll.op);
  ASSERT_TRUE(RunUntilDone(poll));
  EXPECT_EQ(poll.result(), -ECANCELED);
}

TEST_P(ReactorTest, PollForOutputReportsRoom) {
  auto [ours, theirs] = Pair();
  std::vector<char> block(1 << 20);
  while (write(ours.get(), block.data(), block.size()) > 0) {
  }
  Watched poll;
  reactor_->Poll(&poll.op, ours.get(), POLLOUT);
  RunFor(absl::Milliseconds(10));
  EXPECT_THAT(poll.results, IsEmpty());
  while (recv(theirs.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  }
  ASSERT_TRUE(RunUntil([&] { return !poll.results.empty(); }));
  EXPECT_THAT(poll.results, Each(POLLOUT));
  reactor_->Cancel(&poll.op);
  ASSERT_TRUE(RunUntilDone(poll));
}

TEST_P(ReactorTest, PollBesideAnOperationOnTheSameDescriptor) {
  auto [ours, theirs] = Pair();
  Watched receive, poll;
  reactor_->Receive(&receive.op, ours.get());
  RunFor(absl::Milliseconds(5));
  reactor_->Poll(&poll.op, ours.get(), POLLOUT);
  ASSERT_TRUE(RunUntil([&] { return !poll.results.empty(); }));
  EXPECT_THAT(poll.results, Each(POLLOUT));
  reactor_->Cancel(&poll.op);
  ASSERT_TRUE(RunUntilDone(poll));
  theirs.Reset();
  ASSERT_TRUE(RunUntilDone(receive));
}

// --- Errors -----------------------------------------------------------------

TEST_P(ReactorTest, ABadDescriptorIsAnErrorOfTheOperation) {
  for (const int fd : {-1, 9999}) {
    Watched accept, receive, send, poll;
    const std::string text = "x";
    reactor_->Accept(&accept.op, fd);
    ASSERT_TRUE(RunUntilDone(accept));
    reactor_->Receive(&receive.op, fd);
    ASSERT_TRUE(RunUntilDone(receive));
    reactor_->Send(&send.op, fd, AsBytes(text));
    ASSERT_TRUE(RunUntilDone(send));
    reactor_->Poll(&poll.op, fd, POLLIN);
    ASSERT_TRUE(RunUntilDone(poll));
    for (const Watched* w : {&accept, &receive, &send, &poll}) {
      EXPECT_THAT(w->results, ElementsAre(-EBADF)) << fd;
    }
  }
}

// --- Timeouts ---------------------------------------------------------------

TEST_P(ReactorTest, TimeoutsFireInDeadlineOrderAndNeverEarly) {
  const Instant start = reactor_->Now();
  std::mt19937 prng(3);
  std::vector<int> order;  // As fired.
  std::vector<std::unique_ptr<Watched>> timeouts;
  std::vector<std::pair<int, int>> expected;  // Deadline in ms, start number.
  for (int i = 0; i < 1000; ++i) {
    const int ms = static_cast<int>(prng() % 50);
    const Instant deadline = start + absl::Milliseconds(ms);
    timeouts.push_back(std::make_unique<Watched>());
    timeouts.back()->then = [&, i, deadline](Completion& c) {
      EXPECT_GE(reactor_->Now(), deadline);
      EXPECT_EQ(c.result, 0);
      order.push_back(i);
    };
    reactor_->Timeout(&timeouts.back()->op, deadline);
    expected.push_back({ms, i});
  }
  // A third is cancelled, before anything fires.
  int cancelled = 0;
  for (int i = 0; i < 1000; i += 3) {
    timeouts[i]->then = [&](Completion& c) {
      EXPECT_EQ(c.result, -ECANCELED);
      ++cancelled;
    };
    reactor_->Cancel(&timeouts[i]->op);
  }
  ASSERT_TRUE(RunUntil([&] { return order.size() == 666; }));
  EXPECT_EQ(cancelled, 334);
  std::erase_if(expected, [](const auto& e) { return e.second % 3 == 0; });
  std::stable_sort(expected.begin(), expected.end());
  for (size_t i = 0; i < order.size(); ++i) {
    ASSERT_EQ(order[i], expected[i].second) << "position " << i;
  }
}

TEST_P(ReactorTest, ATimeoutRestartedForThePastDoesNotHoldUpOthers) {
  Watched again, other;
  int rounds = 0;
  again.then = [&](Completion&) {
    if (++rounds < 1000) reactor_->Timeout(&again.op, Instant());
  };
  auto [ours, theirs] = Pair();
  ASSERT_EQ(write(theirs.get(), "x", 1), 1);
  reactor_->Timeout(&again.op, Instant());
  reactor_->Receive(&other.op, ours.get());
  ASSERT_TRUE(RunUntil([&] { return !other.results.empty(); }));
  EXPECT_LT(rounds, 1000);
  ASSERT_TRUE(RunUntil([&] { return rounds == 1000; }));
  theirs.Reset();
  ASSERT_TRUE(RunUntilDone(other));
}

TEST_P(ReactorTest, RunOnceReturnsAtItsDeadlineWithNothingToDo) {
  const Instant deadline = reactor_->Now() + absl::Milliseconds(30);
  int turns = 0;
  while (reactor_->Now() < deadline) {
    EXPECT_EQ(reactor_->RunOnce(deadline), 0u);
    ++turns;
  }
  EXPECT_LT(turns, 10);  // It slept.
  EXPECT_LT(reactor_->Now(), deadline + absl::Seconds(5));
}

// --- Cancel -----------------------------------------------------------------

TEST_P(ReactorTest, EveryKindOfOperationIsCancelledWithOneCompletion) {
  const Fd listener = Listener(kLoopback4);
  auto [a, a_peer] = Pair();
  auto [b, b_peer] = Pair();
  auto [c, c_peer] = Pair();
  std::array<uint8_t, 10> buffer;
  for (const bool in_flight : {false, true}) {
    SCOPED_TRACE(in_flight);
    Watched accept, receive, read, poll, timeout, wake;
    reactor_->Accept(&accept.op, listener.get());
    reactor_->Receive(&receive.op, a.get());
    reactor_->Read(&read.op, b.get(), buffer);
    reactor_->Poll(&poll.op, c.get(), POLLIN);
    reactor_->Timeout(&timeout.op, reactor_->Now() + absl::Hours(1));
    reactor_->AwaitWake(&wake.op);
    if (in_flight) RunFor(absl::Milliseconds(5));
    const auto all = {&accept, &receive, &read, &poll, &timeout, &wake};
    for (Watched* w : all) {
      reactor_->Cancel(&w->op);
      reactor_->Cancel(&w->op);  // Twice is once.
      EXPECT_EQ(w->finals, 0);   // Not from inside Cancel().
    }
    RunFor(absl::Milliseconds(10));
    for (Watched* w : all) {
      EXPECT_THAT(w->results, ElementsAre(-ECANCELED));
      EXPECT_FALSE(w->op.pending());
      reactor_->Cancel(&w->op);  // Nothing to cancel.
    }
    RunFor(absl::Milliseconds(5));
    for (Watched* w : all) EXPECT_EQ(w->finals, 1);
  }
}

TEST_P(ReactorTest, CancelFromAHandlerEndsAMultishotOperation) {
  const Fd listener = Listener(kLoopback4);
  std::vector<Fd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(ConnectTo(listener));
  Watched accept;
  std::vector<Fd> accepted;
  accept.then = [&](Completion& c) {
    if (c.result >= 0) accepted.emplace_back(c.result);
    reactor_->Cancel(&accept.op);
  };
  reactor_->Accept(&accept.op, listener.get());
  ASSERT_TRUE(RunUntilDone(accept));
  EXPECT_EQ(accept.finals, 1);
  EXPECT_GE(accepted.size(), 1u);
  // Nothing is lost: whoever accepts next gets the rest.
  Watched again;
  again.then = [&](Completion& c) {
    if (c.result >= 0) accepted.emplace_back(c.result);
  };
  reactor_->Accept(&again.op, listener.get());
  ASSERT_TRUE(RunUntil([&] { return accepted.size() == 5; }));
  reactor_->Cancel(&again.op);
  ASSERT_TRUE(RunUntilDone(again));
}

TEST_P(ReactorTest, CancelRacingWithDataLosesNothing) {
  // Whether the bytes or the cancellation win, what was not delivered is still
  // in the socket, and there is one final completion.
  for (int i = 0; i < 200; ++i) {
    auto [ours, theirs] = Pair();
    Watched receive;
    reactor_->Receive(&receive.op, ours.get());
    if (i % 2 == 0) reactor_->RunOnce(Instant());
    ASSERT_EQ(write(theirs.get(), "abc", 3), 3);
    reactor_->Cancel(&receive.op);
    ASSERT_TRUE(RunUntilDone(receive));
    EXPECT_EQ(receive.finals, 1);
    char rest[8];
    const ssize_t n = recv(ours.get(), rest, sizeof(rest), MSG_DONTWAIT);
    if (n > 0) receive.bytes.append(rest, static_cast<size_t>(n));
    ASSERT_EQ(receive.bytes, "abc");
  }
}

TEST_P(ReactorTest, AnOperationMayBeDestroyedInItsFinalCompletion) {
  auto [ours, theirs] = Pair();
  auto receive = std::make_unique<Watched>();
  bool gone = false;
  receive->then = [&](Completion& c) {
    if (c.more) return;
    gone = true;
    receive = nullptr;  // And this function with it.
  };
  reactor_->Receive(&receive->op, ours.get());
  theirs.Reset();
  EXPECT_TRUE(RunUntil([&] { return gone; }));
}

TEST_P(ReactorTest, ADescriptorNumberMayBeReusedAtOnce) {
  // Closed and made anew within one handler, as a busy server does.
  auto first = std::make_unique<std::pair<Fd, Fd>>(Pair());
  std::unique_ptr<std::pair<Fd, Fd>> second;
  const int number = first->first.get();
  Watched receive, next;
  receive.then = [&](Completion& c) {
    if (c.more) return;
    first = nullptr;
    second = std::make_unique<std::pair<Fd, Fd>>(Pair());
    reactor_->Receive(&next.op, number);
  };
  reactor_->Receive(&receive.op, number);
  RunFor(absl::Milliseconds(2));
  first->second.Reset();
  ASSERT_TRUE(RunUntilDone(receive));
  ASSERT_EQ(second->first.get(), number);
  RunFor(absl::Milliseconds(2));
  ASSERT_EQ(write(second->second.get(), "new", 3), 3);
  ASSERT_TRUE(RunUntil([&] { return next.bytes == "new"; }));
  second->second.Reset();
  ASSERT_TRUE(RunUntilDone(next));
}

// --- Destruction ------------------------------------------------------------

TEST_P(ReactorTest, DestructionEndsEverythingInFlight) {
  for (const int turns : {0, 1, 3}) {
    SCOPED_TRACE(turns);
    Make(GetParam().options);
    const Fd listener = Listener(kLoopback6);
    auto [a, a_peer] = Pair();
    auto [b, b_peer] = Pair();
    auto [c, c_peer] = Pair();
    const std::string text(10'000'000, 'x');
    auto buffer = std::make_unique<std::array<uint8_t, 10>>();
    Watched accept, receive, send, read, poll, timeout, wake;
    reactor_->Accept(&accept.op, listener.get());
    reactor_->Receive(&receive.op, a.get());
    reactor_->Send(&send.op, a.get(), AsBytes(text));
    reactor_->Read(&read.op, b.get(), *buffer);
    reactor_->Poll(&poll.op, c.get(), POLLIN);
    reactor_->Timeout(&timeout.op, reactor_->Now() + absl::Hours(1));
    reactor_->AwaitWake(&wake.op);
    // Started by a dying reactor: not started.
    Watched late;
    receive.then = [&, fd = c.get()](Completion&) {
      reactor_->Receive(&late.op, fd);
    };
    for (int i = 0; i < turns; ++i) reactor_->RunOnce(Instant());
    Reactor* dying = reactor_.get();
    receive.then = [&, dying, fd = c.get()](Completion&) {
      dying->Receive(&late.op, fd);
    };
    reactor_ = nullptr;
    for (const Watched* w :
         {&accept, &receive, &read, &poll, &timeout, &wake}) {
      EXPECT_THAT(w->results, ElementsAre(-ECANCELED));
    }
    EXPECT_EQ(send.finals, 1);
    EXPECT_FALSE(late.op.pending());
    EXPECT_THAT(late.results, IsEmpty());
    buffer = nullptr;
    Make(GetParam().options);
  }
}

TEST_P(ReactorTest, MayBeDestroyedByAnotherThreadOnceItsOwnHasEnded) {
  auto [ours, theirs] = Pair();
  const std::string text(10'000'000, 'x');
  Watched receive, send, timeout;
  reactor_->Receive(&receive.op, ours.get());
  reactor_->Send(&send.op, ours.get(), AsBytes(text));
  reactor_->Timeout(&timeout.op, reactor_->Now() + absl::Hours(1));
  std::thread loop([&] { reactor_->Run(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  reactor_->Stop();
  loop.join();
  reactor_ = nullptr;
  EXPECT_EQ(receive.finals, 1);
  EXPECT_EQ(send.finals, 1);
  EXPECT_THAT(timeout.results, ElementsAre(-ECANCELED));
}

// --- Other threads ----------------------------------------------------------

TEST_P(ReactorTest, WakeFromAnotherThreadIsSeenAndStopEndsRun) {
  // Every value a producer counts up before Wake() is seen by the woken
  // handler, however many wakes become one.
  constexpr int kCount = 10'000;
  std::atomic<int> produced{0};
  int seen = 0;
  Watched wake;
  wake.then = [&](Completion& c) {
    if (c.more) seen = produced.load();
  };
  reactor_->AwaitWake(&wake.op);
  std::thread loop([&] { reactor_->Run(); });
  for (int i = 0; i < kCount; ++i) {
    produced.fetch_add(1);
    reactor_->Wake();
  }
  // The last Wake() must get through by itself.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  reactor_->Stop();
  loop.join();
  EXPECT_EQ(seen, kCount);
  reactor_ = nullptr;
  EXPECT_EQ(wake.finals, 1);
}

TEST_P(ReactorTest, AWakeBeforeAnybodyAwaitsItIsKept) {
  reactor_->Wake();
  RunFor(absl::Milliseconds(5));
  Watched wake;
  reactor_->AwaitWake(&wake.op);
  ASSERT_TRUE(RunUntil([&] { return !wake.results.empty(); }));
  EXPECT_THAT(wake.results, ElementsAre(0));
  RunFor(absl::Milliseconds(5));
  EXPECT_EQ(wake.results.size(), 1u);
  reactor_->Cancel(&wake.op);
  ASSERT_TRUE(RunUntilDone(wake));
}

TEST_P(ReactorTest, AStopBeforeRunEndsIt) {
  reactor_->Stop();
  reactor_->Run();
}

// --- Driven by another loop -------------------------------------------------

class ForeignLoopTest : public ReactorTest {
 protected:
  ForeignLoopTest() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event = {.events = EPOLLIN, .data = {}};
    EXPECT_EQ(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, reactor_->fd(), &event),
              0);
  }
  // Only ever calls RunOnce() when fd() is readable; false after 10 s without
  // an event.
  bool Drive(const std::function<bool()>& condition) {
    while (!condition()) {
      if (!DriveOnce(10'000)) return false;
    }
    return true;
  }
  bool DriveOnce(int timeout_ms) {
    epoll_event event;
    int n;
    do {
      n = epoll_wait(epoll_.get(), &event, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    if (n != 1) return false;
    ++events_;
    reactor_->RunOnce(Instant());
    return true;
  }

  int events_ = 0;
  Fd epoll_;
};

TEST_P(ForeignLoopTest, EverythingStartedOutsideATurnMakesProgress) {
  const Fd listener = Listener(kLoopback4);
  Watched accept, connect, receive, send, timeout, wake;
  reactor_->Accept(&accept.op, listener.get());
  const SocketAddress to = SocketAddress::Local(listener.get());
  const Fd client = TcpSocket(AF_INET);
  reactor_->Connect(&connect.op, client.get(), to.get(), to.length());
  ASSERT_TRUE(Drive([&] { return connect.done() && !accept.results.empty(); }));
  const Fd server(accept.result());
  reactor_->Receive(&receive.op, server.get());
  ASSERT_TRUE(Drive([&] { return events_ > 0 && receive.op.pending(); }));
  const std::string text = "hello";
  reactor_->Send(&send.op, client.get(), AsBytes(text));
  ASSERT_TRUE(Drive([&] { return receive.bytes == text && send.done(); }));
  reactor_->Timeout(&timeout.op, reactor_->Now() + absl::Milliseconds(20));
  ASSERT_TRUE(Drive([&] { return timeout.done(); }));
  // In its handler for the same deadline, passed already.
  const Instant deadline = reactor_->Now() + absl::Milliseconds(5);
  timeout.then = [&](Completion&) {
    if (timeout.finals == 2) reactor_->Timeout(&timeout.op, deadline);
  };
  reactor_->Timeout(&timeout.op, deadline);
  ASSERT_TRUE(Drive([&] { return timeout.finals == 3; }));
  reactor_->AwaitWake(&wake.op);
  std::thread waker([&] { reactor_->Wake(); });
  ASSERT_TRUE(Drive([&] { return !wake.results.empty(); }));
  waker.join();
  for (Watched* w : {&accept, &receive, &wake}) reactor_->Cancel(&w->op);
  ASSERT_TRUE(
      Drive([&] { return accept.done() && receive.done() && wake.done(); }));
}

TEST_P(ForeignLoopTest, AnEchoServerAnswersEveryClient) {
  // Operations started by handlers, many at once.
  constexpr int kClients = 40, kRounds = 20;
  struct Connection {
    Fd fd;
    Watched receive, send;
    std::string reply;
  };
  const Fd listener = Listener(kLoopback4);
  std::vector<std::unique_ptr<Connection>> connections;
  Watched accept;
  accept.then = [&](Completion& c) {
    if (c.result < 0) return;
    connections.push_back(std::make_unique<Connection>());
    Connection* connection = connections.back().get();
    connection->fd = Fd(c.result);
    connection->receive.then = [this, connection](Completion& got) {
      if (!got.more) return;
      const auto bytes = got.buffer.bytes();
      connection->reply.assign(bytes.begin(), bytes.end());
      reactor_->Send(&connection->send.op, connection->fd.get(),
                     AsBytes(connection->reply));
    };
    reactor_->Receive(&connection->receive.op, connection->fd.get());
  };
  reactor_->Accept(&accept.op, listener.get());
  std::atomic<int> answered{0};
  std::thread clients([&] {
    std::vector<Fd> fds;
    for (int i = 0; i < kClients; ++i) fds.push_back(ConnectTo(listener));
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kClients; ++i) {
        const std::string text = absl::StrCat(round, " of ", i);
        ASSERT_EQ(write(fds[i].get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
      }
      for (int i = 0; i < kClients; ++i) {
        char text[32];
        const ssize_t n = read(fds[i].get(), text, sizeof(text));
        ASSERT_EQ(std::string(text, static_cast<size_t>(n)),
                  absl::StrCat(round, " of ", i));
        ++answered;
      }
    }
  });
  const auto closed = [&] {
    return connections.size() == kClients &&
           std::all_of(connections.begin(), connections.end(),
                       [](const auto& c) { return c->receive.done(); });
  };
  EXPECT_TRUE(Drive(closed));
  clients.join();
  EXPECT_EQ(answered, kClients * kRounds);
  reactor_->Cancel(&accept.op);
  EXPECT_TRUE(Drive([&] { return accept.done(); }));
}

TEST_P(ForeignLoopTest, AnIdleReactorIsNotReadable) {
  auto [ours, theirs] = Pair();
  Watched receive, timeout;
  reactor_->Receive(&receive.op, ours.get());
  reactor_->Timeout(&timeout.op, reactor_->Now() + absl::Hours(1));
  for (int i = 0; i < 20 && DriveOnce(20); ++i) {
  }
  events_ = 0;
  EXPECT_FALSE(DriveOnce(30));
  EXPECT_EQ(events_, 0);
  reactor_->Cancel(&timeout.op);
  theirs.Reset();
  ASSERT_TRUE(Drive([&] { return receive.done() && timeout.done(); }));
}

TEST_P(ForeignLoopTest, ABufferGivenBackOutsideATurnIsNoticed) {
  ReactorOptions options = GetParam().options;
  options.buffer_count = 1;
  options.buffer_size = 4;
  Make(options);
  epoll_event event = {.events = EPOLLIN, .data = {}};
  ASSERT_EQ(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, reactor_->fd(), &event), 0);
  auto [ours, theirs] = Pair();
  Watched receive;
  LentBuffer kept;
  receive.then = [&](Completion& c) {
    if (c.more) kept = std::move(c.buffer);
  };
  reactor_->Receive(&receive.op, ours.get());
  ASSERT_EQ(write(theirs.get(), "abcdefgh", 8), 8);
  ASSERT_TRUE(Drive([&] { return reactor_->stats().receive_starved == 1; }));
  EXPECT_EQ(receive.bytes, "abcd");
  while (DriveOnce(20)) {
  }
  kept = LentBuffer();
  ASSERT_TRUE(Drive([&] { return receive.bytes == "abcdefgh"; }));
  kept = LentBuffer();
  theirs.Reset();
  ASSERT_TRUE(Drive([&] { return receive.done(); }));
}

std::vector<Backend> Backends() {
  ReactorOptions epoll;
  epoll.backend = ReactorOptions::Backend::kEpoll;
  ReactorOptions uring;
  uring.backend = ReactorOptions::Backend::kIoUring;
  ReactorOptions plain = uring;
  plain.plain_io_uring = true;
  // Every send without copying, where that is possible.
  ReactorOptions zero_copy = uring;
  zero_copy.zero_copy_bytes_min = 1;
  if (const auto made = MakeReactor(uring); !made.ok()) {
    std::fprintf(stderr, "SKIPPED, every io_uring test: %s\n",
                 made.status().ToString().c_str());
    return {{"Epoll", epoll}};
  }
  return {{"Epoll", epoll},
          {"IoUring", uring},
          {"IoUringPlain", plain},
          {"IoUringZeroCopy", zero_copy}};
}

INSTANTIATE_TEST_SUITE_P(, ReactorTest, ::testing::ValuesIn(Backends()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(, ForeignLoopTest, ::testing::ValuesIn(Backends()),
                         [](const auto& info) { return info.param.name; });

// --- Choosing ---------------------------------------------------------------

TEST(MakeReactorTest, FallsBackToEpollWithOneLineThatSaysWhy) {
  ReactorOptions options;
  options.forbid_io_uring = true;
  std::vector<std::string> lines;
  options.log = [&](absl::string_view line) { lines.emplace_back(line); };
  const auto reactor = MakeReactor(options);
  ASSERT_TRUE(reactor.ok());
  EXPECT_EQ((*reactor)->Describe(), "epoll");
  EXPECT_THAT(lines, ElementsAre(HasSubstr("forbidden")));
}

TEST(MakeReactorTest, FailsIfOnlyIoUringWillDoAndItIsForbidden) {
  ReactorOptions options;
  options.backend = ReactorOptions::Backend::kIoUring;
  options.forbid_io_uring = true;
  EXPECT_EQ(MakeReactor(options).status().code(),
            absl::StatusCode::kUnavailable);
}

// As container runtimes do it: a filter that refuses io_uring_setup(2).
TEST(MakeReactorTest, FallsBackWhereAFilterRefusesIoUring) {
  const auto run = [] {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {.len = 4, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
      _exit(1);
    }
    auto reactor = MakeReactor();
    _exit(reactor.ok() && (*reactor)->Describe() == "epoll" ? 0 : 2);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0),
              "using epoll: .*io_uring_setup: Operation not permitted");
}

TEST(MakeReactorTest, SaysWhatOfTheKernelItUses) {
  ReactorOptions options;
  options.backend = ReactorOptions::Backend::kIoUring;
  const auto reactor = MakeReactor(options);
  if (!reactor.ok()) GTEST_SKIP() << "SKIPPED: " << reactor.status();
  EXPECT_THAT((*reactor)->Describe(), HasSubstr("io_uring ("));
  std::printf("here: %s\n", (*reactor)->Describe().c_str());
  options.plain_io_uring = true;
  EXPECT_EQ((*MakeReactor(options))->Describe(), "io_uring (plain)");
}

TEST(MakeReactorTest, RefusesBufferCountsOutOfRange) {
  for (const uint32_t count : {0u, 32769u}) {
    ReactorOptions options;
    options.buffer_count = count;
    EXPECT_EQ(MakeReactor(options).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace ballast
