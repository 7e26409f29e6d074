// A director between a client's network and a servers' network, for tests: two
// ports with known neighbours, frames in and out one at a time.
//
//   port 0 "client"  192.0.2.0/24, 2001:db8:c::/64; everything else via .254
//   port 1 "server"  10.0.0.0/24, 2001:db8:5::/64
#ifndef LB_L4_DIRECTOR_WORLD_H_
#define LB_L4_DIRECTOR_WORLD_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lb/l4/director.h"
#include "lb/l4/frame_builder.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {

// Endpoints most tests use.
inline constexpr char kVip[] = "192.0.2.10:80";
inline constexpr char kClient[] = "192.0.2.7:4000";
inline constexpr char kVip6[] = "[2001:db8:c::10]:80";
inline constexpr char kClient6[] = "[2001:db8:c::7]:4000";

inline const MacAddress kOurMac = {{2, 0, 0, 0, 0, 1}};
inline const MacAddress kHostMac = {{2, 0, 0, 0, 0, 2}};

// The MAC of a neighbour, made from its address's last byte.
inline MacAddress MacOf(const Address& address) {
  return {{2, 0, 0, 0, 1, address.bytes()[15]}};
}

class DirectorWorld {
 public:
  static constexpr uint16_t kClientPort = 0;
  static constexpr uint16_t kServerPort = 1;
  static constexpr uint16_t kPuntPort = 2;

  struct Options {
    std::vector<config::VirtualService> services;
    Director::Options director = {.connections_max = 1000,
                                  .persistence_entries_max = 1000,
                                  .fragments_max = 64,
                                  .pending_frames_max = 8};
    bool punt = false;
    bool active = true;
    bool neighbours_known = true;
    uint32_t client_mtu = 1500;
    uint32_t server_mtu = 1500;
    std::vector<const char*> gateways;  // Floating, of no service.
    bool drop_on_fail = false;
  };
  explicit DirectorWorld(Options options);
  // kVip by NAT to 10.0.0.1:8080.
  static Options OneServer();

  // What one frame came to.
  struct Outcome {
    Verdict verdict;
    uint16_t port = 0;
    Bytes bytes;
    Packet packet;  // Parsed again from `bytes`, when sent.
    Frame frame;    // For the accessors of packet.h.

    bool sent() const { return verdict.action == Verdict::Action::kSend; }
    Endpoint source() const {
      return {SourceAddress(frame, packet), packet.source_port};
    }
    Endpoint destination() const {
      return {DestinationAddress(frame, packet), packet.destination_port};
    }
    MacAddress destination_mac() const;
    bool SumsRight() const;
    // "10.0.0.1:80 -> ..." or the reason of the drop.
    std::string ToString() const;
  };
  // An Ethernet frame to our MAC around `ip_packet`, arriving on `port`.
  Outcome Send(const Bytes& ip_packet, uint16_t port);
  Outcome SendFrame(const Bytes& frame_bytes, uint16_t port,
                    const Offload& offload = {});
  // From the client's side, from the servers' side.
  Outcome FromClient(const Bytes& ip_packet) {
    return Send(ip_packet, kClientPort);
  }
  Outcome FromServer(const Bytes& ip_packet) {
    return Send(ip_packet, kServerPort);
  }
  // Everything Emit() has until it has no more.
  std::vector<Outcome> Emit();

  // TCP with these flags ("S", "SA", "A", "F", "R") and data.
  static Bytes Tcp(const char* source, const char* destination,
                   const char* flags, uint32_t sequence = 1000,
                   uint32_t ack = 2000, const Bytes& data = {});
  static Bytes Udp(const char* source, const char* destination,
                   const Bytes& data = {1, 2, 3, 4});
  // A handshake and the client's first data; the server's endpoint. Fails the
  // test when any of it does not get through.
  Endpoint Connect(const char* client, const char* vip);

  void Configure(std::vector<config::VirtualService> services);
  void SetView(bool neighbours_known);
  Slot ServerSlot(const char* endpoint) const;
  uint64_t drops(DropReason reason) const {
    return director->counters()
        .director.drops[static_cast<size_t>(reason)]
        .value();
  }
  void Advance(absl::Duration duration) { now += duration; }

  Instant now = Instant::FromNanos(1'000'000'000'000);
  std::shared_ptr<const Plan> plan;
  std::unique_ptr<Director> director;

 private:
  std::shared_ptr<const ForwardingView> View(bool neighbours_known) const;
  Outcome Finish(const Frame& frame, Verdict verdict);

  Options options_;
  PlanBuilder builder_;
  std::vector<std::unique_ptr<TestFrame>> frames_;  // Alive for outcomes.
};

config::VirtualService Service(const char* endpoint,
                               std::vector<const char*> servers,
                               Protocol protocol = Protocol::kTcp);

}  // namespace ballast::l4

#endif  // LB_L4_DIRECTOR_WORLD_H_
