// What the benchmarks of the director share: a director with established TCP
// flows of one service and 16 servers, and the frames of these flows.
//
// Flow number i is always the same: Client<A>(i) through Vip<A>() to
// Server<A>(i, direct). A is AddressV4 or AddressV6.
#ifndef BENCH_FLOW_WORLD_H_
#define BENCH_FLOW_WORLD_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"
#include "io/base/frame.h"
#include "io/base/instant.h"
#include "lb/config/model.h"
#include "lb/l4/director.h"
#include "lb/l4/flow_tuple.h"
#include "lb/l4/next_hop.h"
#include "lb/l4/packet.h"
#include "lb/l4/plan.h"

namespace ballast::l4 {

inline constexpr uint32_t kServers = 16;
inline constexpr uint16_t kVipPort = 80;
inline constexpr uint16_t kServerPort = 8080;
inline constexpr MacAddress kOurMac = {{2, 0, 0, 0, 0, 1}};
inline constexpr MacAddress kOtherMac = {{2, 0, 0, 0, 0, 9}};
inline constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

// The last 32 bits of an address in the benchmark's networks.
template <typename A>
Address AddressOf(uint32_t bits) {
  if constexpr (sizeof(A) == 4) {
    return Address::V4(bits);
  } else {
    std::array<uint8_t, 16> bytes = {0x20, 0x01, 0x0d, 0xb8};
    StoreBig32(&bytes[12], bits);
    return Address::V6(bytes);
  }
}

template <typename A>
Address Vip() {
  return AddressOf<A>(0xc0000201);
}
template <typename A>
Endpoint Server(uint32_t flow, bool direct) {
  return {AddressOf<A>(0xac100000 + flow % kServers),
          direct ? kVipPort : kServerPort};
}
template <typename A>
Endpoint Client(uint32_t flow) {
  return {AddressOf<A>(0x0a000000 + flow % 0xffff1),
          static_cast<uint16_t>(1024 + flow / 0xffff1 * 7 + flow % 50000)};
}

template <typename A>
FlowTuple<A> TupleOf(const Endpoint& from, const Endpoint& to) {
  return {PackAddress<A>(from.address), PackAddress<A>(to.address), from.port,
          to.port, kProtocolTcp};
}

template <typename A>
constexpr size_t kIpHeader = sizeof(A) == 4 ? kIpv4HeaderSize : kIpv6HeaderSize;
template <typename A>
constexpr size_t kFrameSize = kEthernetHeaderSize + kIpHeader<A> + 20;

// A segment of `tuple`. The TCP checksum is not looked at.
template <typename A>
std::array<uint8_t, kFrameSize<A>> FrameOf(const FlowTuple<A>& tuple,
                                           uint8_t tcp_flags = kTcpAck) {
  std::array<uint8_t, kFrameSize<A>> frame{};
  std::copy(kOurMac.bytes.begin(), kOurMac.bytes.end(), &frame[0]);
  std::copy(kOtherMac.bytes.begin(), kOtherMac.bytes.end(), &frame[6]);
  uint8_t* ip = &frame[kEthernetHeaderSize];
  if constexpr (sizeof(A) == 4) {
    StoreBig16(&frame[12], kEtherTypeIpv4);
    ip[0] = 0x45;
    StoreBig16(ip + 2, kIpHeader<A> + 20);
    ip[8] = 64;
    ip[9] = kProtocolTcp;
    StorePacked(ip + 12, tuple.source);
    StorePacked(ip + 16, tuple.destination);
    StoreBig16(ip + 10, static_cast<uint16_t>(~ChecksumFold(ChecksumSum(
                            std::span<const uint8_t>(ip, kIpHeader<A>)))));
  } else {
    StoreBig16(&frame[12], kEtherTypeIpv6);
    ip[0] = 0x60;
    StoreBig16(ip + 4, 20);
    ip[6] = kProtocolTcp;
    ip[7] = 64;
    StorePacked(ip + 8, tuple.source);
    StorePacked(ip + 24, tuple.destination);
  }
  uint8_t* tcp = ip + kIpHeader<A>;
  StoreBig16(tcp, tuple.source_port);
  StoreBig16(tcp + 2, tuple.destination_port);
  tcp[12] = 5 << 4;
  tcp[13] = tcp_flags;
  return frame;
}

// A director without flows. `options.connections_max` counts.
template <typename A>
std::unique_ptr<Director> MakeDirector(const Director::Options& options,
                                       bool direct) {
  auto model = std::make_shared<config::Model>();
  config::VirtualService service{.address = Vip<A>(), .port = kVipPort};
  for (uint32_t i = 0; i < kServers; ++i) {
    service.servers.push_back({.endpoint = Server<A>(i, direct),
                               .forwarding = direct
                                                 ? config::Forwarding::kRoute
                                                 : config::Forwarding::kNat});
  }
  model->floating_addresses = {{.address = Vip<A>(), .service = true}};
  model->services = {service};
  auto plan = PlanBuilder().Build(model, kNow, [](Slot) { return false; });
  BALLAST_CHECK(plan.ok());

  const uint8_t family = sizeof(A) * 8 - 32;  // Of the bits AddressOf() fills.
  const auto prefix = [&](uint32_t bits, uint8_t length) {
    return Prefix{AddressOf<A>(bits),
                  static_cast<uint8_t>(length == 0 ? 0 : family + length)};
  };
  const Address gateway = AddressOf<A>(0xc00002fe);
  std::vector<Port> ports = {{.name = "client", .mac = kOurMac},
                             {.name = "server", .mac = kOurMac}};
  std::vector<Route> routes = {{prefix(0xc0000200, 24), 0, std::nullopt, 0},
                               {prefix(0, 0), 0, gateway, 0},
                               {prefix(0xac100000, 16), 1, std::nullopt, 0}};
  absl::flat_hash_map<NeighbourKey, MacAddress> neighbours;
  neighbours[{0, gateway}] = kOtherMac;
  for (uint32_t i = 0; i < kServers; ++i) {
    neighbours[{1, Server<A>(i, direct).address}] = kOtherMac;
  }
  auto director = Director::Create(
      options, *plan,
      std::make_shared<ForwardingView>(std::move(ports), std::move(routes),
                                       std::move(neighbours)),
      kNow);
  BALLAST_CHECK(director.ok());
  return *std::move(director);
}

// Gives it flows 0 .. flows-1, established.
template <typename A>
void ImportFlows(Director& director, uint32_t flows, bool direct) {
  for (uint32_t i = 0; i < flows; ++i) {
    FlowRecord record{
        .client_side = {Client<A>(i), {Vip<A>(), kVipPort}, Protocol::kTcp},
        .server = Server<A>(i, direct),
        .forwarding =
            direct ? config::Forwarding::kRoute : config::Forwarding::kNat,
        .state = TcpState::kEstablished,
        .service_port = kVipPort};
    BALLAST_CHECK(director.Import(kNow, record));
  }
}

// Seconds that this thread has had of a processor.
inline double ThreadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + time.tv_nsec * 1e-9;
}

