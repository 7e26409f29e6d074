// Which unit of a pair is active: the election between two Ballast units, whose
// adverts are sealed, as a pure state machine. (With foreign units the election
// is CARP's own: carp_node.h.)
//
// Events go in with the time; what is to be done comes out as actions, in
// order. The owner authenticates adverts, sends one on every HA check interface
// when asked to, and calls Tick() at deadline().
//
//   Election election(options, now);
//   election.OnAdvert(now, interface, advert);
//   for (const Action action : election.TakeActions()) ...
//
// Rules    H1..H16 of the LoadMaster behaviour document §2.3, and ours:
//   E1  a unit adverts every interval in every role; a peer is heard for three
//       of the intervals it states (so T = 3 intervals), on any interface
//   E2  while it is heard, the role is taken from an active peer only by
//       hand-over: the claimant says kClaimsRole with kComplete, the active one
//       stops, then says kYielded with its final position, and the claimant is
//       active once it has applied that, or after 250 ms or T/2 without it,
//       the shorter. Claims are made by a preferred unit that is armed, and by
//       one that is offered the role, with no fewer HA interfaces up than the
//       active one; only they are answered. A yielder that hears no successor
//       takes the role back: after T, or 2 T while it hears the claimant
//   E3  a peer that is silent, died, left, or says it is not active any more is
//       succeeded at once, complete or not; `incomplete` is counted
//   E4  two that listen: the preferred one first, else First; the other waits
//       one more takeover time
//   E5  two that are active: the preferred one stays, else First (H7, H8). The
//       other hands its table over, for T at the most, and then yields; then
//       the one that stays announces its addresses again. It learns of a
//       takeover whose adverts it did not hear by their count in later ones;
//       what a partner did before it started anew is not known: so then, too
//   E6  an active unit with an HA interface down offers the role to a peer that
//       has all of its up
//   E7  a unit that was not called for T or longer while active is standby
//       before anything else. One that listens and is called an interval or
//       more after its deadline() listens one interval more: what the partner
//       said meanwhile waits in its socket
//   E8  preference is armed at boot, spent by the first takeover, and dropped
//       by a planned switchover on either unit
//   E9  a peer of the same mode, or of another shared address: no takeover, no
//       sync while it is heard (H14); roles stay
//   E10 a standby none of whose HA interfaces has carrier is deaf: it takes no
//     role because of silence, and listens for T when it hears again. (One that
//     boots so is alone for all it knows: H4.)
//   E11 a unit that had to drop the role (E7) and has heard of no successor
//     says kServedLast: it has the table. Of two that listen it comes first,
//     whatever E4 says
//
// Threads  one.
#ifndef HA_ELECTION_H_
#define HA_ELECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::ha {

// Why a role changed, or why a unit stays out.
enum class RoleReason : uint8_t {
  kStarted,
  kNotConfigured,     // H1: mode none.
  kPeerActive,        // H2.
  kNobodyHeard,       // H4.
  kPeerSilent,        // H5.
  kPeerDied,          // Its process ended: the pair's stream closed.
  kPeerLeft,          // It said so, or that it is not active any more.
  kHandedOver,        // E2, to this unit.
  kYielded,           // E2, by this unit; by preference (H3) or command.
  kSplitHealed,       // E5, by this unit.
  kLinkDown,          // E6 by hand-over, H13 by reboot.
  kNotScheduled,      // E7.
  kPacified,          // H9, H10.
  kPacketThreadHung,  // A packet thread missed its heartbeat.
  kEnding,            // Shutdown.
};
inline constexpr size_t kRoleReasonCount = 15;
const char* RoleReasonText(RoleReason reason);

enum class Action : uint8_t {
  kSendAdvert,  // On every HA check interface, now: MakeAdvert().
  kTakeRole,    // Serve: own the floating addresses, announce them at once.
  kDropRole,    // Serve no more.
  kYield,       // kDropRole, then tell all changes: the position that follows
                // is final. A kSendAdvert comes next.
  kGiveTable,   // E5: hand the table over, then OnTableGiven().
  kReannounce,  // Announce the floating addresses again.
  kReboot,      // H13.
};

