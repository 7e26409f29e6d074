#include "ha/election_world.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ballast::ha {
namespace {

constexpr const char* kActionNames[] = {
    "sends",           "takes the role",  "drops the role", "yields",
    "gives its table", "announces again", "reboots"};
constexpr size_t kSocketMax = 64;  // Adverts that wait for a stopped unit.

}  // namespace

ElectionWorld::ElectionWorld(uint64_t seed, Sabotage sabotage, bool trace)
    : sabotage_(sabotage),
      trace_(trace),
      prng_(seed),
      now_(kStart),
      changed_at_(kStart) {
  const absl::Duration intervals[] = {absl::Milliseconds(20),
                                      absl::Milliseconds(200), absl::Seconds(1),
                                      absl::Seconds(3)};
  interval_ = intervals[prng_() % 4];
  takeover_ = 3 * interval_;
  delay_max_ = interval_ * Random(0.001, 0.3);
  wait_ = Chance(0.2) ? 2 * takeover_ : absl::ZeroDuration();
  if (Chance(0.5)) loss_ = Random(0.01, 0.6);
  was_lossy_ = loss_ > 0;
  const bool syncs = Chance(0.7);
  const int interfaces = Chance(0.5) ? 2 : 1;
  const uint64_t preferred = prng_() % 4;  // 2, 3: none.
  const bool same_rate = Chance(0.5);
  for (int i = 0; i < 2; ++i) {
    Unit& unit = units_[static_cast<size_t>(i)];
    unit.options.mode = i == 0 ? Mode::kFirst : Mode::kSecond;
    unit.options.interval = interval_;
    unit.options.initial_wait = wait_;
    unit.options.syncs = syncs;
    unit.options.interfaces = interfaces;
    unit.options.preferred = preferred == static_cast<uint64_t>(i);
    unit.options.pacified = Chance(0.03);
    if (!same_rate) unit.clock_rate = Random(0.995, 1.005);
    unit.clock_offset_ns = static_cast<int64_t>(Random(0, 1e12));
    unit.lateness = interval_ * Random(0, 0.05);
    At(now_ + Random(0, 2) * takeover_, [this, i] { Restart(i); });
  }
  MakeFaults();
  // Tables follow each other quietly all the time.
  for (int i = 0; i < 4 * 200; ++i) {
    At(now_ + i * interval_ / 4, [this] { FollowTables(); });
  }
}

// -- Time ---------------------------------------------------------------------

void ElectionWorld::At(Instant when, std::function<void()> what) {
  events_.emplace(when, std::move(what));
}

void ElectionWorld::Changed() { changed_at_ = now_; }

void ElectionWorld::Note(int index, absl::string_view what) {
  if (!trace_) return;
  std::fprintf(stderr, "%12s unit %d %s\n",
               absl::FormatDuration(now_ - kStart).c_str(), index,
               std::string(what).c_str());
}

Instant ElectionWorld::Local(const Unit& unit, Instant when) const {
  const auto elapsed = static_cast<double>(when.nanos() - kStart.nanos());
  return Instant::FromNanos(
      kStart.nanos() + unit.clock_offset_ns +
      static_cast<int64_t>(std::floor(elapsed * unit.clock_rate)));
}

// When the owner will call it, by the world's clock.
Instant ElectionWorld::Due(const Unit& unit) const {
  if (!unit.election || unit.stopped) return Instant::Never();
  const Instant deadline = unit.election->deadline();
  if (deadline == Instant::Never()) return deadline;
  const double local = static_cast<double>(deadline.nanos() - kStart.nanos() -
                                           unit.clock_offset_ns);
  const Instant due = Instant::FromNanos(
      kStart.nanos() +
      static_cast<int64_t>(std::ceil(local / unit.clock_rate)) + 1);
  return std::max(due + unit.lateness, now_);
}

std::optional<std::string> ElectionWorld::Run() {
  const Instant end = now_ + 60 * takeover_ + wait_;
  while (!broken_) {
    size_t next = 0;
    if (Due(units_[1]) < Due(units_[0])) next = 1;
    const Instant due = Due(units_[next]);
    const bool event = !events_.empty() && events_.begin()->first <= due;
    const Instant when = event ? events_.begin()->first : due;
    if (when > end) break;
    now_ = std::max(now_, when);
    ++totals_.events;
    if (event) {
      auto node = events_.extract(events_.begin());
      node.mapped()();
    } else {
      Call(static_cast<int>(next),
           [](Election& e, Instant now) { e.Tick(now); });
    }
    CheckCount();
  }
  totals_.time = now_ - kStart;
  return broken_;
}

// -- A unit and its owner -----------------------------------------------------

void ElectionWorld::Call(int index,
                         const std::function<void(Election&, Instant)>& call) {
  Unit& unit = units_[static_cast<size_t>(index)];
  if (!unit.election || unit.stopped) return;
  call(*unit.election, Local(unit, now_));
  Obey(index);
}

