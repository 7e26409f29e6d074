#include "lb/sim/simulation.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lb/sim/segment.h"
#include "lb/sim/sessions.h"
#include "lb/sim/unit.h"

namespace ballast::sim {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(100);
constexpr absl::Duration kTimeout = absl::Milliseconds(300);
// What a pair needs to settle once it hears itself again: to notice (one
// timeout), to give the table (one more), and some messages.
constexpr absl::Duration kSettle = absl::Milliseconds(2500);
constexpr absl::Duration kSample = absl::Milliseconds(100);
constexpr absl::Duration kWarmUp = absl::Seconds(12);
constexpr absl::Duration kQuietEnd = absl::Seconds(25);
constexpr size_t kHeldMax = 4096;

const Instant kStart = Instant::FromNanos(1'000'000'000'000);

class Simulation : public Unit::World, public Sessions::Wire {
 public:
  explicit Simulation(const Options& options)
      : options_(options),
        random_(options.seed),
        end_(kStart + options.length),
        sessions_(options.sessions, random_, *this, kStart) {
    const bool preferred = random_() % 4 == 0;
    for (int i = 0; i < 2; ++i) {
      hosts_[i].preferred = preferred && i == 0;
      hosts_[i].rate_base = hosts_[i].local_base = kStart;
    }
    sync_.threshold = 2 + random_() % 3;
    sync_.period = random_() % 2 == 0 ? 50 : 0;
    sync_.refresh_s = sync_.period == 0 ? 2 : 0;
  }

  Outcome Run() {
    for (int i = 0; i < 2; ++i) {
      At(kStart + absl::Milliseconds(random_() % 500), [this, i] { Boot(i); });
    }
    PlanFaults();
    At(kStart + kSample, [this] { Sample(); });
    while (!queue_.empty() && outcome_.failure.empty()) {
      const Instant next = std::min({queue_.top().when, sessions_.deadline(),
                                     UnitDeadline(0), UnitDeadline(1)});
      if (next > end_) break;
      now_ = std::max(now_, next);
      ++outcome_.events;
      if (queue_.top().when <= now_) {
        // The queue's own copy is const; nothing else refers to it.
        auto act = std::move(const_cast<Event&>(queue_.top()).act);
        queue_.pop();
        act();
      } else if (sessions_.deadline() <= now_) {
        sessions_.Tick(now_);
      } else {
        for (int i = 0; i < 2; ++i) {
          if (UnitDeadline(i) <= now_) hosts_[i].unit->Tick(Local(i));
        }
      }
      if (!sessions_.loss().empty()) Fail(sessions_.loss());
    }
    if (outcome_.failure.empty()) CheckEnd();
    outcome_.sessions_opened = sessions_.stats().opened;
    outcome_.sessions_ended = sessions_.stats().ended;
    outcome_.sessions_excused = sessions_.stats().excused;
    outcome_.answers = sessions_.stats().answers;
    for (Host& host : hosts_) Collect(host);
    return outcome_;
  }

 private:
  struct Event {
    Instant when;
    uint64_t order;
    std::function<void()> act;
    friend bool operator<(const Event& a, const Event& b) {
      return std::pair(a.when, a.order) > std::pair(b.when, b.order);
    }
  };

  struct Host {
    std::unique_ptr<Unit> unit;
    bool preferred = false;
    uint64_t generation = 0;  // Of its process: what is meant for an earlier
                              // one does not arrive.
    // Local time runs at `rate` since rate_base.
    double rate = 1;
    Instant rate_base;
    Instant local_base;
    Instant stalled_until = Instant::FromNanos(0);
    Instant long_stall_end = Instant::FromNanos(0);
    std::deque<std::function<void()>> held;
    bool unplugged = false;
    std::array<bool, 2> sick{};  // HA interfaces that say and hear nothing.
    int model_servers = 2;
    uint64_t config_generation = 1;
  };

  // ---- Time and events -----------------------------------------------------

