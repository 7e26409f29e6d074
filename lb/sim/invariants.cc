#include "lb/sim/invariants.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "ha/outgoing_changes.h"

namespace ballast::sim {
namespace {

// What a pair needs to settle once it hears itself again: to notice (one
// timeout), to give the table (one more), and some messages.
constexpr absl::Duration kSettle = absl::Milliseconds(2500);
// V4: an advert that says complete counts for a timeout, and may be under way
// for a while; clocks differ.
constexpr absl::Duration kCompleteFor = absl::Milliseconds(500);
// V7: a change that the table has told is under way within this.
constexpr absl::Duration kTellWithin = absl::Milliseconds(50);
// V3: what was begun just before may not have been told yet: its first packets
// were on their way, or in a datagram that was lost with the unit.
constexpr absl::Duration kJustBegun = absl::Milliseconds(50);
constexpr absl::Duration kMayBeLost = absl::Seconds(1);
// V6: the table has been asked for, again if need be, and given.
constexpr absl::Duration kWhole = absl::Seconds(8);
constexpr absl::Duration kStuck = absl::Seconds(5);

}  // namespace

Invariants::Invariants(Course& course, std::array<Host, 2>& hosts,
                       const PairNetwork& network, Sessions& sessions)
    : course_(course),
      hosts_(hosts),
      network_(network),
      sessions_(sessions),
      settled_(course.start() + kSettle),
      storm_(course.start()) {}

// -- When they hold ----------------------------------------------------------

void Invariants::Disturbed() { settled_ = course_.now() + kSettle; }

// They hear each other, on one interface at least.
bool Invariants::Calm() const {
  const bool heard = (network_.Reaches(0, 0) && network_.Reaches(1, 0)) ||
                     (network_.Reaches(0, 1) && network_.Reaches(1, 1));
  return heard && network_.weather().loss == 0 &&
         !network_.weather().reordering && hosts_[0].runs() && hosts_[1].runs();
}

// And nothing that they tell of their tables is lost.
bool Invariants::Untroubled() const {
  return Calm() && network_.Reaches(0, kChanges) &&
         network_.Reaches(1, kChanges);
}

void Invariants::OnOrder(int unit) {
  const auto at = static_cast<size_t>(unit);
  const Instant now = course_.now();
  bool healthy = Untroubled() && now > settled_ && now - storm_ > kInterval;
  for (const auto& interfaces : network_.weather().sick) {
    healthy = healthy && !interfaces[0] && !interfaces[1];
  }
  if (!healthy || !hosts_[at].serving() ||
      !hosts_[1 - at].unit()->node().replicator().complete()) {
    return;
  }
  orders_[at] = now;
}

void Invariants::OnWentOn(int unit, absl::Duration stopped) {
  went_on_[static_cast<size_t>(unit)] = course_.now();
  if (stopped <= kTimeout + kInterval) return;
  long_stops_[static_cast<size_t>(unit)] = course_.now();
}

// -- Forwarding --------------------------------------------------------------

void Invariants::OnForward(int unit) {
  const Instant now = course_.now();
  const Instant stopped = long_stops_[static_cast<size_t>(unit)];
  if (stopped != Instant() && now - stopped < absl::Milliseconds(50) &&
      takes_[static_cast<size_t>(unit)].when < stopped) {
    course_.Fail(
        "V5", absl::StrCat("unit ", unit, " forwarded after it was stopped"));
  }
  if (now > settled_ && hosts_[static_cast<size_t>(1 - unit)].serving() &&
      Calm()) {
    course_.Fail("V1", "two units forward");
  }
}

// -- Roles -------------------------------------------------------------------

void Invariants::OnAdvert(int unit) {
  const auto at = static_cast<size_t>(unit);
  const Unit* said = hosts_[at].unit();
  if (said == nullptr || !said->node().replicator().complete()) return;
  complete_[at] = course_.now();
}

void Invariants::OnTake(int unit) {
  const auto at = static_cast<size_t>(unit);
  const Unit& taker = *hosts_[at].unit();
  const bool handed_over =
      taker.node().election().reason() == ha::RoleReason::kHandedOver;
  const Instant order = orders_[1 - at];
  if (!handed_over && order != Instant() && storm_ <= order &&
      course_.now() - order < kTimeout) {
    course_.Fail("V4", absl::StrCat("unit ", 1 - at,
                                    " was to give the role up, and did not "
                                    "hand it over"));
  }
  Take& take = takes_[at];
  take = {.when = course_.now(),
          .handed_over = handed_over,
          .complete = taker.node().replicator().complete(),
          .heard = network_.last_heard(unit)};
  for (const auto* lines : {&taker.ledger().lines(), &taker.ledger().kept()}) {
    for (const auto& [key, line] : *lines) {
      if (!line.bound) take.unbound.insert(key);
    }
  }
}

void Invariants::OnRole(int unit, const ha::RoleChange& change) {
  role_changes_.push_back(course_.now());
  const auto at = static_cast<size_t>(unit);
  if (change.to == ha::Role::kActive) {
    CheckTold(unit);
    if (change.reason == ha::RoleReason::kHandedOver) {
      CheckHandOver(unit, change.incomplete);
    }
  } else if (change.from == ha::Role::kActive) {
    if (change.to == ha::Role::kStandby &&
        (change.reason == ha::RoleReason::kYielded ||
         change.reason == ha::RoleReason::kLinkDown ||
         change.reason == ha::RoleReason::kEnding)) {
      CheckYield(unit);
    }
  } else {
    return;
  }
  hosts_[at].unit()->ledger().Forget();
}

// V3
void Invariants::CheckTold(int unit) {
  Unit& taker = *hosts_[static_cast<size_t>(unit)].unit();
  l4::Director& director = taker.director();
  // Told, but its server is not configured any more.
  size_t unbound = director.unbound_count();
  const auto check = [&](const Ledger::Lines& lines) {
    for (const auto& [key, line] : lines) {
      const std::optional<l4::FlowView> flow = director.FindFlow(key);
      if (flow.has_value() && flow->server == line.server) continue;
      if (!flow.has_value() && unbound > 0) {
        --unbound;
        continue;
      }
      course_.Fail(
          "V3",
          absl::StrCat("unit ", unit, " was told of ", key.ToString(), " at ",
                       line.server.ToString(),
                       flow.has_value() ? absl::StrCat(" and has it at ",
                                                       flow->server.ToString())
                                        : " and has it no more"));
    }
  };
  check(taker.ledger().lines());
  check(taker.ledger().kept());
}

// V4, by the one that yields.
void Invariants::CheckYield(int unit) {
  const auto at = static_cast<size_t>(unit);
  const Instant now = course_.now();
  const Instant complete = complete_[1 - at];
  if (complete == Instant() || now - complete > kCompleteFor) {
    course_.Fail("V4",
                 absl::StrCat("unit ", unit,
                              " yielded to one without all of its table"));
  }
  yields_[at] = {now, hosts_[at].unit()->ledger().lines()};
}

// V4, by the one that takes the role.
void Invariants::CheckHandOver(int unit, bool incomplete) {
  const auto at = static_cast<size_t>(unit);
  const Instant now = course_.now();
  const Yield& yield = yields_[1 - at];
  if (yield.when == Instant()) {
    course_.Fail("V4", "a role was handed over that nobody yielded");
  }
  if (incomplete) {
    // Without the yielder's last changes a claimant takes over all the same,
    // and says so; but they cannot have been lost in calm.
    if (Untroubled() && now - storm_ > absl::Seconds(1)) {
      course_.Fail("V4", "in calm a role was handed over incomplete");
    }
    return;
  }
  if (!takes_[at].complete) {
    course_.Fail("V4", "a role was handed over before the table was complete");
  }
  const std::string difference =
      Difference(yield.told, hosts_[at].unit()->ledger().lines());
  if (!difference.empty()) {
    course_.Fail("V4", absl::StrCat("a role was handed over, and unit ", unit,
                                    " ", difference));
  }
}

std::string Invariants::Difference(const Ledger::Lines& told,
                                   const Ledger::Lines& have) {
  for (const auto& [key, line] : told) {
    const auto found = have.find(key);
    if (found == have.end()) {
      return absl::StrCat("does not have ", key.ToString());
    }
    if (!(found->second == line)) {
      return absl::StrCat("has ", key.ToString(), " at ",
                          found->second.server.ToString(), " in state ",
                          found->second.state, ", not at ",
                          line.server.ToString(), " in state ", line.state);
    }
  }
  for (const auto& [key, line] : have) {
    if (told.contains(key)) continue;
    return absl::StrCat("has ", key.ToString(), ", which is over");
  }
  return "";
}

// -- Sessions ----------------------------------------------------------------

// V3, at the moment it is decided who carries the sessions of an address.
void Invariants::OnOwner(int unit, const Address& address) {
  const auto at = static_cast<size_t>(unit);
  const Take& take = takes_[at];
  l4::Director& director = hosts_[at].unit()->director();
  for (Sessions::Session& session : sessions_.sessions()) {
    if (!session.open() || session.service.address != address) continue;
    if (director.FindFlow(session.key()).has_value()) {
      session.excused = false;
      continue;
    }
    // Of a unit that has just started with nobody to tell it, or that took the
    // role before the session began (elsewhere), nothing can be asked. Who
    // hands over tells of all; who is gone had told what was worth it.
    const bool due = take.handed_over
                         ? take.when - session.begun > kJustBegun
                         : session.told != Instant() &&
                               take.heard - session.told > kMayBeLost;
    if (!session.excused && take.complete && due &&
        !take.unbound.contains(session.key())) {
      course_.Fail("V3",
                   absl::StrCat("unit ", unit, " has ", address.ToString(),
                                " now, but not ", session.key().ToString()));
    }
    session.excused = true;
  }
}

bool Invariants::BegunInBetween(const Sessions::Session& session) const {
  return session.told == Instant() &&
         std::any_of(role_changes_.begin(), role_changes_.end(),
                     [&](Instant change) {
                       return change - session.begun < kJustBegun &&
                              session.begun - change < kJustBegun;
                     });
}

// Segments that no flow belongs to are dropped in silence: a session that
// nobody knows waits for ever.
void Invariants::CheckStuck(Sessions::Session& session, const Owners& owners) {
  const Instant now = course_.now();
  if (!session.under_way || now - session.asked < kStuck) return;
  const auto owner = owners.find({kClients, session.service.address});
  if (owner == owners.end() || now < settled_ + absl::Seconds(3)) return;
  Host& host = hosts_[static_cast<size_t>(owner->second.unit)];
  if (!host.serving()) return;
  const bool has = host.unit()->director().FindFlow(session.key()).has_value();
  if (has || (!session.excused && !BegunInBetween(session))) {
    course_.Fail(
        "V3", absl::StrCat("session ", session.key().ToString(),
                           " is not answered, though unit ", owner->second.unit,
                           has ? " has it" : " should have it"));
    return;
  }
  sessions_.Excuse(now, session);
}

// -- Every now and then ------------------------------------------------------

void Invariants::Sample(const Owners& owners) {
  const Instant now = course_.now();
  if (!Calm()) Disturbed();
  if (!Untroubled()) storm_ = now;
  if (now > settled_) {
    const int serving = hosts_[0].serving() + hosts_[1].serving();
    if (serving != 1) {
      course_.Fail(
          serving == 0 ? "V2" : "V1",
          absl::StrCat(serving, " units serve (",
                       ha::RoleName(hosts_[0].unit()->node().role()), ", ",
                       ha::RoleName(hosts_[1].unit()->node().role()), ")"));
    }
  }
  if (now > settled_ + kWhole && now - storm_ > kWhole) CheckWhole("in calm");
  CheckStandby(0);
  CheckStandby(1);
  for (Sessions::Session& session : sessions_.sessions()) {
    if (!session.open()) continue;
    CheckStuck(session, owners);
    for (const Host& host : hosts_) {
      if (session.told != Instant() || host.unit() == nullptr) continue;
      const Ledger& ledger = host.unit()->ledger();
      if (ledger.telling() && ledger.lines().contains(session.key())) {
        session.told = now;
      }
    }
  }
}

// V7
void Invariants::CheckStandby(int unit) {
  const Host& host = hosts_[static_cast<size_t>(unit)];
  const Host& other = hosts_[static_cast<size_t>(1 - unit)];
  if (host.unit() == nullptr || other.unit() == nullptr) return;
  const Unit& standby = *host.unit();
  const Unit& active = *other.unit();
  if (!active.ledger().telling() || standby.ledger().telling() ||
      !standby.node().replicator().complete()) {
    return;
  }
  const uint64_t position = standby.node().replicator().position();
  const uint64_t told = active.node().replicator().position();
  if (ha::LeadershipOf(position) != ha::LeadershipOf(told)) return;
  if (position > told) {
    course_.Fail("V7",
                 absl::StrCat("unit ", unit, " has applied ", position - told,
                              " changes more than there are"));
  }
  if (position != told ||
      active.ledger().digest() == standby.ledger().digest()) {
    return;
  }
  // Told by the table, and not yet in a datagram.
  if (!other.runs() ||
      other.local() - active.ledger().changed() < kTellWithin ||
      course_.now() - went_on_[static_cast<size_t>(1 - unit)] < kTellWithin) {
    return;
  }
  course_.Fail("V7", absl::StrCat("unit ", unit, " is complete, and ",
                                  Difference(active.ledger().lines(),
                                             standby.ledger().lines())));
}

// V6
void Invariants::CheckWhole(absl::string_view when) {
  for (int i = 0; i < 2; ++i) {
    const Host& host = hosts_[static_cast<size_t>(i)];
    if (host.serving() || host.unit()->node().replicator().complete()) continue;
    course_.Fail("V6", absl::StrCat(when, " unit ", i, " (",
                                    ha::RoleName(host.unit()->node().role()),
                                    ") stands by without an equal table"));
  }
}

void Invariants::AtEnd(const Owners& owners) {
  CheckWhole("at the end");
  for (const auto& [address, owner] : owners) {
    if (hosts_[static_cast<size_t>(owner.unit)].serving()) continue;
    course_.Fail(
        "V6", absl::StrCat("at the end unit ", owner.unit, " has ",
                           address.second.ToString(), " and does not serve"));
  }
  if (sessions_.longest_wait(course_.now()) > kStuck) {
    course_.Fail("V6", "at the end a session is not answered");
  }
}

}  // namespace ballast::sim
