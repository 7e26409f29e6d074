// What goes wrong in an ElectionWorld.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ha/election_world.h"

namespace ballast::ha {

// -- Faults -------------------------------------------------------------------

void ElectionWorld::MakeFaults() {
  faults_ = 2 + static_cast<int>(prng_() % 5);
  for (int i = 0; i < faults_; ++i) {
    AddFault(now_ + Random(3, 30) * takeover_);
  }
  // In the end all is well.
  At(now_ + 36 * takeover_, [this] {
    Note(0, "and all heals");
    loss_ = 0;
    cut_ = {};
    for (int i = 0; i < 2; ++i) {
      Unit& unit = units_[static_cast<size_t>(i)];
      if (!unit.election) Restart(i);
      for (int link = 0; link < unit.options.interfaces; ++link) {
        unit.carrier[static_cast<size_t>(link)] = true;
        Call(i,
             [link](Election& e, Instant now) { e.OnLink(now, link, true); });
      }
    }
    Changed();
  });
}

void ElectionWorld::AddFault(Instant at) {
  const int victim = static_cast<int>(prng_() % 2);
  const auto v = static_cast<size_t>(victim);
  const absl::Duration time = Random(0.05, 5) * takeover_;
  const Instant end = at + time;
  const auto link = static_cast<size_t>(prng_()) %
                    static_cast<size_t>(units_[v].options.interfaces);
  const auto cut = [this](size_t from, size_t interface, int by) {
    int& count = cut_[from][interface];
    count = std::max(0, count + by);
    Note(static_cast<int>(from),
         absl::StrCat("interface ", interface, count > 0 ? " cut" : " mended"));
    Changed();
  };
  switch (prng_() % 8) {
    case 0:  // Partition: both ways, or one.
    case 1: {
      const bool both = Chance(0.5);
      for (size_t i = 0; i < 2; ++i) {
        for (const size_t from : {v, 1 - v}) {
          if (from != v && !both) continue;
          At(at, [=] { cut(from, i, 1); });
          At(end, [=] { cut(from, i, -1); });
        }
      }
      break;
    }
    case 2:  // One interface is sick, with nobody told.
      At(at, [=] { cut(v, link, 1); });
      At(end, [=] { cut(v, link, -1); });
      break;
    case 3: {  // An interface loses its carrier.
      const auto set = [this, victim, v, link](bool up) {
        units_[v].carrier[link] = up;
        Note(victim, absl::StrCat("carrier ", link, up ? " up" : " down"));
        Call(victim, [link, up](Election& e, Instant now) {
          e.OnLink(now, static_cast<int>(link), up);
        });
        Changed();
      };
      At(at, [=] { set(false); });
      At(end, [=] { set(true); });
      break;
    }
    case 4:
      At(at, [=, this] { Stop(victim, time); });
      break;
    case 5:  // A crash, and the return: soon, or after the takeover.
      At(at, [=, this] { Crash(victim); });
      At(end, [=, this] { Restart(victim); });
      break;
    case 6:  // A switchover by command.
      At(at, [=, this] {
        Call(victim, [](Election& e, Instant now) {
          e.RequestSwitchover(now).IgnoreError();
        });
        Changed();
      });
      break;
    case 7:
      if (Chance(0.5)) {  // Shutdown and start.
        At(at, [=, this] {
          units_[v].leaving = true;
          Call(victim,
               [this](Election& e, Instant now) { e.Leave(now, takeover_); });
          Changed();
        });
        At(end + takeover_ * 2, [=, this] { Restart(victim); });
      } else {
        At(at, [=, this] {
          Call(victim, [](Election& e, Instant now) {
            e.StepDown(now, RoleReason::kPacketThreadHung);
          });
          Changed();
        });
      }
      break;
  }
}

void ElectionWorld::Stop(int index, absl::Duration time) {
  Unit& unit = units_[static_cast<size_t>(index)];
  if (!unit.election || unit.stopped) return;
  unit.stopped = true;
  Note(index, absl::StrCat("stops for ", absl::FormatDuration(time)));
  unit.stopped_at = now_;
  Changed();
  At(now_ + time, [this, index, boot = unit.boot] {
    if (units_[static_cast<size_t>(index)].boot == boot) Resume(index);
  });
}

// A process that runs again serves its timers and its sockets, in any order.
void ElectionWorld::Resume(int index) {
  Unit& unit = units_[static_cast<size_t>(index)];
  if (!unit.election || !unit.stopped) return;
  if (sabotage_ == Sabotage::kStallsHidden) {
    unit.clock_offset_ns -= static_cast<int64_t>(
        static_cast<double>(now_.nanos() - unit.stopped_at.nanos()) *
        unit.clock_rate);
  }
  unit.stopped = false;
  Changed();
  std::vector<Message> waiting = std::exchange(unit.waiting, {});
  const bool timers_first = waiting.empty() || Chance(0.5);
  const uint64_t boot = unit.boot;
  if (timers_first) {
    Call(index, [](Election& e, Instant now) { e.Tick(now); });
  }
  bool first_call = !timers_first;
  const auto check = [&] {
    const bool was_long =
        now_ - unit.stopped_at >= takeover_ * 1.01 &&
        unit.election->role() == Role::kActive &&
        !unit.election->history().empty() &&
        unit.election->history().back().reason != RoleReason::kHandedOver;
    if (was_long) Broken("I5: active after the first call since a long stop");
  };
  if (timers_first) check();
  for (const Message& message : waiting) {
    if (!unit.election || unit.boot != boot) return;
    if (!Accept(index, message)) continue;
    if (unit.election && std::exchange(first_call, false)) check();
  }
}

void ElectionWorld::Crash(int index) {
  Unit& unit = units_[static_cast<size_t>(index)];
  if (!unit.election) return;
  unit.election.reset();
  Note(index, "ends");
  unit.serving = unit.leaving = unit.stopped = false;
  unit.waiting.clear();
  Changed();
  // The stream closes, if there is a way.
  const int other = 1 - index;
  if (Path(index) && Path(other) && Chance(0.5)) {
    At(now_ + delay_max_ * Random(0, 1), [this, other] {
      Unit& survivor = units_[static_cast<size_t>(other)];
      if (survivor.stopped) return;
      survivor.heard_active = false;
      Call(other, [](Election& e, Instant now) { e.OnPeerDied(now); });
    });
  }
}

void ElectionWorld::Restart(int index) {
  Unit& unit = units_[static_cast<size_t>(index)];
  if (unit.election) return;
  unit.boot = ++boots_;
  Note(index, "starts");
  unit.sent = boots_ << 32;  // PeerSession's business: new boot, all is newer.
  unit.position = unit.epoch = 0;
  unit.complete = false;
  unit.heard_active = false;
  unit.taken_sequence = 0;
  unit.election.emplace(unit.options, Local(unit, now_));
  Changed();
  for (int link = 0; link < unit.options.interfaces; ++link) {
    if (unit.carrier[static_cast<size_t>(link)]) continue;
    Call(index,
         [link](Election& e, Instant now) { e.OnLink(now, link, false); });
  }
  Obey(index);
}

}  // namespace ballast::ha