  void At(Instant when, std::function<void()> act) {
    queue_.push({when, ++order_, std::move(act)});
  }
  void After(absl::Duration delay, std::function<void()> act) {
    At(now_ + delay, std::move(act));
  }
  Instant Local(int i) const {
    const Host& host = hosts_[i];
    return host.local_base + (now_ - host.rate_base) * host.rate;
  }
  Instant UnitDeadline(int i) const {
    const Host& host = hosts_[i];
    if (host.unit == nullptr || now_ < host.stalled_until) {
      return Instant::Never();
    }
    const Instant local = host.unit->deadline();
    if (local == Instant::Never()) return local;
    const absl::Duration ahead = local - Local(i);
    if (ahead <= absl::ZeroDuration()) return now_;
    // Rounded up: to be called early would be to be called again and again.
    return now_ + ahead / host.rate + absl::Nanoseconds(1);
  }
  // Has unit `i`'s process do something once it runs, if it is still the same.
  void OnHost(int i, std::function<void()> act) {
    Host& host = hosts_[i];
    if (host.unit == nullptr) return;
    if (now_ < host.stalled_until) {
      if (host.held.size() < kHeldMax) host.held.push_back(std::move(act));
      return;
    }
    act();
  }
  void Deliver(int i, absl::Duration delay, std::function<void()> act) {
    After(delay,
          [this, i, generation = hosts_[i].generation, act = std::move(act)] {
            if (hosts_[i].generation == generation) OnHost(i, act);
          });
  }
  void Trace(const std::string& text) const {
    if (!options_.trace) return;
    std::printf("%9.4f %s\n", absl::ToDoubleSeconds(now_ - kStart),
                text.c_str());
  }
  void Fail(const std::string& how) {
    if (!outcome_.failure.empty()) return;
    outcome_.failure =
        absl::StrCat("at ", absl::ToDoubleSeconds(now_ - kStart), " s: ", how);
    Trace("FAILED " + how);
  }
  bool Chance(double probability) {
    return std::uniform_real_distribution<double>()(random_) < probability;
  }

  // ---- Units ---------------------------------------------------------------

  void Boot(int i) {
    Host& host = hosts_[i];
    if (host.unit != nullptr) return;
    ++host.generation;
    Trace(absl::StrCat("unit ", i, " starts"));
    host.unit = std::make_unique<Unit>(
        Unit::Options{.number = i,
                      .seed = random_(),
                      .interval = kInterval,
                      .preferred = host.preferred,
                      .sync = sync_},
        MakeModel(host.model_servers, host.config_generation), *this, Local(i));
    Disturbed();
  }
  void Crash(int i) {
    Host& host = hosts_[i];
    if (host.unit == nullptr) return;
    Trace(absl::StrCat("unit ", i, " dies"));
    Collect(host);
    host.unit.reset();
    host.held.clear();
    host.stalled_until = now_;
    ++host.generation;
    for (auto& known : known_) known[i] = false;
    BreakStream(/*died=*/i);
    Disturbed();
  }
  void Collect(Host& host) {
    if (host.unit == nullptr) return;
    const ha::ReplicatorStats& stats = host.unit->node().replicator().stats();
    outcome_.repaired += stats.repaired;
    outcome_.transfers += stats.transfers_complete;
    outcome_.took_over_incomplete +=
        host.unit->node().election().stats().took_over_incomplete;
  }

  // ---- The units' network --------------------------------------------------

  // Whether what `from` says may get to the other; `interface` -1: stream and
  // changes, which use the first interface's link.
  bool Reaches(int from, int interface) const {
    if (cut_[from] || hosts_[from].unplugged || hosts_[1 - from].unplugged) {
      return false;
    }
    const size_t link = interface < 0 ? 0 : static_cast<size_t>(interface);
    return !hosts_[from].sick[link] && !hosts_[1 - from].sick[link];
  }
  absl::Duration Latency() {
    const int64_t jitter = reordering_ ? 40'000 : 300;
    return absl::Microseconds(
        100 + static_cast<int64_t>(random_() % static_cast<uint64_t>(jitter)));
  }
  void Datagram(int from, int interface, std::vector<uint8_t> bytes) {
    if (replaying_ || Chance(0.02)) {
      if (recorded_.size() < 2000) {
        recorded_.push_back({from, interface, bytes});
      }
    }
    if (!Reaches(from, interface) || Chance(loss_)) return;
    const int copies = Chance(duplication_) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      Arrive(1 - from, interface, Latency(), bytes);
    }
  }
  void Arrive(int to, int interface, absl::Duration delay,
              std::vector<uint8_t> bytes) {
    Deliver(to, delay, [this, to, interface, bytes = std::move(bytes)] {
      ha::Node& node = hosts_[to].unit->node();
      if (interface < 0) {
        node.OnSync(Local(to), bytes);
      } else {
        node.OnAdvert(Local(to), interface, bytes);
      }
      MaybeDial();
    });
  }

