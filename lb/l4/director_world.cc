#include "lb/l4/director_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/l4/rewrite.h"

namespace ballast::l4 {
namespace {

Endpoint E(const char* text) {
  auto endpoint = Endpoint::Parse(text);
  BALLAST_CHECK(endpoint.ok());
  return *endpoint;
}

}  // namespace

config::VirtualService Service(const char* endpoint,
                               std::vector<const char*> servers,
                               Protocol protocol) {
  config::VirtualService service;
  service.address = E(endpoint).address;
  service.port = E(endpoint).port;
  service.protocol = protocol;
  for (const char* server : servers) {
    service.servers.push_back({.endpoint = E(server)});
  }
  return service;
}

DirectorWorld::Options DirectorWorld::OneServer() {
  return {.services = {Service(kVip, {"10.0.0.1:8080"})}};
}

DirectorWorld::DirectorWorld(Options options) : options_(std::move(options)) {
  std::vector<config::VirtualService> services = options_.services;
  auto model = std::make_shared<config::Model>();
  auto first = builder_.Build(model, now, [](Slot) { return false; });
  BALLAST_CHECK(first.ok());
  auto created = Director::Create(options_.director, *first,
                                  View(options_.neighbours_known), now);
  BALLAST_CHECK(created.ok());
  director = std::move(*created);
  Configure(services);
  if (options_.active) {
    director->SetActive(now, true, /*at_once=*/true);
    Emit();
  }
}

std::shared_ptr<const ForwardingView> DirectorWorld::View(
    bool neighbours_known) const {
  std::vector<Port> ports = {
      {.name = "client", .mac = kOurMac, .mtu = options_.client_mtu},
      {.name = "server", .mac = kOurMac, .mtu = options_.server_mtu}};
  if (options_.punt) {
    ports.push_back(
        {.name = "punt", .mac = kOurMac, .mtu = 65535, .host_mac = kHostMac});
  }
  const auto prefix = [](const char* text) { return *Prefix::Parse(text); };
  std::vector<Route> routes = {
      {prefix("192.0.2.0/24"), kClientPort, std::nullopt, 0},
      {prefix("2001:db8:c::/64"), kClientPort, std::nullopt, 0},
      {prefix("0.0.0.0/0"), kClientPort, *Address::Parse("192.0.2.254"), 0},
      {prefix("10.0.0.0/24"), kServerPort, std::nullopt, 0},
      {prefix("2001:db8:5::/64"), kServerPort, std::nullopt, 0}};
  absl::flat_hash_map<NeighbourKey, MacAddress> neighbours;
  if (neighbours_known) {
    for (int i = 1; i < 255; ++i) {
      for (const auto& [port, text] :
           {std::pair(kClientPort, absl::StrCat("192.0.2.", i)),
            std::pair(kServerPort, absl::StrCat("10.0.0.", i)),
            std::pair(kClientPort, absl::StrCat("2001:db8:c::", absl::Hex(i))),
            std::pair(kServerPort,
                      absl::StrCat("2001:db8:5::", absl::Hex(i)))}) {
        const Address address = *Address::Parse(text);
        neighbours[{port, address}] = MacOf(address);
      }
    }
  }
  return std::make_shared<ForwardingView>(std::move(ports), std::move(routes),
                                          std::move(neighbours));
}

void DirectorWorld::SetView(bool neighbours_known) {
  director->SetView(now, View(neighbours_known));
}

void DirectorWorld::Configure(std::vector<config::VirtualService> services) {
  auto model = std::make_shared<config::Model>();
  model->drop_on_fail = options_.drop_on_fail;
  std::set<Address> vips;
  for (const auto& service : services) {
    if (vips.insert(service.address).second) {
      model->floating_addresses.push_back(
          {.address = service.address, .service = true});
    }
  }
  for (const char* gateway : options_.gateways) {
    model->floating_addresses.push_back({.address = *Address::Parse(gateway)});
  }
  model->services = std::move(services);
  auto built = builder_.Build(model, now, [this](Slot slot) {
    const ServerCounters* counters = director->counters().servers.Get(slot);
    return counters != nullptr && counters->open.value() > 0;
  });
  BALLAST_CHECK(built.ok());
  plan = *built;
  director->Apply(now, plan);
}

Slot DirectorWorld::ServerSlot(const char* endpoint) const {
  for (Slot slot = 0; slot < plan->server_slots(); ++slot) {
    const PlanServer* server = plan->server(slot);
    if (server != nullptr && server->endpoint == E(endpoint)) return slot;
  }
  return kNoSlot;
}

DirectorWorld::Outcome DirectorWorld::Finish(const Frame& frame,
                                             Verdict verdict) {
  Outcome outcome;
  outcome.verdict = verdict;
  outcome.port = frame.port;
  outcome.bytes = Bytes(frame.data, frame.data + frame.length);
  if (verdict.action == Verdict::Action::kSend) {
    frames_.push_back(std::make_unique<TestFrame>(outcome.bytes));
    outcome.frame = frames_.back()->frame;
    outcome.frame.offload = frame.offload;
    EXPECT_EQ(Parse(outcome.frame, &outcome.packet), DropReason::kNone);
  }
  return outcome;
}

DirectorWorld::Outcome DirectorWorld::SendFrame(const Bytes& frame_bytes,
                                                uint16_t port,
                                                const Offload& offload) {
  frames_.push_back(std::make_unique<TestFrame>(frame_bytes, 128));
  Frame frame = frames_.back()->frame;
  frame.port = port;
  frame.offload = offload;
  Verdict verdict;
  director->Process(now, {&frame, 1}, {&verdict, 1});
  return Finish(frame, verdict);
}

DirectorWorld::Outcome DirectorWorld::Send(const Bytes& ip_packet,
                                           uint16_t port) {
  Bytes bytes = Framed(ip_packet);
  std::copy(kOurMac.bytes.begin(), kOurMac.bytes.end(), bytes.begin());
  return SendFrame(bytes, port);
}

std::vector<DirectorWorld::Outcome> DirectorWorld::Emit() {
  std::vector<Outcome> outcomes;
  std::array<Frame, Director::kBatchMax> frames;
  std::array<Verdict, Director::kBatchMax> verdicts;
  const auto allocate = [this](Frame* frame) {
    frames_.push_back(std::make_unique<TestFrame>(Bytes(), 64, 2048));
    *frame = frames_.back()->frame;
    return true;
  };
  size_t count;
  do {
    count = director->Emit(now, frames, verdicts, allocate);
    for (size_t i = 0; i < count; ++i) {
      outcomes.push_back(Finish(frames[i], verdicts[i]));
    }
  } while (count == frames.size());
  return outcomes;
}

MacAddress DirectorWorld::Outcome::destination_mac() const {
  MacAddress mac;
  std::copy_n(bytes.begin(), 6, mac.bytes.begin());
  return mac;
}

bool DirectorWorld::Outcome::SumsRight() const {
  return (packet.v6 || IpSumRight(frame, packet.l3)) &&
         TransportSumRight(frame, packet.l3, packet.l4, packet.end,
                           packet.protocol);
}

std::string DirectorWorld::Outcome::ToString() const {
  switch (verdict.action) {
    case Verdict::Action::kSend:
      return absl::StrCat(source().ToString(), " -> ",
                          destination().ToString());
    case Verdict::Action::kDrop:
      return DropReasonName(verdict.reason);
    case Verdict::Action::kHeld:
      return "held";
  }
  return "?";
}

Bytes DirectorWorld::Tcp(const char* source, const char* destination,
                         const char* flags, uint32_t sequence, uint32_t ack,
                         const Bytes& data) {
  TcpFields fields{.sequence = sequence, .ack = ack, .flags = 0, .data = data};
  for (const char* flag = flags; *flag != 0; ++flag) {
    switch (*flag) {
      case 'S':
        fields.flags |= kTcpSyn;
        break;
      case 'A':
        fields.flags |= kTcpAck;
        break;
      case 'F':
        fields.flags |= kTcpFin;
        break;
      case 'R':
        fields.flags |= kTcpRst;
        break;
      default:
        BALLAST_CHECK(false);
    }
  }
  const Endpoint from = E(source), to = E(destination);
  return IpPacket(from.address, to.address, kProtocolTcp,
                  l4::Tcp(from, to, fields));
}

Bytes DirectorWorld::Udp(const char* source, const char* destination,
                         const Bytes& data) {
  const Endpoint from = E(source), to = E(destination);
  return IpPacket(from.address, to.address, kProtocolUdp,
                  l4::Udp(from, to, data));
}

Endpoint DirectorWorld::Connect(const char* client, const char* vip) {
  const Outcome syn = FromClient(Tcp(client, vip, "S", 1000, 0));
  EXPECT_TRUE(syn.sent()) << syn.ToString();
  if (!syn.sent()) return {};
  const Endpoint server = syn.destination();
  if (server != E(vip)) {
    const std::string text = server.ToString();
    const Outcome reply =
        FromServer(Tcp(text.c_str(), client, "SA", 5000, 1001));
    EXPECT_EQ(reply.ToString(), absl::StrCat(vip, " -> ", client));
  }
  const Outcome ack = FromClient(Tcp(client, vip, "A", 1001, 5001));
  EXPECT_TRUE(ack.sent()) << ack.ToString();
  return server;
}

}  // namespace ballast::l4
