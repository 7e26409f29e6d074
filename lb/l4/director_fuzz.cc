// Properties of a director whatever its networks, its configuration and its
// owner do to it, with tables of a few places:
//   - each frame gets exactly one verdict, and a held one comes back once;
//   - frames stay within their buffers; what is sent parses again;
//   - counters balance as counters.h says, frame by frame;
//   - flows stay within the limit; the sink, the servers' counters and the
//     scheduler agree on how many there are;
//   - when all have been idle for long enough nothing is left of them.
// Input: a script, a byte or a few for each step. What it leaves open goes on
// with bytes made from it, so that a short input is a whole run, too.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "lb/l4/director.h"
#include "lb/l4/frame_builder.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {
namespace {

constexpr uint16_t kClientPort = 0;
constexpr uint16_t kServerPort = 1;
constexpr uint16_t kPuntPort = 2;
constexpr uint32_t kFlowsMax = 5;
constexpr MacAddress kOurMac = {{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kHostMac = {{2, 0, 0, 0, 0, 2}};
constexpr MacAddress kNeighbourMac = {{2, 0, 0, 0, 1, 1}};

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

Endpoint E(const char* text) { return *Endpoint::Parse(text); }

config::VirtualService Service(const char* endpoint, Protocol protocol,
                               const std::vector<const char*>& servers,
                               config::Forwarding forwarding) {
  config::VirtualService service;
  service.address = E(endpoint).address;
  service.port = E(endpoint).port;
  service.protocol = protocol;
  for (const char* server : servers) {
    service.servers.push_back(
        {.endpoint = E(server), .forwarding = forwarding});
  }
  return service;
}

std::shared_ptr<const config::Model> Finished(config::Model model) {
  std::set<Address> vips;
  for (const auto& service : model.services) {
    if (vips.insert(service.address).second) {
      model.floating_addresses.push_back(
          {.address = service.address, .service = true});
    }
  }
  model.floating_addresses.push_back({.address = Ip("10.0.0.254")});
  model.floating_addresses.push_back({.address = Ip("2001:db8:5::fe")});
  return std::make_shared<config::Model>(std::move(model));
}

// What operators change: servers, their state, whole services.
std::vector<std::shared_ptr<const config::Model>> MakeModels() {
  constexpr auto kNat = config::Forwarding::kNat;
  constexpr auto kRoute = config::Forwarding::kRoute;
  config::Model first;
  first.services = {
      Service("192.0.2.10:80", Protocol::kTcp,
              {"10.0.0.1:8080", "10.0.0.2:8080"}, kNat),
      Service("192.0.2.10:53", Protocol::kUdp, {"10.0.0.1:0"}, kNat),
      Service("192.0.2.11:80", Protocol::kTcp, {"10.0.0.2:80", "10.0.0.3:80"},
              kRoute),
      Service("[2001:db8:c::10]:80", Protocol::kTcp,
              {"[2001:db8:5::1]:8080", "[2001:db8:5::2]:80"}, kNat),
      Service("[2001:db8:c::10]:0", Protocol::kUdp, {"[2001:db8:5::1]:0"},
              kNat),
      Service("[2001:db8:c::11]:80", Protocol::kTcp, {"[2001:db8:5::2]:80"},
              kRoute)};
  first.services[0].persistence = {.enabled = true,
                                   .timeout = absl::Minutes(6)};
  first.services[3].schedule = config::Schedule::kSourceHash;

  config::Model second = first;
  second.drop_on_fail = true;
  second.services[0].servers.erase(second.services[0].servers.begin());
  second.services[0].schedule = config::Schedule::kLeastConnection;
  second.services[0].sorry_server = {.endpoint = E("10.0.0.3:80")};
  second.services[1].enabled = false;
  second.services[3].servers[0].state = config::AdminState::kDraining;
  second.services[3].servers[0].drain_time = absl::Seconds(2);
  second.services[3].servers[0].drop_at_drain_end = true;

  config::Model third = second;
  third.services.erase(third.services.begin() + 2, third.services.end());
  third.services[1].servers[0].endpoint = E("10.0.0.2:5353");
  third.services[0].servers[0].connection_limit = 1;
  return {Finished(first), Finished(second), Finished(third),
          Finished(config::Model())};
}

const std::vector<std::shared_ptr<const config::Model>>& Models() {
  static const auto& models = *new auto(MakeModels());
  return models;
}

// Three networks: all well; nobody answers ARP; a thin link and no punt.
std::shared_ptr<const ForwardingView> MakeView(bool neighbours, bool thin,
                                               bool up) {
  const std::vector<Port> ports = {
      {.name = "client", .mac = kOurMac},
      {.name = "server", .mac = kOurMac, .mtu = thin ? 100u : 1500u, .up = up},
      {.name = "punt",
       .mac = kOurMac,
       .mtu = 65535,
       .up = !thin,
       .host_mac = kHostMac}};
  const auto prefix = [](const char* text) { return *Prefix::Parse(text); };
  const std::vector<Route> routes = {
      {prefix("192.0.2.0/24"), kClientPort, std::nullopt, 0},
      {prefix("2001:db8:c::/64"), kClientPort, std::nullopt, 0},
      {prefix("0.0.0.0/0"), kClientPort, Ip("192.0.2.254"), 0},
      {prefix("10.0.0.0/24"), kServerPort, std::nullopt, 0},
      {prefix("2001:db8:5::/64"), kServerPort, std::nullopt, 0}};
  absl::flat_hash_map<NeighbourKey, MacAddress> known;
  if (neighbours) {
    for (const char* text : {"192.0.2.7", "192.0.2.8", "192.0.2.254",
                             "2001:db8:c::7", "2001:db8:c::8"}) {
      known[{kClientPort, Ip(text)}] = kNeighbourMac;
    }
    for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3",
                             "2001:db8:5::1", "2001:db8:5::2"}) {
      known[{kServerPort, Ip(text)}] = kNeighbourMac;
    }
  }
  return std::make_shared<ForwardingView>(ports, routes, known);
}

const std::vector<std::shared_ptr<const ForwardingView>>& Views() {
  static const auto& views = *new std::vector{
      MakeView(true, false, true), MakeView(false, false, true),
      MakeView(true, true, true), MakeView(true, false, false)};
  return views;
}

// Who may be at either end of a packet; some clients are behind the router,
// some are servers.
struct Ends {
  std::vector<Endpoint> clients, services, servers;
};
const Ends& EndsOf(bool v6) {
  static const auto& v4_ends =
      *new Ends{{E("192.0.2.7:4000"), E("192.0.2.7:4001"), E("192.0.2.8:4000"),
                 E("198.51.100.1:4000"), E("10.0.0.1:4000")},
                {E("192.0.2.10:80"), E("192.0.2.10:53"), E("192.0.2.11:80"),
                 E("192.0.2.10:81"), E("10.0.0.254:22")},
                {E("10.0.0.1:8080"), E("10.0.0.2:8080"), E("10.0.0.1:53"),
                 E("10.0.0.3:80")}};
  static const auto& v6_ends =
      *new Ends{{E("[2001:db8:c::7]:4000"), E("[2001:db8:c::7]:4001"),
                 E("[2001:db8:c::8]:4000"), E("[2001:db8:5::1]:4000")},
                {E("[2001:db8:c::10]:80"), E("[2001:db8:c::10]:53"),
                 E("[2001:db8:c::11]:80"), E("[2001:db8:5::fe]:80")},
                {E("[2001:db8:5::1]:8080"), E("[2001:db8:5::2]:80"),
                 E("[2001:db8:5::1]:53")}};
  return v6 ? v6_ends : v4_ends;
}

Bytes ArpPacket(const Address& sender, const Address& target, bool reply) {
  Bytes arp = FromHex("0001 0800 0604 0000 02 00 00 00 01 01");
  arp[7] = reply ? 2 : 1;
  arp.insert(arp.end(), sender.wire().begin(), sender.wire().end());
  arp.resize(24);
  arp.insert(arp.end(), target.wire().begin(), target.wire().end());
  return arp;
}

class Run : public FlowSink {
 public:
  Run(const uint8_t* data, size_t size) : script_(data, size) {
    Director::Options options{.connections_max = kFlowsMax,
                              .persistence_entries_max = 3,
                              .fragments_max = 4,
                              .pending_frames_max = 3,
                              .sink = this};
    Build(0);
    auto director =
        Director::Create(options, plan_, Views()[script_.Below(2)], now_);
    BALLAST_CHECK(director.ok());
    director_ = *std::move(director);
    director_->SetActive(now_, true, /*at_once=*/true);
  }

