// The world of director_fuzz.cc: configurations, networks and ends of packets
// to choose from, and the script that chooses.
#ifndef LB_L4_DIRECTOR_FUZZ_WORLD_H_
#define LB_L4_DIRECTOR_FUZZ_WORLD_H_

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "lb/l4/director.h"
#include "lb/l4/frame_builder.h"

namespace ballast::l4 {

inline constexpr uint16_t kClientPort = 0;
inline constexpr uint16_t kServerPort = 1;
inline constexpr uint16_t kPuntPort = 2;
inline constexpr uint32_t kFlowsMax = 5;
inline constexpr MacAddress kOurMac = {{2, 0, 0, 0, 0, 1}};
inline constexpr MacAddress kHostMac = {{2, 0, 0, 0, 0, 2}};
inline constexpr MacAddress kNeighbourMac = {{2, 0, 0, 0, 1, 1}};

class Script {
 public:
  Script(const uint8_t* data, size_t size)
      : data_(data),
        size_(size),
        prng_(std::accumulate(data, data + size, 1u, [](uint32_t h, uint8_t b) {
          return (h ^ b) * 0x01000193u;
        })) {}

  bool done() const { return at_ >= size_ + kMore; }
  uint8_t Byte() {
    const size_t at = at_++;
    return at < size_ ? data_[at] : static_cast<uint8_t>(prng_());
  }
  // Below `bound`, at most 256.
  uint32_t Below(uint32_t bound) { return Byte() % bound; }
  template <typename T, size_t n>
  const T& Of(const std::array<T, n>& values) {
    return values[Below(n)];
  }
  template <typename T>
  const T& Of(const std::vector<T>& values) {
    return values[Below(static_cast<uint32_t>(values.size()))];
  }

 private:
  static constexpr size_t kMore = 500;

  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
  std::mt19937 prng_;
};

// Who may be at either end of a packet; some clients are behind the router,
// some are servers.
struct Ends {
  std::vector<Endpoint> clients, services, servers;
};
const Ends& EndsOf(bool v6);

// What operators change: servers, their state, whole services.
const std::vector<std::shared_ptr<const config::Model>>& Models();
// All well; nobody answers ARP; a thin link and no punt; a dead link.
const std::vector<std::shared_ptr<const ForwardingView>>& Views();

// One of thirteen kinds: TCP, UDP, SIP, fragments, ICMP errors, echo, and
// others.
Bytes PacketBetween(Script& script, const Endpoint& from, const Endpoint& to,
                    uint32_t kind);
Bytes ArpPacket(const Address& sender, const Address& target, bool reply);

}  // namespace ballast::l4

#endif  // LB_L4_DIRECTOR_FUZZ_WORLD_H_