  void OnAdvert(int unit, int interface, std::vector<uint8_t> bytes) override {
    Datagram(unit, interface, std::move(bytes));
  }
  void OnSync(int unit, std::vector<uint8_t> bytes) override {
    Datagram(unit, -1, std::move(bytes));
  }

  // The stream (lb/run/pair_stream.h): dialed when both have proven themselves,
  // in order, broken by a partition of some length or an end of a process.
  bool OnStream(int unit, std::vector<uint8_t> bytes) override {
    if (!stream_) return false;
    stream_last_[unit] =
        std::max(stream_last_[unit] + absl::Microseconds(1), now_ + Latency());
    const uint64_t stream = stream_number_;
    Deliver(
        1 - unit, stream_last_[unit] - now_,
        [this, unit, stream, bytes = std::move(bytes)] {
          if (stream != stream_number_ || !stream_) return;
          if (!Reaches(unit, -1)) {
            BreakStream(-1);
            return;
          }
          if (!hosts_[1 - unit].unit->node().OnStream(Local(1 - unit), bytes)) {
            BreakStream(-1);
          }
        });
    return true;
  }
  bool Runs(int i) const {
    return hosts_[i].unit != nullptr && now_ >= hosts_[i].stalled_until;
  }
  void MaybeDial() {
    if (stream_ || now_ < next_dial_ || !Runs(0) || !Runs(1)) return;
    if (!hosts_[0].unit->node().peer_proven() || !Reaches(0, -1) ||
        !Reaches(1, -1)) {
      return;
    }
    next_dial_ = now_ + absl::Milliseconds(50);
    ha::Node& first = hosts_[0].unit->node();
    ha::Node& second = hosts_[1].unit->node();
    if (!second.OnStreamHello(first.StreamHello()) ||
        !first.OnStreamHello(second.StreamHello())) {
      return;
    }
    Trace("stream up");
    stream_ = true;
    ++stream_number_;
    stream_last_ = {now_, now_};
    for (int i = 0; i < 2; ++i) {
      Deliver(i, absl::ZeroDuration(),
              [this, i] { hosts_[i].unit->node().OnStreamUp(Local(i)); });
    }
  }
  // `died`: the unit whose process ended, or -1.
  void BreakStream(int died) {
    const bool was = std::exchange(stream_, false);
    ++stream_number_;
    if (!was) return;
    Trace("stream down");
    for (int i = 0; i < 2; ++i) {
      if (i == died) continue;
      // The host of a process that died says so, if it can be heard.
      const bool told = died >= 0 && Reaches(1 - i, -1) && Reaches(i, -1);
      Deliver(i, Latency(), [this, i, told] {
        hosts_[i].unit->node().OnStreamDown(Local(i), told);
      });
    }
  }

  // ---- Clients' and servers' networks --------------------------------------

  void ToUnit(uint16_t port, const Address& through,
              const Segment& segment) override {
    const auto owner = owners_.find({port, through});
    if (owner == owners_.end()) return;
    const int i = owner->second.unit;
    if (hosts_[i].unplugged) return;
    Deliver(i, absl::Microseconds(200), [this, i, port, segment] {
      FrameBuffer buffer;
      Frame frame = WriteSegment(segment, UnitMac(i), buffer);
      frame.port = port;
      hosts_[i].unit->Receive(Local(i), frame);
    });
  }
  void ToClient(const Segment& segment) override {
    After(absl::Microseconds(200),
          [this, segment] { sessions_.OnClientSegment(now_, segment); });
  }

  void OnFrame(int unit, uint16_t port,
               std::span<const uint8_t> frame) override {
    if (hosts_[unit].unplugged) return;
    if (const auto address = ReadAnnounced(frame)) {
      SetOwner(port, *address, unit);
      return;
    }
    const auto segment = ReadSegment(frame);
    if (!segment) return;
    CheckForwarding(unit);
    if (port == kClients) {
      ToClient(*segment);
    } else {
      After(absl::Microseconds(200),
            [this, s = *segment] { sessions_.OnServerSegment(now_, s); });
    }
  }

