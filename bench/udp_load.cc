// Small UDP packets for bench/forwarding.py, made and counted with as little
// CPU as possible, so that what is measured is the forwarding between.
//
//   udp_load send ADDRESS PORT SECONDS RATE FLOWS
//     Sends 18-byte payloads (64-byte Ethernet frames) from FLOWS sockets in
//     turn. RATE is packets per second, spread over ticks of 100 us; 0 sends
//     as fast as sendmmsg takes them. Prints how many the kernel took.
//   udp_load count PORT
//     Receives until SIGTERM, then prints how many came. Looks once a
//     millisecond instead of being woken for every packet.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBatchMax = 64;
constexpr size_t kPayload = 18;
constexpr auto kTick = std::chrono::microseconds(100);

std::atomic<bool> stopped = false;
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal");

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// One buffer for all messages of a batch: the content does not matter.
class Batch {
 public:
  Batch() {
    piece_ = {buffer_.data(), buffer_.size()};
    for (mmsghdr& message : messages_) {
      message = {};
      message.msg_hdr.msg_iov = &piece_;
      message.msg_hdr.msg_iovlen = 1;
    }
  }
  void set_length(size_t length) { piece_.iov_len = length; }
  mmsghdr* messages() { return messages_.data(); }

 private:
  std::array<char, 2048> buffer_ = {};
  iovec piece_;
  std::array<mmsghdr, kBatchMax> messages_;
};

int Send(const char* address, int port, double seconds, double rate,
         int flows) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) Die(address);
  std::vector<int> sockets;
  for (int i = 0; i < flows; ++i) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 ||
        connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
      Die("socket");
    }
    sockets.push_back(fd);
  }
  Batch batch;
  batch.set_length(kPayload);

  const Clock::time_point begin = Clock::now();
  const Clock::time_point end =
      begin + std::chrono::duration_cast<Clock::duration>(
                  std::chrono::duration<double>(seconds));
  Clock::time_point tick = begin;
  uint64_t sent = 0;
  size_t next = 0;
  while (Clock::now() < end) {
    uint64_t due = kBatchMax;
    if (rate > 0) {
      const std::chrono::duration<double> passed = Clock::now() - begin;
      const auto wanted = static_cast<uint64_t>(rate * passed.count());
      due = wanted > sent ? wanted - sent : 0;
    }
    while (due > 0) {
      const size_t count = due < kBatchMax ? due : kBatchMax;
      const int taken = sendmmsg(sockets[next++ % sockets.size()],
                                 batch.messages(), count, 0);
      if (taken > 0) {
        sent += taken;
      } else if (errno != ENOBUFS && errno != ECONNREFUSED) {
        Die("sendmmsg");
      }
      due -= count;
    }
    if (rate > 0) {
      tick += kTick;
      std::this_thread::sleep_until(tick);
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sent));
  return 0;
}

int Count(int port) {
  std::signal(SIGTERM, [](int) { stopped = true; });
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const int buffer_size = 64 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_size,
                 sizeof(buffer_size)) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof(buffer_size));
  }
  sockaddr_in here = {};
  here.sin_family = AF_INET;
  here.sin_port = htons(static_cast<uint16_t>(port));
  if (bind(fd, reinterpret_cast<sockaddr*>(&here), sizeof(here)) != 0) {
    Die("bind");
  }
  Batch batch;
  uint64_t received = 0;
  while (true) {
    const int count =
        recvmmsg(fd, batch.messages(), kBatchMax, MSG_DONTWAIT, nullptr);
    if (count > 0) {
      received += count;
      continue;
    }
    if (stopped) break;
    usleep(1000);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(received));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "send" && argc == 7) {
    return Send(argv[2], std::atoi(argv[3]), std::atof(argv[4]),
                std::atof(argv[5]), std::atoi(argv[6]));
  }
  if (command == "count" && argc == 3) return Count(std::atoi(argv[2]));
  std::fprintf(stderr,
               "usage: udp_load send ADDRESS PORT SECONDS RATE FLOWS | "
               "count PORT\n");
  return 2;
}
