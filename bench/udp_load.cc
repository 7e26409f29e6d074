// Small UDP packets for bench/forwarding.py and bench/takeover.py, made and
// counted with as little CPU as possible, so that what is measured is what lies
// between.
//
//   udp_load send ADDRESS PORT SECONDS RATE FLOWS
//     Sends 18-byte payloads (64-byte Ethernet frames) from FLOWS sockets in
//     turn. RATE is packets per second, spread over ticks of 100 us; 0 sends
//     as fast as sendmmsg takes them. Prints how many the kernel took.
//   udp_load count PORT
//     Receives until SIGTERM, then prints how many came. Looks once a
//     millisecond instead of being woken for every packet.
//   udp_load echo ADDRESS PORT
//     Sends back what comes to the address, which may be of no interface yet.
//   udp_load probe ADDRESS PORT PERIOD_US
//     Sends a datagram each period until SIGTERM; then prints, of each, when it
//     was sent and when its answer came (0: never), in microseconds of the
//     system's monotonic clock.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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
#include <ctime>
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

sockaddr_in AddressOf(const char* address, int port) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) Die(address);
  return to;
}

int Send(const char* address, int port, double seconds, double rate,
         int flows) {
  const sockaddr_in to = AddressOf(address, port);
  std::vector<int> sockets;
  for (int i = 0; i < flows; ++i) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 ||
        connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
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

int Echo(const char* address, int port) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int one = 1;
  setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
  const sockaddr_in here = AddressOf(address, port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof(here)) != 0) {
    Die("bind");
  }
  std::array<char, 2048> buffer;
  while (true) {
    sockaddr_in from = {};
    socklen_t length = sizeof(from);
    const ssize_t got = recvfrom(fd, buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0) continue;  // Somebody's ICMP error.
    sendto(fd, buffer.data(), static_cast<size_t>(got), 0,
           reinterpret_cast<sockaddr*>(&from), length);
  }
}

uint64_t NowUs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(
          Clock::now().time_since_epoch())
          .count());
}

int Probe(const char* address, int port, int period_us) {
  std::signal(SIGTERM, [](int) { stopped = true; });
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = AddressOf(address, port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    Die("connect");
  }
  struct Datagram {
    uint64_t sent_us = 0;
    uint64_t received_us = 0;
  };
  std::vector<Datagram> datagrams;
  const auto period = std::chrono::microseconds(period_us);
  Clock::time_point next = Clock::now();
  while (!stopped) {
    const auto number = static_cast<uint32_t>(datagrams.size());
    datagrams.push_back({.sent_us = NowUs()});
    (void)!send(fd, &number, sizeof(number), 0);
    next += period;
    if (next < Clock::now()) next = Clock::now();  // Was kept from running.
    while (!stopped) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
          next - Clock::now());
      if (left.count() <= 0) break;
      const timespec timeout = {0, left.count()};
      pollfd readable = {fd, POLLIN, 0};
      if (ppoll(&readable, 1, &timeout, nullptr) <= 0) continue;
      uint32_t answer = 0;
      // An error of the socket is taken off it like this as well.
      if (recv(fd, &answer, sizeof(answer), 0) != sizeof(answer)) continue;
      if (answer < datagrams.size() && datagrams[answer].received_us == 0) {
        datagrams[answer].received_us = NowUs();
      }
    }
  }
  for (const Datagram& datagram : datagrams) {
    std::printf("%llu %llu\n",
                static_cast<unsigned long long>(datagram.sent_us),
                static_cast<unsigned long long>(datagram.received_us));
  }
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
  if (command == "echo" && argc == 4) return Echo(argv[2], std::atoi(argv[3]));
  if (command == "probe" && argc == 5) {
    return Probe(argv[2], std::atoi(argv[3]), std::atoi(argv[4]));
  }
  std::fprintf(stderr,
               "usage: udp_load send ADDRESS PORT SECONDS RATE FLOWS | "
               "count PORT | echo ADDRESS PORT | probe ADDRESS PORT "
               "PERIOD_US\n");
  return 2;
}