void ElectionWorld::Obey(int index) {
  Unit& unit = units_[static_cast<size_t>(index)];
  for (const Action action : unit.election->TakeActions()) {
    if (trace_ && action != Action::kSendAdvert) {
      Note(index, absl::StrCat(kActionNames[static_cast<size_t>(action)], ": ",
                               RoleName(unit.election->role()), ", ",
                               RoleReasonText(unit.election->reason())));
    }
    switch (action) {
      case Action::kSendAdvert:
        Send(index);
        break;
      case Action::kTakeRole:
        if (unit.serving) Broken("I6: took a role it has");
        unit.serving = true;
        unit.epoch = ++epochs_;
        unit.complete = false;
        CheckTake(index);
        break;
      case Action::kYield:
        CheckYield(index);
        [[fallthrough]];
      case Action::kDropRole:
        if (!unit.serving) Broken("I6: dropped a role it has not");
        unit.serving = false;
        break;
      case Action::kGiveTable:
        At(now_ + Random(0, 1.5) * takeover_, [this, index, boot = unit.boot] {
          if (units_[static_cast<size_t>(index)].boot != boot) return;
          Call(index,
               [](Election& e, Instant now) { e.OnTableGiven(now, true); });
        });
        break;
      case Action::kReannounce:
      case Action::kReboot:
        break;
    }
  }
  if (unit.serving != (unit.election->role() == Role::kActive)) {
    Broken("I6: role and actions disagree");
  }
  if (unit.election->role() == Role::kLeaving && unit.leaving) Crash(index);
}

void ElectionWorld::Send(int index) {
  Unit& unit = units_[static_cast<size_t>(index)];
  const int to = 1 - index;
  Message message;
  message.advert = unit.election->MakeAdvert();
  message.advert.sync_position = unit.position;
  message.sequence = ++unit.sent;
  message.truly_complete = unit.complete;
  if (sabotage_ == Sabotage::kCompletenessFaked &&
      message.advert.role == Role::kStandby) {
    message.advert.flags |= kComplete | kClaimsRole;
  }
  for (int i = 0; i < unit.options.interfaces; ++i) {
    message.interface = i;
    if (!Open(index, i) || Chance(loss_)) continue;
    // Now and then one is overtaken by the next.
    const double late = Chance(0.05) ? 4 : 1;
    At(now_ + delay_max_ * Random(0, late),
       [this, to, message] { Deliver(to, message); });
  }
}

void ElectionWorld::Deliver(int to, const Message& message) {
  Unit& unit = units_[static_cast<size_t>(to)];
  if (!unit.election) return;
  if (!unit.stopped) {
    Accept(to, message);
  } else if (unit.waiting.size() < kSocketMax) {
    unit.waiting.push_back(message);
  }
}

bool ElectionWorld::Accept(int to, const Message& message) {
  Unit& unit = units_[static_cast<size_t>(to)];
  if (message.sequence <= unit.taken_sequence &&
      sabotage_ != Sabotage::kOldAdvertsAccepted) {
    return false;
  }
  unit.taken_sequence = message.sequence;
  Message heard = message;
  const bool active = heard.advert.role == Role::kActive;
  unit.heard_active = active;
  if (active) unit.heard_active_at = now_;
  unit.claimant_truly_complete = message.truly_complete;
  if (sabotage_ == Sabotage::kTieBreakSkipped && active && unit.serving) {
    return false;
  }
  if (sabotage_ == Sabotage::kVacancyAnnounced && active && !unit.serving &&
      Chance(0.02)) {
    heard.advert.role = Role::kStandby;
  }
  Call(to, [&heard](Election& e, Instant now) {
    e.OnAdvert(now, heard.interface, heard.advert);
  });
  return true;
}

// What the replicator does, seen from far: a follower has the table some time
// after it met its leader, and then all changes soon.
void ElectionWorld::FollowTables() {
  for (int i = 0; i < 2; ++i) {
    Unit& unit = units_[static_cast<size_t>(i)];
    const Unit& leader = units_[static_cast<size_t>(1 - i)];
    if (unit.serving) ++unit.position;
    if (!unit.election || unit.stopped || unit.serving || !unit.options.syncs) {
      continue;
    }
    const bool told = leader.election && !leader.stopped && Path(i) &&
                      Path(1 - i) && leader.epoch != 0;
    if (!told) continue;
    if (leader.serving && unit.epoch != leader.epoch) {
      unit.epoch = leader.epoch;
      unit.complete = false;
      unit.transfer_done = now_ + Random(0.1, 1.5) * takeover_;
      Call(i, [&unit](Election& e, Instant now) {
        e.OnSync(now, false, unit.position);
      });
    }
    if (unit.epoch != leader.epoch) continue;
    if (now_ < unit.transfer_done) continue;
    unit.complete = true;
    unit.position = leader.position;
    Call(i, [&unit](Election& e, Instant now) {
      e.OnSync(now, unit.complete, unit.position);
    });
  }
}

double ElectionWorld::Random(double from, double to) {
  return from + (to - from) * static_cast<double>(prng_() >> 11) * 0x1p-53;
}

bool ElectionWorld::Chance(double probability) {
  return Random(0, 1) < probability;
}

}  // namespace ballast::ha