  // V3, at the moment it is decided who carries the sessions of an address.
  void SetOwner(uint16_t port, const Address& address, int unit) {
    // A unit that started again is another owner: it forgot what it had.
    Owner& owner = owners_[{port, address}];
    const Owner before =
        std::exchange(owner, Owner{unit, hosts_[unit].generation});
    if (before.unit < 0 || port != kClients ||
        (before.unit == owner.unit && before.generation == owner.generation)) {
      return;
    }
    const bool handed_over = hosts_[unit].unit->node().election().reason() ==
                                 ha::RoleReason::kHandedOver &&
                             now_ - last_hand_over_ < absl::Milliseconds(500);
    auto& sessions = sessions_.sessions();
    for (size_t i = 0; i < sessions.size(); ++i) {
      Sessions::Session& session = sessions[i];
      if (!session.open() || session.service.address != address) continue;
      const bool has =
          hosts_[unit].unit->director().FindFlow(session.key()).has_value();
      if (has) continue;
      if (known_[i][unit] && known_key_[i] == session.key()) {
        Fail(absl::StrCat("unit ", unit, " was told of ",
                          session.key().ToString(), " and has it no more"));
      } else if (handed_over && !session.excused &&
                 now_ - session.begun > absl::Milliseconds(50)) {
        Fail(absl::StrCat("handed over without ", session.key().ToString()));
      }
      session.excused = true;
    }
  }

  void OnConfig(int unit, uint64_t generation,
                std::span<const uint8_t> config) override {
    Host& host = hosts_[unit];
    host.config_generation = generation;
    host.model_servers = config.empty() ? 2 : config[0];
    host.unit->Configure(Local(unit),
                         MakeModel(host.model_servers, generation));
    host.unit->node().SetConfigGeneration(generation);
  }

  void OnRole(int unit, const ha::RoleChange& change) override {
    ++outcome_.role_changes;
    Trace(absl::StrCat("unit ", unit, " ", ha::RoleName(change.from), " -> ",
                       ha::RoleName(change.to), ": ",
                       ha::RoleReasonText(change.reason),
                       change.incomplete ? " (incomplete)" : ""));
    if (change.to != ha::Role::kActive) return;
    if (change.reason == ha::RoleReason::kHandedOver) {
      ++outcome_.handed_over;
      last_hand_over_ = now_;
      // Without the yielder's last changes a claimant takes over all the same,
      // and says so; but they cannot have been lost in calm.
      if (!hosts_[unit].unit->was_complete() &&
          (!change.incomplete ||
           (Untroubled() && now_ - last_storm_ > absl::Seconds(1)))) {
        Fail("handed over before the table was complete");  // V4.
      }
    }
  }

  // ---- Invariants ----------------------------------------------------------

  // Something happened after which a pair needs time to settle.
  void Disturbed() { settled_since_ = now_ + kSettle; }
  // That is: when they do not hear each other, on one interface at least.
  bool Calm() const {
    const bool heard =
        (Reaches(0, 0) && Reaches(1, 0)) || (Reaches(0, 1) && Reaches(1, 1));
    return heard && loss_ == 0 && !reordering_ && Runs(0) && Runs(1);
  }
  // And nothing that they tell of their tables is lost.
  bool Untroubled() const { return Calm() && Reaches(0, -1) && Reaches(1, -1); }
  bool Serving(int i) const {
    return hosts_[i].unit != nullptr && hosts_[i].unit->serving(Local(i));
  }

  void CheckForwarding(int unit) {
    if (now_ - hosts_[unit].long_stall_end < absl::Milliseconds(50)) {
      Fail(absl::StrCat("unit ", unit, " forwarded after it was stopped"));
    }
    if (Calm() && now_ > settled_since_ && Serving(1 - unit)) {
      Fail("two units forward");  // V1.
    }
  }

  void Sample() {
    if (!Calm()) Disturbed();
    if (!Untroubled()) last_storm_ = now_;
    if (now_ > settled_since_) {
      const int serving = Serving(0) + Serving(1);
      if (serving != 1) {
        Fail(absl::StrCat(serving, " units serve (",
                          ha::RoleName(hosts_[0].unit->node().role()), ", ",
                          ha::RoleName(hosts_[1].unit->node().role()), ")"));
      }
    }
    auto& sessions = sessions_.sessions();
    for (size_t i = 0; i < sessions.size(); ++i) {
      Sessions::Session& session = sessions[i];
      if (known_key_[i] != session.key() || !session.open()) {
        known_[i] = {false, false};
        known_key_[i] = session.key();
      }
      if (!session.open()) continue;
      for (int unit = 0; unit < 2; ++unit) {
        if (hosts_[unit].unit == nullptr) continue;
        known_[i][unit] =
            hosts_[unit].unit->director().FindFlow(session.key()).has_value();
      }
      CheckStuck(session);
    }
    MaybeDial();
    At(now_ + kSample, [this] { Sample(); });
  }

