// Real kernels' TCP through AfPacketIo: a client's and a server's namespace,
// joined only by a loop that hands every frame from one port to the other. What
// the loop loses or breaks, TCP retransmits or counts as a bad checksum.
//
// Prints the rates it saw; they are of the machine and its load.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "io/af_packet_io.h"
#include "io/base/address.h"
#include "io/base/status_matchers.h"
#include "io/packet_io_conformance.h"
#include "io/testing_namespace.h"

namespace ballast {
namespace {

using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr size_t kBulkBytes = 200 << 20;
constexpr size_t kCapturedBytes = 2 << 20;
constexpr uint16_t kPort = 5001;
constexpr char kClientV4[] = "10.9.0.1";
constexpr char kServerV4[] = "10.9.0.2";
constexpr char kServerV6[] = "fd09::2";

// Frames of port 0 to port 1 and back, on a thread of its own.
class CrossConnect {
 public:
  explicit CrossConnect(AfPacketIo& io) : io_(io), thread_([this] { Run(); }) {}
  ~CrossConnect() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // After Stop(): frames Send() had no room for, when the last frame passed,
  // and the processor time of it all.
  uint64_t not_taken() const { return not_taken_; }
  Clock::time_point last() const { return last_; }
  double cpu_seconds() const { return cpu_seconds_; }

 private:
  void Run() {
    std::array<Frame, PacketIo::kBatchMax> frames;
    while (!stop_) {
      size_t count = io_.Receive(frames);
      if (count == 0) {
        pollfd poller = {io_.fd(), POLLIN, 0};
        poll(&poller, 1, /*timeout=*/10);
        continue;
      }
      for (size_t i = 0; i < count; ++i) frames[i].port ^= 1;
      const auto batch = std::span<Frame>(frames).first(count);
      const size_t taken = io_.Send(batch);
      not_taken_ += count - taken;
      io_.Release(batch.subspan(taken));
      last_ = Clock::now();
    }
    rusage usage = {};
    getrusage(RUSAGE_THREAD, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      cpu_seconds_ += static_cast<double>(time.tv_sec) +
                      static_cast<double>(time.tv_usec) / 1e6;
    }
  }

  AfPacketIo& io_;
  std::atomic<bool> stop_ = false;
  uint64_t not_taken_ = 0;
  Clock::time_point last_;
  double cpu_seconds_ = 0;
  std::thread thread_;
};

class AfPacketIoKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      GTEST_SKIP() << "SKIPPED: " << status;
    }
    client_.emplace(*NetworkNamespace::Create());
    server_.emplace(*NetworkNamespace::Create());
    // No IP in the middle: nobody but us forwards.
    ASSERT_THAT(RunCommand(absl::StrCat(
                    "set -e; for c in all default; do"
                    "  echo 1 > /proc/sys/net/ipv6/conf/$c/disable_ipv6; done;"
                    "ip link add p0 type veth peer name w netns ",
                    client_->path(),
                    ";"
                    "ip link add p1 type veth peer name w netns ",
                    server_->path(),
                    ";"
                    "ip link set p0 up arp off; ip link set p1 up arp off")),
                IsOk());
    for (const auto& [where, n] :
         {std::pair{&*client_, 1}, std::pair{&*server_, 2}}) {
      ASSERT_THAT(where->Run(absl::StrCat("ip addr add 10.9.0.", n,
                                          "/24 dev w &&"
                                          "ip addr add fd09::",
                                          n,
                                          "/64 dev w nodad &&"
                                          "ip link set w up")),
                  IsOk());
    }
    for (const auto* where : {&*client_, &*server_}) {
      ASSERT_THAT(where->WaitForLinks(), IsOk());
    }
    ASSERT_THAT(WaitForLinks(), IsOk());
    AfPacketOptions options;
    PacketFilter all;
    all.everything = true;
    options.ports = {{"p0", all}, {"p1", all}};
    auto io = AfPacketIo::Create(options);
    ASSERT_THAT(io, IsOk());
    io_ = std::move(*io);
    loop_ = std::make_unique<CrossConnect>(*io_);
  }

  // Sends `size` bytes over TCP to `address` at the server's; checks that they
  // arrive as they were; returns the seconds it took.
  double Transfer(const char* address, size_t size);
  // "Tcp InCsumErrors" of a namespace's counters.
  static uint64_t Counter(const NetworkNamespace& where, absl::string_view row,
                          absl::string_view column);
  // Neither end saw a bad checksum and the loop lost nothing.
  void ExpectUnharmed() {
    for (const auto* where : {&*client_, &*server_}) {
      EXPECT_EQ(Counter(*where, "Tcp:", "InCsumErrors"), 0u);
      EXPECT_GT(Counter(*where, "Tcp:", "InSegs"), 10u);
    }
    loop_->Stop();
    const PacketIoStats stats = io_->stats();
    EXPECT_EQ(stats.receive_dropped, 0u);
    EXPECT_EQ(stats.receive_truncated, 0u);
    EXPECT_EQ(stats.receive_unsupported, 0u);
    EXPECT_EQ(stats.send_refused, 0u);
    EXPECT_EQ(loop_->not_taken(), 0u);
    EXPECT_EQ(stats.sent, stats.received);
    // Two processors, two queues of a veth: frames overtake each other and TCP
    // repeats some for nothing. The receiver says which it had already.
    std::printf(
        "%llu frames forwarded in %.2f s of processor time; segments "
        "retransmitted %llu, of them for nothing %llu\n",
        static_cast<unsigned long long>(stats.sent), loop_->cpu_seconds(),
        static_cast<unsigned long long>(
            Counter(*client_, "Tcp:", "RetransSegs")),
        static_cast<unsigned long long>(
            Counter(*client_, "TcpExt:", "TCPDSACKRecvSegs")));
  }

  std::optional<NetworkNamespace> client_;
  std::optional<NetworkNamespace> server_;
  std::unique_ptr<AfPacketIo> io_;
  std::unique_ptr<CrossConnect> loop_;
};