  void Go() {
    while (!script_.done()) {
      Step();
      CheckCounters();
    }
    Process();
    // A view that lets everything leave, then silence.
    for (int i = 0; i < 8; ++i) {
      now_ += absl::Minutes(20);
      while (Emit(64, true) == 64) {
      }
      CheckCounters();
    }
    BALLAST_CHECK(director_->flow_count() == 0);
    BALLAST_CHECK(held_.empty());
  }

  void OnFlow(FlowEvent event, const FlowView& flow) override {
    BALLAST_CHECK(flow.client_side.source.address.is_v4() != flow.handle.v6);
    if (event == FlowEvent::kAdded) ++flows_told_;
    if (event == FlowEvent::kRemoved) --flows_told_;
    BALLAST_CHECK(flows_told_ <= kFlowsMax);
  }

 private:
  struct Owned {
    std::unique_ptr<TestFrame> memory;
    size_t room = 0;  // Of the buffer.
    const uint8_t* begin = nullptr;
  };

  void Step() {
    switch (script_.Below(20)) {
      case 0:
        Process();
        return;
      case 1:
        Process();
        now_ += absl::Milliseconds(1u << script_.Below(18));
        return;
      case 2:
      case 3:
        Process();
        Emit(1 + script_.Below(6), script_.Below(4) != 0);
        return;
      case 4:
        if (script_.Below(3) != 0) return;
        Process();
        Build(script_.Below(static_cast<uint32_t>(Models().size())));
        director_->Apply(now_, plan_);
        return;
      case 5:
        if (script_.Below(2) != 0) return;
        Process();
        director_->SetView(now_, script_.Of(Views()));
        director_->TakeWantedHops();
        return;
      case 6:
        if (script_.Below(4) != 0) return;
        Process();
        director_->SetActive(now_, script_.Below(8) != 0,
                             script_.Below(2) != 0);
        return;
      case 7: {
        Process();
        const Slot slot = static_cast<Slot>(script_.Below(12));
        if (plan_->server(slot) == nullptr) return;
        director_->SetHealthy(now_, slot, script_.Below(2) != 0);
        return;
      }
      case 8:
        Process();
        Records();
        return;
      default:
        Add(NextFrame());
    }
  }

