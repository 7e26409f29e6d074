#include "lb/sim/simulation.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/sim/course.h"
#include "lb/sim/faults.h"
#include "lb/sim/host.h"
#include "lb/sim/invariants.h"
#include "lb/sim/pair_network.h"
#include "lb/sim/segment.h"
#include "lb/sim/sessions.h"
#include "lb/sim/unit.h"

namespace ballast::sim {
namespace {

constexpr absl::Duration kSample = absl::Milliseconds(100);
constexpr absl::Duration kLatency = absl::Microseconds(200);

const Instant kStart = Instant::FromNanos(1'000'000'000'000);

class Simulation : public Unit::World,
                   public Sessions::Wire,
                   public Faults::Operator {
 public:
  explicit Simulation(const Options& options)
      : options_(options),
        course_(options.seed, kStart, options.trace),
        hosts_{Host(course_), Host(course_)},
        network_(course_, hosts_),
        sessions_(options.sessions, course_.random(), *this, kStart),
        invariants_(course_, hosts_, network_, sessions_),
        faults_(course_, hosts_, network_, invariants_, *this) {
    first_preferred_ = Random(4) == 0;
    sync_.threshold = static_cast<uint32_t>(2 + Random(3));
    sync_.period = Random(2) == 0 ? 50 : 0;
    sync_.refresh_s = sync_.period == 0 ? 2 : 0;
  }

  Outcome Run() {
    for (int i = 0; i < 2; ++i) {
      course_.At(kStart + absl::Milliseconds(static_cast<int64_t>(Random(500))),
                 [this, i] { Boot(i); });
    }
    const Instant end = kStart + options_.length;
    faults_.Plan(options_.faults, options_.only, end);
    course_.At(kStart + kSample, [this] { Sample(); });
    while (course_.failure().empty() && Step(end)) ++outcome_.events;
    if (course_.failure().empty()) invariants_.AtEnd(owners_);
    outcome_.failure = course_.failure();
    outcome_.faults = faults_.report();
    outcome_.sessions_opened = sessions_.stats().opened;
    outcome_.sessions_ended = sessions_.stats().ended;
    outcome_.sessions_excused = sessions_.stats().excused;
    outcome_.answers = sessions_.stats().answers;
    for (const Host& host : hosts_) Collect(host);
    return outcome_;
  }

 private:
  uint64_t Random(uint64_t below) { return course_.random()() % below; }
  Host& HostOf(int unit) { return hosts_[static_cast<size_t>(unit)]; }

  // Whatever is next, if that is before `end`.
  bool Step(Instant end) {
    const Instant event = course_.next();
    const Instant session = sessions_.deadline();
    const Instant first = hosts_[0].deadline();
    const Instant second = hosts_[1].deadline();
    const Instant next = std::min({event, session, first, second});
    if (next > end) return false;
    course_.MoveTo(next);
    if (event == next) {
      course_.RunNext();
    } else if (session == next) {
      sessions_.Tick(next);
    } else {
      hosts_[first == next ? 0 : 1].Tick();
    }
    if (!sessions_.loss().empty()) course_.Fail("V3", sessions_.loss());
    return true;
  }

  void Sample() {
    invariants_.Sample(owners_);
    network_.Dial();
    course_.After(kSample, [this] { Sample(); });
  }

  void Collect(const Host& host) {
    if (host.unit() == nullptr) return;
    const ha::Node& node = host.unit()->node();
    outcome_.repaired += node.replicator().stats().repaired;
    outcome_.transfers += node.replicator().stats().transfers_complete;
    outcome_.took_over_incomplete +=
        node.election().stats().took_over_incomplete;
  }

  // -- Faults::Operator ------------------------------------------------------

  void Boot(int unit) override {
    Host& host = HostOf(unit);
    if (host.unit() != nullptr) return;
    course_.Trace(absl::StrCat("unit ", unit, " starts"));
    host.Start([&](Instant local) {
      return std::make_unique<Unit>(
          Unit::Options{.number = unit,
                        .seed = course_.random()(),
                        .interval = kInterval,
                        .preferred = unit == 0 && first_preferred_,
                        .sync = sync_},
          ModelOf(unit), *this, local);
    });
    invariants_.Disturbed();
  }

  void Crash(int unit) override {
    Host& host = HostOf(unit);
    if (host.unit() == nullptr) return;
    course_.Trace(absl::StrCat("unit ", unit, " ends"));
    Collect(host);
    host.End();
    network_.OnEnd(unit);
    invariants_.Disturbed();
  }

  void ChangeConfiguration() override {
    for (int i = 0; i < 2; ++i) {
      Host& host = HostOf(i);
      if (!host.runs() || !host.serving()) continue;
      Configured& configured = configured_[static_cast<size_t>(i)];
      configured.servers = configured.servers == 2 ? 3 : 2;
      ++configured.generation;
      const Instant local = host.local();
      host.unit()->Configure(local, ModelOf(i));
      (void)host.unit()->node().OfferConfig(
          local, configured.generation,
          {static_cast<uint8_t>(configured.servers)}, /*force=*/false);
    }
  }

  std::shared_ptr<const config::Model> ModelOf(int unit) const {
    const Configured& configured = configured_[static_cast<size_t>(unit)];
    return MakeModel(configured.servers, configured.generation);
  }

  // -- Unit::World: what units do --------------------------------------------

  void OnAdvert(int unit, int interface, std::vector<uint8_t> bytes) override {
    invariants_.OnAdvert(unit);
    network_.Datagram(unit, interface, std::move(bytes));
  }
  void OnSync(int unit, std::vector<uint8_t> bytes) override {
    network_.Datagram(unit, kChanges, std::move(bytes));
  }
  bool OnStream(int unit, std::vector<uint8_t> bytes) override {
    return network_.Stream(unit, std::move(bytes));
  }
  void OnTake(int unit) override { invariants_.OnTake(unit); }

  void OnRole(int unit, const ha::RoleChange& change) override {
    ++outcome_.role_changes;
    course_.Trace(absl::StrCat("unit ", unit, " ", ha::RoleName(change.from),
                               " -> ", ha::RoleName(change.to), ": ",
                               ha::RoleReasonText(change.reason),
                               change.incomplete ? " (incomplete)" : ""));
    outcome_.handed_over += change.to == ha::Role::kActive &&
                            change.reason == ha::RoleReason::kHandedOver;
    invariants_.OnRole(unit, change);
  }

  void OnConfig(int unit, uint64_t generation,
                std::span<const uint8_t> config) override {
    configured_[static_cast<size_t>(unit)] = {config.empty() ? 2 : config[0],
                                              generation};
    HostOf(unit).unit()->Configure(HostOf(unit).local(), ModelOf(unit));
    HostOf(unit).unit()->node().KeepConfig(generation,
                                           {config.begin(), config.end()});
  }

  void OnFrame(int unit, uint16_t port,
               std::span<const uint8_t> frame) override {
    if (network_.weather().unplugged[static_cast<size_t>(unit)]) return;
    if (const auto address = ReadAnnounced(frame)) {
      SetOwner(port, *address, unit);
      return;
    }
    const auto segment = ReadSegment(frame);
    if (!segment) return;
    invariants_.OnForward(unit);
    if (port == kClients) {
      ToClient(*segment);
    } else {
      course_.After(kLatency, [this, s = *segment] {
        sessions_.OnServerSegment(course_.now(), s);
      });
    }
  }

  // -- Clients' and servers' networks ----------------------------------------

  void ToUnit(uint16_t port, const Address& through,
              const Segment& segment) override {
    const auto owner = owners_.find({port, through});
    if (owner == owners_.end()) return;
    const int unit = owner->second.unit;
    if (network_.weather().unplugged[static_cast<size_t>(unit)]) return;
    HostOf(unit).DoAfter(
        kLatency, [unit, port, segment](Unit& receiver, Instant local) {
          FrameBuffer buffer;
          Frame frame = WriteSegment(segment, UnitMac(unit), buffer);
          frame.port = port;
          receiver.Receive(local, frame);
        });
  }
  void ToClient(const Segment& segment) override {
    course_.After(kLatency, [this, segment] {
      sessions_.OnClientSegment(course_.now(), segment);
    });
  }

  void SetOwner(uint16_t port, const Address& address, int unit) {
    // A unit that started again is another owner: it forgot what it had.
    Owner& owner = owners_[{port, address}];
    const Owner before =
        std::exchange(owner, Owner{unit, HostOf(unit).process()});
    if (before.unit < 0 || port != kClients ||
        (before.unit == owner.unit && before.process == owner.process)) {
      return;
    }
    invariants_.OnOwner(unit, address);
  }

  const Options options_;
  Course course_;
  std::array<Host, 2> hosts_;
  PairNetwork network_;
  Sessions sessions_;
  Invariants invariants_;
  Faults faults_;
  Outcome outcome_;

  bool first_preferred_ = false;
  ha::SyncSettings sync_;
  // By unit; outlives its processes, as a file does.
  struct Configured {
    int servers = 2;
    uint64_t generation = 1;
  };
  std::array<Configured, 2> configured_;
  Owners owners_;
};

}  // namespace

Outcome Simulate(const Options& options) { return Simulation(options).Run(); }

}  // namespace ballast::sim
