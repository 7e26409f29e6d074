// The director without a kernel: frames made by hand go in, what comes out is
// printed. An application with its own packet I/O (a capture file, DPDK, a
// simulator) puts it where MemoryPacketIo stands here.
//
//   ./bazelw run //examples:packets_in_memory
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/memory_packet_io.h"
#include "lb/config/model.h"
#include "lb/l4/director.h"
#include "lb/run/packet_runner.h"

namespace ballast {
namespace {

constexpr uint16_t kClients = 0, kServers = 1;  // The director's two ports.
const MacAddress kOurMac = {{2, 0, 0, 0, 0, 1}};
const MacAddress kClientMac = {{2, 0, 0, 0, 0, 2}};
const MacAddress kServerMac = {{2, 0, 0, 0, 0, 3}};

// 192.0.2.7:50000 asks 192.0.2.10:80 for a connection: Ethernet, IPv4, TCP.
constexpr char kSyn[] =
    "0200000000010200000000020800"
    "45000028000140004006b6bdc0000207c000020a"
    "c3500050000003e8000000005002ffff64480000";
// 10.0.0.1:8080 answers 192.0.2.7:50000.
constexpr char kSynAck[] =
    "0200000000010200000000030800"
    "450000280001400040066ec70a000001c0000207"
    "1f90c35000001388000003e95012ffffe9780000";

// A service with one server, behind NAT.
std::shared_ptr<const config::Model> MakeModel() {
  auto model = std::make_shared<config::Model>();
  config::VirtualService web;
  web.address = *Address::Parse("192.0.2.10");
  web.port = 80;
  web.servers = {{.endpoint = *Endpoint::Parse("10.0.0.1:8080")}};
  model->services = {web};
  model->floating_addresses = {{.address = web.address, .service = true}};
  return model;
}

// What a kernel would tell: ports, routes, neighbours.
std::shared_ptr<const l4::ForwardingView> MakeView() {
  std::vector<l4::Port> ports = {{.name = "clients", .mac = kOurMac},
                                 {.name = "servers", .mac = kOurMac}};
  std::vector<l4::Route> routes = {{*Prefix::Parse("192.0.2.0/24"), kClients},
                                   {*Prefix::Parse("10.0.0.0/24"), kServers}};
  return std::make_shared<l4::ForwardingView>(
      std::move(ports), std::move(routes),
      absl::flat_hash_map<l4::NeighbourKey, MacAddress>{
          {{kClients, *Address::Parse("192.0.2.7")}, kClientMac},
          {{kServers, *Address::Parse("10.0.0.1")}, kServerMac}});
}

void Print(const char* way, const MemoryFrame& frame) {
  const std::string hex = absl::BytesToHexString(
      {reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()});
  std::printf("%s port %d  %s %s %s\n", way, frame.port,
              hex.substr(0, 28).c_str(), hex.substr(28, 40).c_str(),
              hex.substr(68).c_str());
}

int Main() {
  Instant now = Instant::FromNanos(0);  // Time is an argument.
  auto plan =
      l4::PlanBuilder().Build(MakeModel(), now, [](l4::Slot) { return false; });
  auto director = l4::Director::Create({}, *plan, MakeView(), now);
  (*director)->SetActive(now, true, /*at_once=*/true);
  MemoryPacketIo io;
  run::PacketRunner runner(io, **director);
  std::printf("Frames in hex: Ethernet, IP and TCP headers.\n");
  runner.RunOnce(now);
  for (const MemoryFrame& frame : io.TakeSent()) Print("own", frame);

  for (const auto& [port, hex] : {std::pair(kClients, absl::StrCat(kSyn)),
                                  std::pair(kServers, absl::StrCat(kSynAck))}) {
    const std::string bytes = absl::HexStringToBytes(hex);
    MemoryFrame frame = {.port = port, .bytes = {bytes.begin(), bytes.end()}};
    Print("in ", frame);
    io.Inject(std::move(frame));
    runner.RunOnce(now += absl::Milliseconds(1));
    for (const MemoryFrame& sent : io.TakeSent()) Print("out", sent);
  }
  return (*director)->flow_count() == 1 ? 0 : 1;
}

}  // namespace
}  // namespace ballast

int main() { return ballast::Main(); }