  void Build(size_t model) {
    auto plan = builder_.Build(Models()[model], now_, [this](Slot slot) {
      const ServerCounters* counters = director_->counters().servers.Get(slot);
      return counters != nullptr && counters->open.value() > 0;
    });
    BALLAST_CHECK(plan.ok());
    plan_ = *plan;
    slots_ = std::max(slots_, plan_->server_slots());
  }

  Bytes NextFrame() {
    const Ends& ends = EndsOf(script_.Below(3) == 0);
    Endpoint from = script_.Of(ends.clients), to = script_.Of(ends.services);
    switch (script_.Below(8)) {
      case 0:
        std::swap(from, to);
        break;
      case 1:
      case 2:
        to = std::exchange(from, script_.Of(ends.servers));
        break;
      case 3:
        to = script_.Of(ends.servers);
        break;
      default:
        break;
    }
    Bytes frame = Framed(PacketBetween(from, to, script_.Below(12)));
    std::copy(kOurMac.bytes.begin(), kOurMac.bytes.end(), frame.begin());
    std::copy(kNeighbourMac.bytes.begin(), kNeighbourMac.bytes.end(),
              frame.begin() + 6);
    if (from.address.is_v4() && script_.Below(16) == 0) {
      frame =
          Concat({EthernetHeader(kEtherTypeArp),
                  ArpPacket(from.address, to.address, script_.Below(2) != 0)});
    }
    if (script_.Below(4) != 0) return frame;
    for (uint32_t i = 1 + script_.Below(3); i > 0; --i) {
      frame[script_.Byte() % frame.size()] = script_.Byte();
    }
    if (script_.Below(4) == 0) frame.resize(script_.Byte() % frame.size());
    if (script_.Below(2) != 0 && frame.size() >= 34 && frame[14] == 0x45) {
      StoreBig16(&frame[24], 0);
      StoreBig16(&frame[24], static_cast<uint16_t>(~NaiveSum(Bytes(
                                 frame.begin() + 14, frame.begin() + 34))));
    }
    return frame;
  }

