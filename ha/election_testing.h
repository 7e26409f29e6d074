// For tests of the election: one unit whose owner calls it when it should, and
// a partner played by hand. T is 9 s, from adverts of 3 s: the defaults of the
// HA timeout.
#ifndef HA_ELECTION_TESTING_H_
#define HA_ELECTION_TESTING_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "ha/advert.h"
#include "ha/election.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::ha {

inline constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);
inline const absl::Duration kInterval = absl::Seconds(3);
inline const absl::Duration kT = absl::Seconds(9);
inline const absl::Duration kTick = absl::Nanoseconds(1);

inline Election::Options First() {
  Election::Options options;
  options.mode = Mode::kFirst;
  options.shared = Address::V4(0x0A000005);
  return options;
}
inline Election::Options Second() {
  Election::Options options = First();
  options.mode = Mode::kSecond;
  return options;
}

// A unit whose owner calls it at each deadline, at no other time than told.
class Unit {
 public:
  explicit Unit(const Election::Options& options, Instant now = kStart)
      : election(options, now), now_(now) {
    Collect();
    at_start_ = log_;
  }

  const std::vector<Action>& at_start() const { return at_start_; }
  Instant now() const { return now_; }

  // What was done on the way.
  std::vector<Action> RunTo(Instant until) {
    log_.clear();
    while (election.deadline() <= until) {
      now_ = election.deadline();
      election.Tick(now_);
      Collect();
    }
    now_ = until;
    return log_;
  }
  std::vector<Action> Run(absl::Duration time) { return RunTo(now_ + time); }
  // Time passes, and nobody calls.
  void Stall(absl::Duration time) { now_ += time; }

  std::vector<Action> Hear(const Advert& advert, int interface = 0) {
    log_.clear();
    election.OnAdvert(now_, interface, advert);
    Collect();
    return log_;
  }
  // Hears `advert` every interval for `time`, the first time at once.
  void HearFor(absl::Duration time, const Advert& advert) {
    const Instant end = now_ + time;
    while (now_ < end) {
      Hear(advert);
      RunTo(std::min(end, now_ + advert.interval));
    }
  }
  std::vector<Action> Sync(bool complete, uint64_t position) {
    log_.clear();
    election.OnSync(now_, complete, position);
    Collect();
    return log_;
  }
  std::vector<Action> Link(int interface, bool up) {
    log_.clear();
    election.OnLink(now_, interface, up);
    Collect();
    return log_;
  }
  std::vector<Action> LinkLost() {
    log_.clear();
    election.OnLinkLost(now_);
    Collect();
    return log_;
  }
  std::vector<Action> Taken() {
    log_.clear();
    Collect();
    return log_;
  }

  Election election;

 private:
  void Collect() {
    for (const Action action : election.TakeActions()) log_.push_back(action);
  }

  Instant now_;
  std::vector<Action> log_, at_start_;
};

inline Advert From(const Election::Options& options, Role role,
                   uint16_t flags = 0) {
  Advert advert;
  advert.mode = options.mode;
  advert.role = role;
  advert.flags = flags | (options.preferred ? kPreferred : 0) |
                 (options.syncs ? kSyncs : 0);
  advert.interval = options.interval;
  advert.shared = options.shared;
  advert.interfaces = static_cast<uint8_t>(options.interfaces);
  advert.interfaces_up = advert.interfaces;
  return advert;
}

// A unit that is active since nobody was there, and one that follows.
inline Unit ActiveUnit(const Election::Options& options) {
  Unit unit(options);
  unit.Run(kT);
  EXPECT_EQ(unit.election.role(), Role::kActive);
  return unit;
}
inline Unit StandbyUnit(const Election::Options& options,
                        const Election::Options& partner) {
  Unit unit(options);
  unit.Hear(From(partner, Role::kActive));
  EXPECT_EQ(unit.election.role(), Role::kStandby);
  return unit;
}

// Two units that replicate, and the second one as preferred unit.
class SyncedPairTest : public ::testing::Test {
 protected:
  SyncedPairTest() {
    first_.syncs = second_.syncs = true;
    preferred_ = second_;
    preferred_.preferred = true;
  }
  Election::Options first_ = First();
  Election::Options second_ = Second();
  Election::Options preferred_;
};

}  // namespace ballast::ha

#endif  // HA_ELECTION_TESTING_H_
