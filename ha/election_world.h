// Two elections on virtual time, and everything that can go wrong between them:
// for tests. One seed makes the settings, the faults and every delay; running
// it says what rule was broken first, if any.
//
// Each unit has a clock of its own rate, an owner that calls it at deadline()
// or a little later and gives adverts in the order of their sequence, and a
// table that follows the other's as a replicator would make it. Adverts are
// lost, delayed, overtake each other, and wait in the sockets of a unit that is
// stopped.
//
// What must hold
//   I1  a detection bound after the last change each side of a partition has
//       exactly one active unit (both units are one side while they hear each
//       other both ways; a hand-over under way counts as one; a side without
//       carrier may have none)
//   I2  later on, no role changes
//   I3  no unit becomes active while it hears one that is
//   I4  an active unit yields only to one that really has its whole table
//   I5  a unit that was stopped for T is not active after its first call, and
//       nobody takes its role before its lease is over
//   I6  roles and actions agree: what was taken is dropped before it is taken
//       again
//   I7  without loss each fault costs at most kTakesPerFault takeovers
#ifndef HA_ELECTION_WORLD_H_
#define HA_ELECTION_WORLD_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/election.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ElectionWorld {
 public:
  // A rule broken on purpose, from outside the election: shows that the
  // invariants would notice.
  enum class Sabotage {
    kNone,
    kTieBreakSkipped,     // An active unit never hears another active one.
    kCompletenessFaked,   // Whoever follows says that it has everything.
    kStallsHidden,        // A stopped unit's clock stops too: E7 never fires.
    kOldAdvertsAccepted,  // The owner does not look at sequences.
    kVacancyAnnounced,    // A standby hears its active partner say "standby".
  };

  // `trace`: faults and role changes are printed.
  ElectionWorld(uint64_t seed, Sabotage sabotage, bool trace = false);

  // The first broken invariant with its time, or nothing.
  std::optional<std::string> Run();

  struct Totals {
    uint64_t events = 0;
    uint64_t takes = 0;
    uint64_t hand_overs = 0;
    uint64_t incomplete = 0;
    absl::Duration time;
  };
  const Totals& totals() const { return totals_; }

 private:
  static constexpr int kTakesPerFault = 3;
  static constexpr Instant kStart = Instant::FromNanos(1'000'000'000'000);

  struct Message {
    Advert advert;
    uint64_t sequence = 0;
    int interface = 0;
    bool truly_complete = false;
  };
  struct Unit {
    Election::Options options;
    std::optional<Election> election;
    int64_t clock_offset_ns = 0;
    double clock_rate = 1;
    // Of the owner.
    uint64_t sent = 0;
    uint64_t taken_sequence = 0;
    std::vector<Message> waiting;
    absl::Duration lateness;
    bool stopped = false;
    Instant stopped_at;
    bool leaving = false;
    bool serving = false;
    uint64_t boot = 0;
    // What it knows of the other.
    Instant heard_active_at;
    bool heard_active = false;
    bool claimant_truly_complete = false;
    // Its table.
    uint64_t position = 0;
    uint64_t epoch = 0;  // Of the active unit whose table this is.
    bool complete = false;
    Instant transfer_done;
    std::array<bool, 2> carrier = {true, true};
  };

  void MakeFaults();
  void AddFault(Instant at);
  void At(Instant when, std::function<void()> what);
  void Changed();
  void Note(int index, absl::string_view what);

  Instant Local(const Unit& unit, Instant when) const;
  Instant Due(const Unit& unit) const;
  void Call(int index, const std::function<void(Election&, Instant)>& call);
  void Obey(int index);
  void Send(int index);
  void Deliver(int to, const Message& message);
  // Whether the election got it.
  bool Accept(int to, const Message& message);
  void Stop(int index, absl::Duration time);
  void Resume(int index);
  void Crash(int index);
  void Restart(int index);
  void FollowTables();

  bool Path(int from) const;
  static bool Deaf(const Unit& unit);
  bool Open(int from, int interface) const;
  void CheckTake(int index);
  void CheckYield(int index);
  void CheckCount();
  void Broken(const std::string& what);
  double Random(double from, double to);
  bool Chance(double probability);

  const Sabotage sabotage_;
  const bool trace_;
  std::mt19937_64 prng_;
  absl::Duration interval_, takeover_, delay_max_, wait_;
  double loss_ = 0;
  bool was_lossy_ = false;
  int faults_ = 0;
  std::array<Unit, 2> units_;
  std::array<std::array<int, 2>, 2> cut_{};  // [from][interface], how often.
  uint64_t epochs_ = 0;
  uint64_t boots_ = 0;

  Instant now_;
  Instant changed_at_;
  std::multimap<Instant, std::function<void()>> events_;
  std::optional<std::string> broken_;
  Totals totals_;
};

}  // namespace ballast::ha

#endif  // HA_ELECTION_WORLD_H_