  Bytes PacketBetween(const Endpoint& from, const Endpoint& to, uint32_t kind) {
    constexpr std::array<uint8_t, 10> kFlags = {
        kTcpSyn, kTcpSyn, kTcpSyn, kTcpSyn,           kTcpSyn | kTcpAck,
        kTcpAck, kTcpAck, kTcpAck, kTcpFin | kTcpAck, kTcpRst | kTcpAck};
    const bool v4 = from.address.is_v4();
    const Bytes data(script_.Below(2) * 100);
    switch (kind) {
      default:
        return IpPacket(
            from.address, to.address, kProtocolTcp,
            Tcp(from, to, {.flags = script_.Of(kFlags), .data = data}));
      case 6:
      case 7:
        return IpPacket(from.address, to.address, kProtocolUdp,
                        Udp(from, to, data));
      case 8: {  // A fragment, first or later.
        if (!v4) return IpPacket(from.address, to.address, 47, data);
        const bool first = script_.Below(2) != 0;
        Bytes body = Udp(from, to, Bytes(40));
        body.resize(first ? 16 : 24);
        return Ipv4(from.address, to.address, kProtocolUdp, body,
                    {.id = static_cast<uint16_t>(script_.Below(16)),
                     .fragment = static_cast<uint16_t>(first ? 0x2000 : 2)});
      }
      case 9: {  // An error of either end, or a router, about the other's.
        const Bytes quoted =
            IpPacket(to.address, from.address, kProtocolTcp, Tcp(to, from));
        const Bytes rest = Concat({{0, 0, 5, 0x14}, quoted});
        return v4 ? Ipv4(from.address, to.address, kProtocolIcmp,
                         Icmp(from.address, to.address, 3, 4, rest))
                  : Ipv6(from.address, to.address, kProtocolIcmpV6,
                         Icmp(from.address, to.address, 2, 0, rest));
      }
      case 10: {
        const Bytes rest = {0, 1, 0, 2, 'x'};
        return v4 ? Ipv4(from.address, to.address, kProtocolIcmp,
                         Icmp(from.address, to.address, 8, 0, rest))
                  : Ipv6(from.address, to.address, kProtocolIcmpV6,
                         Icmp(from.address, to.address, 128, 0, rest));
      }
      case 11: {  // Nearly spent.
        const Bytes body = Tcp(from, to, {.flags = kTcpSyn});
        return v4 ? Ipv4(from.address, to.address, kProtocolTcp, body,
                         {.ttl = 1})
                  : Ipv6(from.address, to.address, kProtocolTcp, body, 1);
      }
    }
  }

  Frame Own(const Bytes& bytes, size_t headroom, size_t tailroom) {
    Owned owned;
    owned.memory = std::make_unique<TestFrame>(bytes, headroom, tailroom);
    Frame frame = owned.memory->frame;
    owned.begin = frame.data - headroom;
    owned.room = headroom + bytes.size() + tailroom;
    frame.cookie = ++cookie_;
    owned_[frame.cookie] = std::move(owned);
    return frame;
  }

  void Add(const Bytes& bytes) {
    Frame frame = Own(bytes, script_.Below(4) == 0 ? 0 : 64,
                      script_.Below(4) == 0 ? 0 : 64);
    constexpr std::array<uint16_t, 5> kPorts = {
        kClientPort, kClientPort, kServerPort, kServerPort, kPuntPort};
    frame.port = script_.Of(kPorts);
    if (script_.Below(8) == 0) {
      frame.offload.partial_checksum = true;
      frame.offload.checksum_start = script_.Below(2) != 0 ? 34 : 54;
      frame.offload.checksum_offset = script_.Below(2) != 0 ? 16 : 6;
      frame.offload.segmentation =
          static_cast<Offload::Segmentation>(script_.Below(4));
      frame.offload.segment_size = script_.Byte();
    }
    batch_.push_back(frame);
    if (batch_.size() == Director::kBatchMax) Process();
  }

  // A verdict on one frame that is ours to carry out.
  void Carry(const Frame& frame, const Verdict& verdict) {
    BALLAST_CHECK(frame.port <= kPuntPort);
    switch (verdict.action) {
      case Verdict::Action::kHeld:
        BALLAST_CHECK(held_.insert(frame.cookie).second);
        return;  // Its memory stays.
      case Verdict::Action::kDrop:
        BALLAST_CHECK(verdict.reason != DropReason::kNone &&
                      verdict.reason < DropReason::kCount);
        ++dropped_;
        break;
      case Verdict::Action::kSend: {
        ++(frame.port == kPuntPort ? punted_ : sent_);
        const Owned& owned = owned_.at(frame.cookie);
        BALLAST_CHECK(frame.data - frame.headroom == owned.begin);
        BALLAST_CHECK(frame.headroom + frame.length + frame.tailroom ==
                      owned.room);
        Packet packet;
        BALLAST_CHECK(Parse(frame, &packet) == DropReason::kNone);
        break;
      }
    }
    BALLAST_CHECK(owned_.erase(frame.cookie) == 1);
  }