struct RoleChange {
  Instant when;
  Role from{};
  Role to{};
  RoleReason reason{};
  bool incomplete = false;  // Took over without having everything.
};

// §2.1: what the status page shows for a unit.
enum class Icon : uint8_t { kNone, kGreenA, kGreen, kRed, kBlue, kGrey };
// "green_a"; empty for kNone.
const char* IconName(Icon icon);
struct IconText {
  Icon icon{};
  std::string reason;
};

class Election {
 public:
  struct Options {
    Mode mode = Mode::kNone;
    // E1: a third of the HA timeout, or less between units that both can.
    absl::Duration interval = absl::Seconds(3);
    absl::Duration initial_wait = absl::ZeroDuration();  // H4: W.
    bool preferred = false;
    // Connections are replicated: the role moves from a unit that is heard only
    // with kComplete.
    bool syncs = false;
    Address shared;      // Unspecified: none.
    int interfaces = 1;  // HA check interfaces, up at the start.
    bool reboot_on_link_failure = false;
    bool pacified = false;
  };

  Election(const Options& options, Instant now);

  // -- Events ---------------------------------------------------------------
  // An advert of the partner that PeerSession accepted, and that was sent after
  // every one given here before (by its sequence: an older one says what is no
  // longer so, and is dropped by the owner).
  void OnAdvert(Instant now, int interface, const Advert& advert);
  // Another start of the partner has proven itself; its advert follows.
  void OnPeerStarted(Instant now);
  // Carrier of an HA check interface.
  void OnLink(Instant now, int interface, bool up);
  // H13: any configured interface, for HA checks or not, has lost its carrier.
  void OnLinkLost(Instant now);
  // The pair's stream ended and the peer's host refuses another one. What it
  // said while it was active, and arrives late, is not believed for T.
  void OnPeerDied(Instant now);
  // This unit's table against the active unit's: complete, and applied so far.
  // Called at each change; forgotten when this unit becomes active or ceases.
  void OnSync(Instant now, bool complete, uint64_t position);
  // kGiveTable was done, or could not be.
  void OnTableGiven(Instant now, bool complete);
  // Active: the partner is to take the role.
  //   kFailedPrecondition  not active (says who is), or the partner is not
  //                        there, not complete, or has a link down
  absl::Status RequestSwitchover(Instant now);
  // This unit ends: an active one offers the role first. Done when
  // role() == kLeaving, at the latest after `patience`.
  void Leave(Instant now, absl::Duration patience);
  // The owner cannot serve (a packet thread hangs): drops the role, and takes
  // none within T of the last call, so it is called again while that lasts. A
  // single unit serves on: nobody else would.
  void StepDown(Instant now, RoleReason reason);
  // At deadline(), or any time.
  void Tick(Instant now);

  // -- Outcome --------------------------------------------------------------
  std::vector<Action> TakeActions();
  Instant deadline() const;

  // Until when this unit may serve without being called again (E7): the packet
  // threads forward nothing from then on, and so nothing that was queued while
  // the process was stopped. Instant(): not active. Never(): single.
  Instant lease() const;

  Role role() const { return role_; }
  RoleReason reason() const { return reason_; }
  // What this unit's advert says at the time of the last call; the owner fills
  // in generation, position and challenges.
  Advert MakeAdvert() const;
  absl::Duration timeout() const { return 3 * options_.interval; }

  // The last advert of the partner, if it is still heard.
  const Advert* peer(Instant now) const;
  // Of this unit and of its partner, as this unit sees them (§2.1).
  IconText own_icon(Instant now) const;
  IconText peer_icon(Instant now) const;
  // H14 and its like: what is wrong with the pairing; empty: nothing.
  std::string mismatch(Instant now) const;