  // Segments that no flow belongs to are dropped in silence: a session that
  // nobody knows waits for ever.
  void CheckStuck(Sessions::Session& session) {
    if (!session.under_way || now_ - session.asked < absl::Seconds(5)) return;
    const auto owner = owners_.find({kClients, session.service.address});
    if (owner == owners_.end() || !Serving(owner->second.unit) ||
        now_ < settled_since_ + absl::Seconds(3)) {
      return;
    }
    const bool has = hosts_[owner->second.unit]
                         .unit->director()
                         .FindFlow(session.key())
                         .has_value();
    if (has || !session.excused) {
      Fail(absl::StrCat("session ", session.key().ToString(),
                        " is not answered, though unit ", owner->second.unit,
                        has ? " has it" : " was told of it"));
      return;
    }
    sessions_.Excuse(now_, session);
  }

  void CheckEnd() {
    for (int i = 0; i < 2; ++i) {
      if (Serving(i) || hosts_[i].unit->node().replicator().complete()) {
        continue;
      }
      Fail(absl::StrCat("at the end unit ", i, " (",
                        ha::RoleName(hosts_[i].unit->node().role()),
                        ") stands by without an equal table"));
    }
    for (const auto& [address, owner] : owners_) {
      if (Serving(owner.unit)) continue;
      Fail(absl::StrCat("at the end unit ", owner.unit, " has ",
                        address.second.ToString(), " and does not serve"));
    }
    if (sessions_.longest_wait(now_) > absl::Seconds(5)) {
      Fail("at the end a session is not answered");
    }
  }

  // ---- Faults --------------------------------------------------------------

  void PlanFaults() {
    const absl::Duration room = options_.length - kWarmUp - kQuietEnd;
    for (int i = 0; i < options_.faults; ++i) {
      const Fault fault = static_cast<Fault>(
          options_.only >= 0 ? static_cast<uint64_t>(options_.only)
                             : random_() % kFaultCount);
      const Instant begin =
          kStart + kWarmUp +
          room * std::uniform_real_distribution<double>(0, 0.85)(random_);
      const absl::Duration length = std::min(
          absl::Milliseconds(200 + random_() % 8000), end_ - kQuietEnd - begin);
      const int unit = static_cast<int>(random_() % 2);
      absl::StrAppend(&outcome_.faults, i == 0 ? "" : ", ", FaultName(fault),
                      " at ", absl::ToInt64Seconds(begin - kStart), " s");
      At(begin, [=, this] { Begin(fault, unit, length); });
    }
  }

  void Begin(Fault fault, int unit, absl::Duration length) {
    Trace(absl::StrCat("fault: ", FaultName(fault), ", unit ", unit, ", ",
                       absl::FormatDuration(length)));
    Disturbed();
    Host& host = hosts_[unit];
    switch (fault) {
      case Fault::kLoss:
        loss_ = std::uniform_real_distribution<double>(0.05, 0.5)(random_);
        After(length, [this] { loss_ = 0; });
        return;
      case Fault::kDuplication:
        duplication_ = 0.3;
        After(length, [this] { duplication_ = 0; });
        return;
      case Fault::kReordering:
        reordering_ = true;
        After(length, [this] { reordering_ = false; });
        return;
      case Fault::kPartition:
        cut_[0] = cut_[1] = true;
        After(length, [this] { cut_[0] = cut_[1] = false; });
        return;
      case Fault::kOneWayPartition:
        cut_[unit] = true;
        After(length, [this, unit] { cut_[unit] = false; });
        return;
      case Fault::kStall:
        Stall(unit, std::min(length, absl::Seconds(3)));
        return;
      case Fault::kClockRate:
        host.local_base = Local(unit);
        host.rate_base = now_;
        host.rate = std::uniform_real_distribution<double>(0.95, 1.05)(random_);
        return;
      case Fault::kCrash:
        Crash(unit);
        After(length, [this, unit] { Boot(unit); });
        return;
      case Fault::kSickInterface: {
        const size_t link = random_() % 2;
        const bool carrier = random_() % 2 == 0;
        host.sick[link] = true;
        SetLink(unit, link, !carrier);
        After(length, [this, unit, link] {
          hosts_[unit].sick[link] = false;
          SetLink(unit, link, true);
          Disturbed();
        });
        return;
      }
      case Fault::kConfiguration:
        ChangeConfiguration();
        return;
      case Fault::kSwitchover:
        for (int i = 0; i < 2; ++i) {
          if (Runs(i) && Serving(i)) {
            (void)hosts_[i].unit->node().RequestSwitchover(Local(i));
          }
        }
        return;
      case Fault::kUnplugged:
        host.unplugged = true;
        After(length, [this, unit] { hosts_[unit].unplugged = false; });
        return;
      case Fault::kReplay:
        replaying_ = true;
        After(length, [this] {
          replaying_ = false;
          for (const Recorded& r : recorded_) {
            Arrive(1 - r.from, r.interface,
                   absl::Microseconds(random_() % 5'000'000), r.bytes);
          }
          recorded_.clear();
        });
        return;
    }
  }