sockaddr_storage SocketAddress(const char* text, socklen_t& size) {
  sockaddr_storage storage = {};
  const Address address = *Address::Parse(text);
  const auto wire = address.wire();
  if (address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(kPort);
    std::copy(wire.begin(), wire.end(),
              reinterpret_cast<uint8_t*>(&v4.sin_addr));
    size = sizeof(v4);
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(kPort);
    std::copy(wire.begin(), wire.end(),
              reinterpret_cast<uint8_t*>(&v6.sin6_addr));
    size = sizeof(v6);
  }
  return storage;
}

// The byte at `position` of every transfer.
uint8_t Pattern(size_t position) {
  return static_cast<uint8_t>(position * 31 + (position >> 12));
}

double AfPacketIoKernelTest::Transfer(const char* address, size_t size) {
  socklen_t length = 0;
  const sockaddr_storage to = SocketAddress(address, length);
  const auto* to_pointer = reinterpret_cast<const sockaddr*>(&to);
  const auto open_in = [&](const NetworkNamespace& where) {
    NetworkNamespace::Scope scope(where);
    const int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A broken path fails the test instead of hanging it.
    const timeval patience = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return fd;
  };
  const int listener = open_in(*server_);
  EXPECT_EQ(bind(listener, to_pointer, length), 0);
  EXPECT_EQ(listen(listener, 1), 0);
  size_t received = 0;
  size_t wrong = 0;
  std::thread server([&] {
    const int connection = accept(listener, nullptr, nullptr);
    std::vector<uint8_t> buffer(256 << 10);
    ssize_t part;
    while ((part = recv(connection, buffer.data(), buffer.size(), 0)) > 0) {
      // Every byte would cost more than the transfer: each 61st.
      for (ssize_t i = 0; i < part; i += 61) {
        const size_t at = static_cast<size_t>(i);
        if (buffer[at] != Pattern(received + at)) ++wrong;
      }
      received += static_cast<size_t>(part);
    }
    close(connection);
  });
  const Clock::time_point start = Clock::now();
  const int client = open_in(*client_);
  EXPECT_EQ(connect(client, to_pointer, length), 0) << errno;
  std::vector<uint8_t> buffer(256 << 10);
  for (size_t sent = 0; sent < size;) {
    const size_t part = std::min(buffer.size(), size - sent);
    for (size_t i = 0; i < part; ++i) buffer[i] = Pattern(sent + i);
    const ssize_t now = send(client, buffer.data(), part, MSG_NOSIGNAL);
    if (now <= 0) break;
    sent += static_cast<size_t>(now);
  }
  shutdown(client, SHUT_WR);
  server.join();
  const std::chrono::duration<double> seconds = Clock::now() - start;
  close(client);
  close(listener);
  EXPECT_EQ(received, size);
  EXPECT_EQ(wrong, 0u);
  return seconds.count();
}