  void Process() {
    const std::vector<Frame> before = batch_;
    std::vector<Verdict> verdicts(batch_.size(),
                                  {static_cast<Verdict::Action>(99)});
    director_->Process(now_, batch_, verdicts);
    received_ += batch_.size();
    for (size_t i = 0; i < batch_.size(); ++i) {
      BALLAST_CHECK(batch_[i].cookie == before[i].cookie);
      Carry(batch_[i], verdicts[i]);
    }
    batch_.clear();
  }

  size_t Emit(size_t room, bool allocates) {
    std::vector<Frame> frames(room);
    std::vector<Verdict> verdicts(room);
    std::set<uint32_t> fresh;
    const size_t count =
        director_->Emit(now_, frames, verdicts, [&](Frame* frame) {
          if (!allocates && script_.Below(2) == 0) return false;
          *frame = Own({}, 64, 512);
          fresh.insert(frame->cookie);
          return true;
        });
    BALLAST_CHECK(count <= room);
    for (size_t i = 0; i < count; ++i) {
      const uint32_t cookie = frames[i].cookie;
      const bool own = fresh.erase(cookie) == 1;
      BALLAST_CHECK(own || held_.erase(cookie) == 1);
      BALLAST_CHECK(verdicts[i].action != Verdict::Action::kHeld);
      made_ += own;
      Carry(frames[i], verdicts[i]);
    }
    BALLAST_CHECK(fresh.empty());  // What was allocated came back.
    return count;
  }

  // Every flow goes out as a record, and in again: it is there already.
  void Records() {
    Director::ExportCursor cursor;
    std::array<FlowRecord, 4> records;
    size_t flows = 0;
    while (!cursor.done) {
      const size_t count = director_->Export(now_, cursor, records);
      for (size_t i = 0; i < count; ++i) {
        if (records[i].kind != FlowRecord::Kind::kFlow) continue;
        ++flows;
        const auto flow = director_->FindFlow(records[i].client_side);
        BALLAST_CHECK(flow.has_value());
        BALLAST_CHECK(flow->server == records[i].server);
        BALLAST_CHECK(!director_->Import(now_, records[i]));
        director_->Absorb(now_, flow->handle, 1, 60, now_);
        if (script_.Below(4) == 0) {
          records[i].client_side.source.port ^= 1;
          director_->Import(now_, records[i]);
        }
      }
    }
    BALLAST_CHECK(flows <= director_->flow_count());
  }

  void CheckCounters() {
    const DirectorCounters& c = director_->counters().director;
    uint64_t drops = 0;
    for (const Counter& counter : c.drops) drops += counter.value();
    const uint64_t received = received_;
    BALLAST_CHECK(c.received.value() == received);
    BALLAST_CHECK(c.sent.value() == sent_);
    BALLAST_CHECK(c.punted.value() == punted_);
    // Errors about dropped packets are made of those packets' frames.
    BALLAST_CHECK(c.made.value() - made_ == drops - dropped_);
    BALLAST_CHECK(received + c.made.value() ==
                  sent_ + punted_ + held_.size() + drops);
    BALLAST_CHECK(c.forwarded.value() + c.answered.value() <=
                  sent_ + held_.size() + drops);

    BALLAST_CHECK(director_->flow_count() <= kFlowsMax);
    BALLAST_CHECK(director_->flow_count() == flows_told_);
    uint64_t open = 0;
    for (Slot slot = 0; slot < slots_; ++slot) {
      const ServerCounters* server = director_->counters().servers.Get(slot);
      if (server == nullptr) continue;
      BALLAST_CHECK(server->active.value() <= server->open.value());
      BALLAST_CHECK(director_->choice().open(slot) == server->active.value());
      open += server->open.value();
    }
    BALLAST_CHECK(open == flows_told_);
  }

  Script script_;
  Instant now_ = Instant::FromNanos(1'000'000'000'000);
  PlanBuilder builder_;
  std::shared_ptr<const Plan> plan_;
  size_t slots_ = 0;
  std::unique_ptr<Director> director_;
  std::vector<Frame> batch_;
  std::map<uint32_t, Owned> owned_;
  std::set<uint32_t> held_;
  uint32_t cookie_ = 0;
  uint64_t received_ = 0, sent_ = 0, punted_ = 0, dropped_ = 0, made_ = 0;
  uint64_t flows_told_ = 0;
};

}  // namespace
}  // namespace ballast::l4

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::l4::Run(data, size).Go();
  return 0;
}
