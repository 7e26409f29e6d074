// What must hold in an ElectionWorld.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ha/election_world.h"

namespace ballast::ha {

// -- What must hold -----------------------------------------------------------

bool ElectionWorld::Open(int from, int interface) const {
  const auto i = static_cast<size_t>(interface);
  return cut_[static_cast<size_t>(from)][i] == 0 && units_[0].carrier[i] &&
         units_[1].carrier[i];
}

bool ElectionWorld::Path(int from) const {
  for (int i = 0; i < units_[0].options.interfaces; ++i) {
    if (Open(from, i)) return true;
  }
  return false;
}

bool ElectionWorld::Deaf(const Unit& unit) {
  return std::none_of(unit.carrier.begin(),
                      unit.carrier.begin() + unit.options.interfaces,
                      [](bool up) { return up; });
}

void ElectionWorld::CheckTake(int index) {
  ++totals_.takes;
  const Unit& unit = units_[static_cast<size_t>(index)];
  const Unit& other = units_[static_cast<size_t>(1 - index)];
  const RoleChange& change = unit.election->history().back();
  if (change.reason == RoleReason::kHandedOver) ++totals_.hand_overs;
  if (change.incomplete) ++totals_.incomplete;
  // Clocks differ by a hundredth at the most.
  if (other.serving && !other.stopped && unit.heard_active &&
      now_ - unit.heard_active_at < takeover_ * 0.98) {
    Broken(absl::StrCat("I3: unit ", index, " took the role (",
                        RoleReasonText(change.reason),
                        ") while it heard the active one"));
  }
  if (change.reason == RoleReason::kPeerSilent && other.stopped &&
      other.serving && unit.clock_rate == other.clock_rate &&
      other.election->lease() > Local(other, now_) &&
      sabotage_ != Sabotage::kStallsHidden) {
    // Unless its adverts were cut off or lost, and not its process.
    if (loss_ == 0 && Path(1 - index) && now_ - changed_at_ > takeover_) {
      Broken("I5: took the role of a stopped unit before its lease was over");
    }
  }
}

void ElectionWorld::CheckYield(int index) {
  const Unit& unit = units_[static_cast<size_t>(index)];
  if (unit.election->role() == Role::kLeaving) return;
  if (unit.options.syncs && !unit.claimant_truly_complete) {
    Broken("I4: yielded to a unit that had not the whole table");
  }
}

void ElectionWorld::CheckCount() {
  if (loss_ > 0 || units_[0].stopped || units_[1].stopped) return;
  const absl::Duration quiet = now_ - changed_at_;
  if (quiet < wait_ + takeover_ * 4.1) return;
  const bool paths[] = {Path(0), Path(1)};
  const bool alive[] = {units_[0].election.has_value(),
                        units_[1].election.has_value()};
  bool able[2];
  int serving = 0;
  bool handing_over = false;
  for (size_t i = 0; i < 2; ++i) {
    able[i] = alive[i] && !units_[i].options.pacified;
    if (units_[i].serving) ++serving;
    handing_over |= alive[i] && units_[i].election->MakeAdvert().Has(kYielded);
  }
  const bool together = alive[0] && alive[1] && paths[0] && paths[1];
  const bool apart = !alive[0] || !alive[1] || (!paths[0] && !paths[1]);
  int least = 0, most = 0;
  if (together) {
    most = able[0] || able[1] ? 1 : 0;
    least = handing_over ? 0 : most;
  } else if (apart) {
    most = least = (able[0] ? 1 : 0) + (able[1] ? 1 : 0);
    for (size_t i = 0; i < 2; ++i) {
      if (able[i] && Deaf(units_[i]) && !units_[i].serving) --least;  // E10
    }
  } else {  // One way: at least the one who hears nobody.
    most = (able[0] ? 1 : 0) + (able[1] ? 1 : 0);
    least = std::min(most, 1);
  }
  if (serving < least || serving > most) {
    Broken(
        absl::StrCat("I1: ", serving, " active, expected ", least, "..", most));
  }
  if (quiet < wait_ + takeover_ * 9) return;
  for (size_t i = 0; i < 2; ++i) {
    if (!alive[i] || units_[i].election->history().empty()) continue;
    const Instant changed = units_[i].election->history().back().when;
    if (changed > Local(units_[i], changed_at_ + wait_ + takeover_ * 9)) {
      Broken("I2: a role changed long after the last fault");
    }
  }
  const int takes_max = 2 + kTakesPerFault * (faults_ + 1);
  if (!was_lossy_ && totals_.takes > static_cast<uint64_t>(takes_max)) {
    Broken(absl::StrCat("I7: ", totals_.takes, " takeovers for ", faults_,
                        " faults"));
  }
}

void ElectionWorld::Broken(const std::string& what) {
  if (broken_) return;
  broken_ = absl::StrCat("at ", absl::FormatDuration(now_ - kStart), " (T ",
                         absl::FormatDuration(takeover_), "): ", what);
}

}  // namespace ballast::ha