uint64_t AfPacketIoKernelTest::Counter(const NetworkNamespace& where,
                                       absl::string_view row,
                                       absl::string_view column) {
  // Two lines each: names, then numbers.
  const std::string text = *where.Run(
      "cat /proc/thread-self/net/snmp /proc/thread-self/net/netstat");
  std::vector<absl::string_view> names;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words[0] != row) continue;
    if (names.empty()) {
      names = words;
      continue;
    }
    for (size_t i = 0; i < names.size(); ++i) {
      uint64_t value = 0;
      if (names[i] == column && absl::SimpleAtoi(words[i], &value)) {
        return value;
      }
    }
  }
  ADD_FAILURE() << "no counter " << row << column;
  return 0;
}

constexpr char kOffloadOff[] = " tx off tso off gso off gro off";

TEST_F(AfPacketIoKernelTest, BulkTcpWithOffload) {
  for (const char* address : {kServerV4, kServerV6}) {
    const double seconds = Transfer(address, kBulkBytes);
    std::printf("to %s, offload on: %.2f Gbit/s\n", address,
                kBulkBytes * 8 / seconds / 1e9);
  }
  ExpectUnharmed();
}

// The kernel must finish and cut what we send: this is where wrong metadata
// shows.
TEST_F(AfPacketIoKernelTest, BulkTcpWithOffloadOffOnOurInterfaces) {
  ASSERT_THAT(RunCommand(absl::StrCat("ethtool -K p0", kOffloadOff,
                                      " && ethtool -K p1", kOffloadOff)),
              IsOk());
  for (const char* address : {kServerV4, kServerV6}) {
    const double seconds = Transfer(address, kBulkBytes);
    std::printf("to %s, offload off on ours: %.2f Gbit/s\n", address,
                kBulkBytes * 8 / seconds / 1e9);
  }
  ExpectUnharmed();
}

TEST_F(AfPacketIoKernelTest, BulkTcpWithOffloadOffEverywhere) {
  ASSERT_THAT(RunCommand(absl::StrCat("ethtool -K p0", kOffloadOff,
                                      " && ethtool -K p1", kOffloadOff)),
              IsOk());
  for (const auto* where : {&*client_, &*server_}) {
    ASSERT_THAT(where->Run(absl::StrCat("ethtool -K w", kOffloadOff)), IsOk());
  }
  const double seconds = Transfer(kServerV4, kBulkBytes / 4);
  std::printf("offload off everywhere: %.2f Gbit/s\n",
              kBulkBytes / 4 * 8 / seconds / 1e9);
  ExpectUnharmed();
}