  // Counted since the start.
  struct Stats {
    std::array<uint64_t, kRoleReasonCount> took_role{};  // By reason.
    std::array<uint64_t, kRoleReasonCount> dropped_role{};
    uint64_t took_over_incomplete = 0;
    uint64_t adverts_heard = 0;
    Instant active_since;  // 0 while not active.
  };
  const Stats& stats() const { return stats_; }
  // The last 64 changes, oldest first.
  const std::vector<RoleChange>& history() const { return history_; }
  // How many there were.
  uint64_t changes() const { return changes_; }

 private:
  // E1: until when the role must be left alone, and why it is free then.
  struct Vacancy {
    Instant at;
    RoleReason reason = RoleReason::kNobodyHeard;
    bool at_once = false;  // E3: E4's deferral is not for this.
  };
  // E2: the active unit yielded to this one.
  struct HandOver {
    uint64_t position = 0;
    Instant at_latest;
  };

  // Every entry point begins and ends with these.
  void Begin(Instant now);
  void Settle();

  void OnAdvertWhileActive(bool was_split);
  void OnAdvertWhileListening(bool was_active);
  void SettleActive();
  void SettleListening();
  void ForgetPeer();

  void Take(RoleReason reason, bool incomplete);
  void Resign(RoleReason reason, Action action);
  void GoLeaving();
  void ChangeRole(Role to, RoleReason reason, bool incomplete = false);
  void SendAdvert();
  void Answer();
  void Free(RoleReason reason);

  bool listening() const {
    return role_ == Role::kBooting || role_ == Role::kStandby;
  }
  bool leaving() const { return leave_by_ != Instant::Never(); }
  bool PeerActive() const;
  bool PeerMismatched() const;
  bool PeerAhead() const;
  bool PeerTakesFirst() const;
  bool PeerMayTakeOver() const;
  bool LinkOffers() const;
  bool Offers() const;
  bool Claims() const;
  bool Urgent() const;
  int LinksUp() const;
  bool Deaf() const;
  bool HandOverApplied() const;
  Instant TakeAt() const;
  absl::Duration FastInterval() const;

  Options options_;
  Role role_ = Role::kBooting;
  RoleReason reason_ = RoleReason::kStarted;
  Stats stats_;
  std::vector<RoleChange> history_;
  uint64_t changes_ = 0;
  std::vector<Action> actions_;

  Instant now_;  // Of the last call.
  std::vector<bool> link_up_;

  // The partner. Everything here is of the last advert, while it counts.
  std::optional<Advert> peer_;
  Instant heard_until_;
  Instant deaf_until_;  // OnPeerDied(): till then it cannot be active.
  // E5, kept while it is not heard: its takeovers when this unit last knew who
  // serves, and whether it was the peer then.
  uint8_t peer_takeovers_ = 0;
  bool peer_served_ = false;

  // Not active.
  Vacancy vacancy_;
  Instant held_until_;  // No role before, whatever happens.
  std::optional<HandOver> hand_over_;
  bool yielded_ = false;   // E2, and the claimant was not heard active yet.
  bool followed_ = false;  // There was an active unit with something to tell.
  bool served_last_ = false;  // E11
  bool complete_ = false;
  uint64_t position_ = 0;
  bool armed_ = false;     // E8.
  uint8_t takeovers_ = 0;  // Modulo 256.

  // Active.
  Instant offer_until_;                  // A switchover was asked for.
  Instant give_by_ = Instant::Never();   // E5: this unit is to yield.
  bool split_ = false;                   // E5: the peer is to yield.
  Instant leave_by_ = Instant::Never();  // Leave() was called.

  // Adverts.
  Instant last_advert_;
  Instant next_advert_;
  int fast_left_ = 0;
  bool urgent_ = false;
  bool rebooted_ = false;
};

}  // namespace ballast::ha

#endif  // HA_ELECTION_H_