  void Stall(int unit, absl::Duration length) {
    Host& host = hosts_[unit];
    if (host.unit == nullptr || now_ < host.stalled_until) return;
    host.stalled_until = now_ + length;
    After(length, [this, unit, length] {
      Host& resumed = hosts_[unit];
      if (resumed.unit == nullptr || now_ < resumed.stalled_until) return;
      Trace(absl::StrCat("unit ", unit, " goes on"));
      if (length > kTimeout + kInterval) resumed.long_stall_end = now_;
      Disturbed();
      std::deque<std::function<void()>> held;
      held.swap(resumed.held);
      for (auto& act : held) {
        if (resumed.unit == nullptr) return;
        act();
      }
    });
  }
  void SetLink(int unit, size_t link, bool up) {
    OnHost(unit, [this, unit, link, up] {
      hosts_[unit].unit->node().OnLink(Local(unit), static_cast<int>(link), up);
    });
  }
  void ChangeConfiguration() {
    for (int i = 0; i < 2; ++i) {
      if (!Runs(i) || !Serving(i)) continue;
      Host& host = hosts_[i];
      host.model_servers = host.model_servers == 2 ? 3 : 2;
      ++host.config_generation;
      host.unit->Configure(
          Local(i), MakeModel(host.model_servers, host.config_generation));
      (void)host.unit->node().OfferConfig(
          Local(i), host.config_generation,
          {static_cast<uint8_t>(host.model_servers)}, /*force=*/false);
    }
  }

  const Options options_;
  std::mt19937_64 random_;
  const Instant end_;
  Instant now_ = kStart;
  uint64_t order_ = 0;
  std::priority_queue<Event> queue_;
  Host hosts_[2];
  ha::SyncSettings sync_;
  struct Owner {
    int unit = -1;
    uint64_t generation = 0;  // Of its process.
  };
  std::map<std::pair<uint16_t, Address>, Owner> owners_;

  std::array<bool, 2> cut_{};  // What this unit says is not heard.
  double loss_ = 0;
  double duplication_ = 0;
  bool reordering_ = false;
  bool replaying_ = false;
  struct Recorded {
    int from;
    int interface;
    std::vector<uint8_t> bytes;
  };
  std::vector<Recorded> recorded_;

  bool stream_ = false;
  uint64_t stream_number_ = 0;
  std::array<Instant, 2> stream_last_{kStart, kStart};
  Instant next_dial_ = kStart;

  Instant settled_since_ = kStart + kSettle;
  Instant last_storm_ = kStart;  // When it was not Untroubled().
  Instant last_hand_over_ = Instant::FromNanos(0);
  Sessions sessions_;
  std::vector<std::array<bool, 2>> known_ =
      std::vector<std::array<bool, 2>>(static_cast<size_t>(options_.sessions));
  std::vector<FlowKey> known_key_ =
      std::vector<FlowKey>(static_cast<size_t>(options_.sessions));
  Outcome outcome_;
};

}  // namespace

const char* FaultName(Fault fault) {
  switch (fault) {
    case Fault::kLoss:
      return "loss";
    case Fault::kDuplication:
      return "duplication";
    case Fault::kReordering:
      return "reordering";
    case Fault::kPartition:
      return "partition";
    case Fault::kOneWayPartition:
      return "one-way partition";
    case Fault::kStall:
      return "stall";
    case Fault::kClockRate:
      return "clock rate";
    case Fault::kCrash:
      return "crash";
    case Fault::kSickInterface:
      return "sick interface";
    case Fault::kConfiguration:
      return "configuration";
    case Fault::kSwitchover:
      return "switchover";
    case Fault::kUnplugged:
      return "unplugged";
    case Fault::kReplay:
      return "replay";
  }
  return "?";
}

Outcome Simulate(const Options& options) { return Simulation(options).Run(); }

}  // namespace ballast::sim
