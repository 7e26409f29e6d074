#include "lb/sim/unit.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/l4/counters.h"
#include "lb/l4/next_hop.h"
#include "lb/sim/segment.h"

namespace ballast::sim {
namespace {

// As the packet runner does (lb/run/packet_runner.h), less often.
constexpr absl::Duration kEmitEvery = absl::Milliseconds(10);

// Everybody is a neighbour with a known MAC: resolving is tested elsewhere.
std::shared_ptr<const l4::ForwardingView> View(int unit) {
  const auto prefix = [](const char* text) { return *Prefix::Parse(text); };
  std::vector<l4::Port> ports = {{.name = "clients", .mac = UnitMac(unit)},
                                 {.name = "servers", .mac = UnitMac(unit)}};
  std::vector<l4::Route> routes = {
      {prefix("192.0.2.0/24"), kClients, std::nullopt, 0},
      {prefix("2001:db8:c::/64"), kClients, std::nullopt, 0},
      {prefix("10.0.0.0/24"), kServers, std::nullopt, 0},
      {prefix("2001:db8:5::/64"), kServers, std::nullopt, 0}};
  absl::flat_hash_map<l4::NeighbourKey, MacAddress> neighbours;
  const MacAddress host = {{2, 0, 0, 0, 1, 1}};
  for (int i = 1; i < 120; ++i) {
    const auto add = [&](uint16_t port, const std::string& text) {
      neighbours[{port, *Address::Parse(text)}] = host;
    };
    add(kClients, absl::StrCat("192.0.2.", i));
    add(kClients, absl::StrCat("2001:db8:c::", absl::Hex(i)));
    add(kServers, absl::StrCat("10.0.0.", i));
    add(kServers, absl::StrCat("2001:db8:5::", absl::Hex(i)));
  }
  return std::make_shared<l4::ForwardingView>(
      std::move(ports), std::move(routes), std::move(neighbours));
}

config::HashKey KeyFrom(uint64_t seed) {
  config::HashKey key{};
  std::mt19937_64 random(seed);
  for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
  return key;
}

}  // namespace

MacAddress UnitMac(int number) {
  return {{2, 0, 0, 0, 0, static_cast<uint8_t>(1 + number)}};
}

Unit::Unit(const Options& options, std::shared_ptr<const config::Model> model,
           World& world, Instant now)
    : options_(options), world_(world), random_(options.seed), next_emit_(now) {
  auto plan = builder_.Build(model, now, [](l4::Slot) { return false; });
  BALLAST_CHECK(plan.ok());
  auto director = l4::Director::Create({.connections_max = 4096,
                                        .persistence_entries_max = 1024,
                                        .fragments_max = 64,
                                        .pending_frames_max = 64,
                                        .table_key = KeyFrom(options.seed),
                                        .source_key = KeyFrom(1)},
                                       *plan, View(options.number), now);
  BALLAST_CHECK(director.ok());
  director_ = std::move(*director);
  director_->SetSync({.settings = options.sync});
  director_->SetFollowing(now, true);
  table_ = std::make_unique<l4::DirectorStateTable>(*director_);
  ledger_ = std::make_unique<Ledger>(*table_);
  ha::Node::Options node;
  node.election.mode =
      options.number == 0 ? ha::Mode::kFirst : ha::Mode::kSecond;
  node.election.interval = options.interval;
  node.election.preferred = options.preferred;
  node.election.syncs = true;
  node.election.interfaces = 2;
  node.replication.seed = random_();
  node.keys = {ha::PairKey{1, 2, 3}};
  node.unit = static_cast<uint16_t>(1 + options.number);
  node.boot = random_();
  node_ = std::make_unique<ha::Node>(node, *ledger_, *this, now);
}

void Unit::Receive(Instant now, Frame frame) {
  l4::Verdict verdict;
  director_->SetLease(node_->lease());
  director_->Process(now, {&frame, 1}, {&verdict, 1});
  if (verdict.action == l4::Verdict::Action::kSend && director_->Leased(now)) {
    world_.OnFrame(options_.number, frame.port, frame.bytes());
  }
}

void Unit::Tick(Instant now) {
  if (now >= node_->deadline()) node_->Tick(now);
  if (now >= next_emit_) Emit(now);
}

Instant Unit::deadline() const {
  return std::min(next_emit_, node_->deadline());
}

void Unit::Emit(Instant now) {
  next_emit_ = now + kEmitEvery;
  director_->SetLease(node_->lease());
  static thread_local std::array<FrameBuffer, 16> buffers;
  std::array<Frame, buffers.size()> frames;
  std::array<l4::Verdict, buffers.size()> verdicts;
  size_t count;
  do {
    size_t used = 0;
    const auto allocate = [&](Frame* frame) {
      if (used == buffers.size()) return false;
      *frame = buffers[used++].Empty();
      return true;
    };
    count = director_->Emit(now, frames, verdicts, allocate);
    for (size_t i = 0; i < count; ++i) {
      if (verdicts[i].action != l4::Verdict::Action::kSend) continue;
      if (!director_->Leased(now)) continue;
      world_.OnFrame(options_.number, frames[i].port, frames[i].bytes());
    }
  } while (count == frames.size());
}

void Unit::Configure(Instant now, std::shared_ptr<const config::Model> model) {
  auto plan = builder_.Build(model, now, [this](l4::Slot slot) {
    const l4::ServerCounters* counters =
        director_->counters().servers.Get(slot);
    return counters != nullptr && counters->open.value() > 0;
  });
  BALLAST_CHECK(plan.ok());
  director_->Apply(now, *plan);
}

void Unit::SendAdvert(Instant now, int interface,
                      std::span<const uint8_t> bytes) {
  (void)now;
  world_.OnAdvert(options_.number, interface, {bytes.begin(), bytes.end()});
}
void Unit::SendSync(Instant now, std::span<const uint8_t> bytes) {
  (void)now;
  world_.OnSync(options_.number, {bytes.begin(), bytes.end()});
}
bool Unit::SendStream(Instant now, std::span<const uint8_t> bytes) {
  (void)now;
  return world_.OnStream(options_.number, {bytes.begin(), bytes.end()});
}
void Unit::TakeRole(Instant now) {
  world_.OnTake(options_.number);
  director_->SetActive(now, true, /*at_once=*/true);
  director_->SetFollowing(now, false);
  Emit(now);
}
void Unit::DropRole(Instant now) {
  director_->SetActive(now, false);
  director_->SetFollowing(now, true);
}
void Unit::Reannounce(Instant now) {
  director_->Reannounce(now);
  Emit(now);
}
void Unit::Reboot(Instant now) { (void)now; }
void Unit::OnRoleChange(const ha::RoleChange& change) {
  world_.OnRole(options_.number, change);
}
void Unit::OnConfig(Instant now, uint64_t generation,
                    std::span<const uint8_t> config) {
  (void)now;
  world_.OnConfig(options_.number, generation, config);
}
void Unit::FillRandom(std::span<uint8_t> bytes) {
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
}

}  // namespace ballast::sim
