// What must hold in a run of the simulation, whatever befalls the pair.
//
// V1  while the units hear each other, no two serve, but for the time a healed
//     split takes to settle
// V2  while they hear each other, one serves, but for that time
// V3  who takes the role has every connection that it had been told of, with
//     its server; no session is lost by a hand-over, nor by a takeover of a
//     unit that had everything
// V4  a unit yields only to one that had all of its table a moment ago; and who
//     takes a role that was handed over has exactly what the other had told,
//     unless it says that it is incomplete, which in calm it is not; a role
//     that is to be given up in calm is handed over
// V5  a unit that was stopped for a takeover time forwards nothing when it goes
//     on, before it has the role again
// V6  after some time of calm, and at the end, one serves, the other stands by
//     with an equal table, and (at the end) every session is answered
// V7  a standby that calls itself complete has exactly what the active unit has
//     told up to the position that it names; and is never ahead of it
// V8  (pair_network.h) a message counts once, in its order, and not if it was
//     said before the process that takes it began
#ifndef LB_SIM_INVARIANTS_H_
#define LB_SIM_INVARIANTS_H_

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/election.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "io/base/instant.h"
#include "lb/sim/course.h"
#include "lb/sim/host.h"
#include "lb/sim/ledger.h"
#include "lb/sim/pair_network.h"
#include "lb/sim/sessions.h"

namespace ballast::sim {

inline const absl::Duration kInterval = absl::Milliseconds(100);
inline const absl::Duration kTimeout = 3 * kInterval;

// Which unit's MAC the neighbours of a network have for an address.
struct Owner {
  int unit = -1;
  uint64_t process = 0;  // Of its host.
};
using Owners = std::map<std::pair<uint16_t, Address>, Owner>;

class Invariants {
 public:
  Invariants(Course& course, std::array<Host, 2>& hosts,
             const PairNetwork& network, Sessions& sessions);

  // Something happened after which a pair needs time to settle.
  void Disturbed();
  // `unit` is about to be asked to give the role up, if it has it.
  void OnOrder(int unit);
  // A unit went on after it was stopped.
  void OnWentOn(int unit, absl::Duration stopped);
  void OnAdvert(int unit);
  void OnForward(int unit);
  // While the unit still follows, then when its replicator has its new role.
  void OnTake(int unit);
  void OnRole(int unit, const ha::RoleChange& change);
  // `address` is `unit`'s from here on, and was another process's.
  void OnOwner(int unit, const Address& address);
  // Every now and then.
  void Sample(const Owners& owners);
  void AtEnd(const Owners& owners);

 private:
  // What a unit had told when it yielded.
  struct Yield {
    Instant when;
    Ledger::Lines told;
  };
  struct Take {
    Instant when;
    bool handed_over = false;
    bool complete = false;
    Instant heard;  // The partner, before that.
    // What it was told of at servers that are not configured here any more:
    // only the unit that was there when they were has these.
    absl::flat_hash_set<FlowKey> unbound;
  };

  bool Calm() const;
  bool Untroubled() const;
  void CheckTold(int unit);
  void CheckYield(int unit);
  void CheckHandOver(int unit, bool incomplete);
  void CheckStandby(int unit);
  void CheckWhole(absl::string_view when);
  // Begun while the role moved, and never told.
  bool BegunInBetween(const Sessions::Session& session) const;
  void CheckStuck(Sessions::Session& session, const Owners& owners);
  std::string Difference(const Ledger::Lines& told, const Ledger::Lines& have);

  Course& course_;
  std::array<Host, 2>& hosts_;
  const PairNetwork& network_;
  Sessions& sessions_;

  Instant settled_;                  // From when on.
  Instant storm_;                    // When it was last not Untroubled().
  std::array<Instant, 2> orders_{};  // In calm, and it could be carried out.
  std::array<Instant, 2> went_on_{};
  std::array<Instant, 2> long_stops_{};  // Went on after one.
  std::array<Instant, 2> complete_{};    // When an advert last said so.
  std::array<Yield, 2> yields_;
  std::array<Take, 2> takes_;
  std::vector<Instant> role_changes_;
};

}  // namespace ballast::sim

#endif  // LB_SIM_INVARIANTS_H_