inline double Median(std::vector<double>& values) {
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Rewriting spoils a frame: a ring of buffers that is filled anew before each
// stretch, as packet I/O would.
template <typename A>
class FrameRing {
 public:
  static constexpr size_t kSize = 512;

  FrameRing() : buffers_(kSize) {}

  void Set(size_t i, const std::array<uint8_t, kFrameSize<A>>& frame) {
    uint8_t* data = &buffers_[i].bytes[kHeadroom];
    std::memcpy(data, frame.data(), frame.size());
    frames_[i] = {
        .data = data,
        .length = static_cast<uint32_t>(frame.size()),
        .headroom = kHeadroom,
        .tailroom = static_cast<uint32_t>(2048 - kHeadroom - frame.size()),
        .port = 0};
  }
  // The first `count` of them, in batches.
  void Process(Director& director, Instant now, size_t count = kSize) {
    for (size_t n = 0; n < count; n += Director::kBatchMax) {
      const size_t batch = std::min(Director::kBatchMax, count - n);
      director.Process(now, std::span(frames_).subspan(n, batch),
                       std::span(verdicts_).subspan(n, batch));
    }
  }
  // All of the last Process() were sent.
  void CheckSent(size_t count = kSize) const {
    for (size_t i = 0; i < count; ++i) {
      BALLAST_CHECK(verdicts_[i].action == Verdict::Action::kSend);
    }
  }

 private:
  struct alignas(2048) Buffer {
    std::array<uint8_t, 2048> bytes;
  };
  static constexpr uint32_t kHeadroom = 64;

  std::vector<Buffer> buffers_;
  std::array<Frame, kSize> frames_;
  std::array<Verdict, kSize> verdicts_;
};

}  // namespace ballast::l4

#endif  // BENCH_FLOW_WORLD_H_