TEST_F(AfPacketIoKernelTest, TsharkFindsEveryChecksumGoodWithOffloadOff) {
  ASSERT_THAT(RunCommand("command -v tshark dumpcap"), IsOk());
  ASSERT_THAT(RunCommand(absl::StrCat("ethtool -K p0", kOffloadOff,
                                      " && ethtool -K p1", kOffloadOff)),
              IsOk());
  const std::string folder = ::testing::TempDir();
  std::vector<std::string> captures;
  {
    std::vector<BackgroundProcess> capturing;
    for (const auto& [where, name] :
         {std::pair{&*client_, "client"}, std::pair{&*server_, "server"}}) {
      captures.push_back(absl::StrCat(folder, "/", name, ".pcap"));
      const std::string log = absl::StrCat(folder, "/", name, ".log");
      NetworkNamespace::Scope scope(*where);
      // What arrives: these frames left our interfaces.
      const std::string mac =
          *RunCommand("ip -br link show w | awk '{printf \"%s\", $3}'");
      auto process = BackgroundProcess::Start(
          {"dumpcap", "-q", "-B", "64", "-i", "w", "-f", "ether dst " + mac,
           "-w", captures.back()},
          log);
      ASSERT_THAT(process, IsOk());
      capturing.push_back(std::move(*process));
      for (int i = 0; i < 100 && !RunCommand("grep -q File: " + log).ok();
           ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
    Transfer(kServerV4, kCapturedBytes);
    Transfer(kServerV6, kCapturedBytes);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (BackgroundProcess& process : capturing) {
      process.Signal(SIGINT);
      process.Wait();
    }
  }
  const auto count = [&](const std::string& file, absl::string_view what) {
    const auto lines = RunCommand(absl::StrCat(
        "HOME=", folder, " tshark -r ", file,
        " -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -Y '", what,
        "' -T fields -e frame.number 2>/dev/null | wc -l"));
    int64_t number = -1;
    EXPECT_TRUE(lines.ok() && absl::SimpleAtoi(*lines, &number));
    return number;
  };
  for (const std::string& file : captures) {
    // A TCP checksum of 0xffff is 0 in the other of its two forms, which the
    // kernel too writes where it finishes one, and which tshark calls bad (RFC
    // 1624): one frame in 65,536.
    EXPECT_EQ(count(file,
                    "(tcp.checksum.status == Bad and tcp.checksum != 0xffff) "
                    "or ip.checksum.status == Bad"),
              0)
        << file;
    // It did look, and saw no super-frame.
    EXPECT_GT(count(file, "tcp.checksum.status == Good"), 50) << file;
    EXPECT_EQ(count(file, "frame.len > 1514"), 0) << file;
    std::remove(file.c_str());
  }
  EXPECT_EQ(Counter(*server_, "Tcp:", "InCsumErrors"), 0u);
}

TEST_F(AfPacketIoKernelTest, PingTakesLessThanAMillisecond) {
  const auto output =
      client_->Run(absl::StrCat("ping -n -c 101 -i 0.005 ", kServerV4));
  ASSERT_THAT(output, IsOk());
  EXPECT_THAT(*output, HasSubstr(" 0% packet loss"));
  std::vector<double> times;
  for (const absl::string_view line : absl::StrSplit(*output, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, "time=");
    double ms = 0;
    if (parts.size() == 2 &&
        absl::SimpleAtod(parts[1].substr(0, parts[1].find(' ')), &ms)) {
      times.push_back(ms);
    }
  }
  ASSERT_EQ(times.size(), 101u);
  std::sort(times.begin(), times.end());
  std::printf("ping: median %.3f ms, 99th of a hundred %.3f ms\n", times[50],
              times[99]);
  EXPECT_LT(times[50], 1.0);
}

TEST_F(AfPacketIoKernelTest, FloodOfSmallFramesIsForwardedOrCounted) {
  constexpr uint64_t kFrames = 600'000;
  const auto arrived = [&] {
    uint64_t packets = 0;
    EXPECT_TRUE(absl::SimpleAtoi(
        *server_->Run("ip -s -j link show w | python3 -c 'import json,sys;"
                      "print(json.load(sys.stdin)[0][\"stats64\"][\"rx\"]"
                      "[\"packets\"])'"),
        &packets));
    return packets;
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const uint64_t arrived_before = arrived();
  const PacketIoStats before = io_->stats();
  const Clock::time_point start = Clock::now();
  {
    NetworkNamespace::Scope scope(*client_);
    AfPacketOptions options;
    options.ports = {{"w", PacketFilter()}};
    auto flood = AfPacketIo::Create(options);
    ASSERT_THAT(flood, IsOk());
    const auto bytes = TaggedFrame(1, 60);
    std::array<Frame, PacketIo::kBatchMax> frames;
    for (uint64_t sent = 0; sent < kFrames;) {
      const size_t count = (*flood)->Allocate(std::span<Frame>(frames).first(
          std::min<uint64_t>(frames.size(), kFrames - sent)));
      for (size_t i = 0; i < count; ++i) {
        std::copy(bytes.begin(), bytes.end(), frames[i].data);
        frames[i].length = static_cast<uint32_t>(bytes.size());
      }
      const auto batch = std::span<Frame>(frames).first(count);
      const size_t taken = (*flood)->Send(batch);
      (*flood)->Release(batch.subspan(taken));
      sent += taken;
    }
    EXPECT_EQ((*flood)->stats().sent, kFrames);
  }
  // Until nothing more comes.
  uint64_t last = 0;
  for (uint64_t now = arrived(); now != last; now = arrived()) {
    last = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  loop_->Stop();
  const PacketIoStats stats = io_->stats();
  const uint64_t forwarded = stats.sent - before.sent;
  const uint64_t dropped = stats.receive_dropped - before.receive_dropped;
  const std::chrono::duration<double> seconds = loop_->last() - start;
  std::printf(
      "flood: %llu forwarded, %llu dropped, in %.2f s: %.0f frames/s; the loop "
      "took %.2f us of processor time a frame\n",
      static_cast<unsigned long long>(forwarded),
      static_cast<unsigned long long>(dropped), seconds.count(),
      static_cast<double>(forwarded) / seconds.count(),
      loop_->cpu_seconds() * 1e6 / static_cast<double>(forwarded));
  // The ends' own neighbour discovery may add a few.
  EXPECT_GE(forwarded + dropped + loop_->not_taken(), kFrames);
  EXPECT_LT(forwarded + dropped + loop_->not_taken(), kFrames + 20);
  EXPECT_EQ(stats.send_refused, 0u);
  EXPECT_NEAR(static_cast<double>(arrived() - arrived_before),
              static_cast<double>(forwarded), 20);
  EXPECT_GT(forwarded, kFrames / 20);
}

}  // namespace
}  // namespace ballast
