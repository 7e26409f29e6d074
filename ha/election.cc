#include "ha/election.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr size_t kHistoryMax = 64;
// E2: while a hand-over is under way so many adverts go out fast, so that a
// lost one costs milliseconds and not an interval.
constexpr int kFastAdvertsMax = 50;
// E2: how long a claimant waits for the yielder's last changes. Half of T at
// the most: after T the yielder takes the role back.
constexpr absl::Duration kHandOverWaitMax = absl::Milliseconds(250);
// A switchover that was asked for is given up after T, or this.
constexpr absl::Duration kSwitchoverMin = absl::Seconds(1);

Instant Earlier(Instant a, Instant b) { return a < b ? a : b; }
Instant Later(Instant a, Instant b) { return a < b ? b : a; }

}  // namespace

Election::Election(const Options& options, Instant now)
    : options_(options), now_(now), armed_(options.preferred) {
  if (options.mode == Mode::kNone) {  // H1
    role_ = Role::kSingle;
    reason_ = RoleReason::kNotConfigured;
    stats_.took_role[static_cast<size_t>(reason_)] = 1;
    stats_.active_since = now;
    actions_.push_back(Action::kTakeRole);
    return;
  }
  BALLAST_CHECK(options.interval >= absl::Milliseconds(1));
  BALLAST_CHECK(options.initial_wait >= absl::ZeroDuration());
  BALLAST_CHECK(options.interfaces >= 1 && options.interfaces <= 255);
  link_up_.assign(static_cast<size_t>(options.interfaces), true);
  if (options.pacified) {  // H9, H10
    role_ = Role::kPassive;
    reason_ = RoleReason::kPacified;
  }
  vacancy_.at = now + std::max(options.initial_wait, timeout());  // H4
  SendAdvert();
}

// -- Events -----------------------------------------------------------------

void Election::Begin(Instant now) {
  BALLAST_CHECK(now >= now_);  // A clock that runs back is our bug.
  const Instant due = deadline();
  now_ = now;
  if (role_ == Role::kActive && now >= lease()) {  // E7
    peer_.reset();  // It may have done anything meanwhile.
    Resign(RoleReason::kNotScheduled, Action::kDropRole);
  } else if (listening() && due != Instant::Never() &&
             now - due >= options_.interval) {
    held_until_ = Later(held_until_, now + options_.interval);
  }
  if (peer_ && now >= heard_until_) ForgetPeer();  // E1
}

void Election::OnAdvert(Instant now, int /*interface*/, const Advert& advert) {
  Begin(now);
  ++stats_.adverts_heard;
  if (role_ == Role::kSingle || role_ == Role::kLeaving) return;
  if (advert.role == Role::kActive) {
    if (now < deaf_until_) return Settle();
  } else {
    deaf_until_ = Instant();
  }
  const bool was_active = PeerActive();
  peer_ = advert;
  heard_until_ = now + 3 * advert.interval;
  if (PeerMismatched()) {  // E9
    hand_over_.reset();
    give_by_ = Instant::Never();
    vacancy_.at = Later(vacancy_.at, heard_until_);
  } else if (role_ == Role::kActive) {
    OnAdvertWhileActive(std::exchange(split_, false));
  } else if (listening()) {
    peer_takeovers_ = advert.takeovers;
    peer_served_ = advert.role == Role::kActive;
    OnAdvertWhileListening(was_active);
  }
  Settle();
}

void Election::OnAdvertWhileActive(bool was_split) {
  if (peer_->role == Role::kActive) {
    if (leaving()) return;  // SettleActive() is glad of it.
    if (!PeerAhead()) {     // E5: this one stays; the other must hear so.
      split_ = true;
      return Answer();
    }
    if (give_by_ != Instant::Never()) return;
    if (!options_.syncs || !peer_->Has(kSyncs)) {
      return Resign(RoleReason::kSplitHealed, Action::kDropRole);
    }
    actions_.push_back(Action::kGiveTable);
    give_by_ = now_ + timeout();
    return;
  }
  give_by_ = Instant::Never();
  // Its active adverts may all have been lost; its announcements were not.
  const bool took =
      std::exchange(peer_takeovers_, peer_->takeovers) != peer_->takeovers;
  const bool served = std::exchange(peer_served_, false);
  if (was_split || took || served) actions_.push_back(Action::kReannounce);
  if (peer_->role == Role::kBooting || peer_->Has(kYielded)) Answer();
  // E2
  if (peer_->Has(kClaimsRole) && (peer_->Has(kPreferred) || Offers()) &&
      (!options_.syncs || peer_->Has(kComplete)) && PeerMayTakeOver()) {
    const RoleReason reason = leaving()      ? RoleReason::kEnding
                              : LinkOffers() ? RoleReason::kLinkDown
                                             : RoleReason::kYielded;
    Resign(reason, Action::kYield);
  }
}

void Election::OnAdvertWhileListening(bool was_active) {
  if (peer_->role == Role::kActive) {
    vacancy_ = {heard_until_, RoleReason::kPeerSilent};  // H5, H6
    hand_over_.reset();
    yielded_ = false;
    followed_ = true;
    served_last_ = false;
    if (role_ == Role::kBooting) {  // H2
      ChangeRole(Role::kStandby, RoleReason::kPeerActive);
      SendAdvert();
    }
    return;
  }
  if (peer_->role == Role::kStandby && peer_->Has(kYielded) && !yielded_) {
    // A booting unit was not the claimant: what was yielded comes back (E2).
    if (role_ != Role::kStandby) return;
    const Instant at_latest =
        hand_over_ ? hand_over_->at_latest
                   : now_ + std::min(timeout() / 2, kHandOverWaitMax);
    hand_over_ = HandOver{peer_->sync_position, at_latest};
    return;
  }
  const bool claimant_gone = yielded_ && peer_->role != Role::kStandby;
  if (was_active || hand_over_ || claimant_gone) Free(RoleReason::kPeerLeft);
}

void Election::OnPeerStarted(Instant now) {
  Begin(now);
  if (role_ == Role::kActive) actions_.push_back(Action::kReannounce);
  Settle();
}

void Election::OnLink(Instant now, int interface, bool up) {
  Begin(now);
  if (role_ == Role::kSingle) return;
  BALLAST_CHECK(interface >= 0 && interface < options_.interfaces);
  // E10: what it did not hear while it was deaf, it must listen for.
  if (up && LinksUp() == 0) {
    held_until_ = Later(held_until_, now + timeout());
  }
  link_up_[static_cast<size_t>(interface)] = up;
  Settle();
}

void Election::OnLinkLost(Instant now) {
  Begin(now);
  // With a preferred unit the two could go on swapping roles for ever.
  if (options_.reboot_on_link_failure && !options_.preferred && !rebooted_ &&
      (role_ == Role::kActive || role_ == Role::kStandby)) {
    rebooted_ = true;
    actions_.push_back(Action::kReboot);
  }
  Settle();
}

void Election::OnPeerDied(Instant now) {
  Begin(now);
  if (peer_) {
    const bool successor = PeerActive() || hand_over_ || yielded_;
    deaf_until_ = now + 3 * peer_->interval;
    peer_served_ = false;
    ForgetPeer();
    if (listening() && successor) Free(RoleReason::kPeerDied);
  }
  Settle();
}

void Election::OnSync(Instant now, bool complete, uint64_t position) {
  Begin(now);
  if (listening()) {
    complete_ = complete;
    position_ = position;
  }
  Settle();
}

void Election::OnTableGiven(Instant now, bool /*complete*/) {
  Begin(now);
  if (role_ == Role::kActive && give_by_ != Instant::Never()) {
    Resign(RoleReason::kSplitHealed, Action::kDropRole);
  }
  Settle();
}

absl::Status Election::RequestSwitchover(Instant now) {
  Begin(now);
  Settle();
  if (role_ != Role::kActive) {
    return absl::FailedPreconditionError(
        absl::StrCat("switchover: this unit is ", RoleName(role_),
                     PeerActive() ? "; its partner is active" : ""));
  }
  if (!peer_) {
    return absl::FailedPreconditionError(
        "switchover: the partner is not heard");
  }
  if (PeerMismatched()) {
    return absl::FailedPreconditionError(
        absl::StrCat("switchover: ", mismatch(now)));
  }
  if (peer_->role != Role::kStandby) {
    return absl::FailedPreconditionError(absl::StrCat(
        "switchover: the partner is ", RoleName(peer_->role), ", not standby"));
  }
  if (options_.syncs && !peer_->Has(kComplete)) {
    return absl::FailedPreconditionError(
        "switchover: the partner does not have all connections yet");
  }
  if (peer_->interfaces_up < peer_->interfaces || !PeerMayTakeOver()) {
    return absl::FailedPreconditionError(
        absl::StrCat("switchover: the partner has ", peer_->interfaces_up,
                     " of ", peer_->interfaces, " HA interfaces up"));
  }
  offer_until_ = now + std::max(timeout(), kSwitchoverMin);
  Settle();
  return absl::OkStatus();
}

void Election::Leave(Instant now, absl::Duration patience) {
  Begin(now);
  leave_by_ = Earlier(leave_by_, now + patience);
  if (role_ != Role::kActive && role_ != Role::kLeaving && !yielded_) {
    GoLeaving();
  }
  Settle();
}

void Election::StepDown(Instant now, RoleReason reason) {
  Begin(now);
  if (role_ == Role::kActive) Resign(reason, Action::kDropRole);
  if (listening()) held_until_ = Later(held_until_, now + timeout());
  Settle();
}

void Election::Tick(Instant now) {
  Begin(now);
  Settle();
}

// -- What time brings -------------------------------------------------------

void Election::Settle() {
  if (options_.mode == Mode::kNone) return;
  if (role_ == Role::kActive) {
    SettleActive();
  } else if (listening()) {
    SettleListening();
  }
  const bool urgent = Urgent();
  if (urgent && !std::exchange(urgent_, urgent)) {
    fast_left_ = kFastAdvertsMax;
    SendAdvert();
  }
  urgent_ = urgent;
  if (now_ >= next_advert_) SendAdvert();  // E1
}

void Election::SettleActive() {
  if (leaving() && (PeerActive() || !PeerMayTakeOver() || now_ >= leave_by_)) {
    return GoLeaving();
  }
  if (now_ >= give_by_) Resign(RoleReason::kSplitHealed, Action::kDropRole);
}

void Election::SettleListening() {
  if (leaving()) {
    if (!yielded_ || now_ >= leave_by_) GoLeaving();
    return;
  }
  if (PeerMismatched()) return;  // E9
  if (hand_over_) {
    if (now_ >= TakeAt()) Take(RoleReason::kHandedOver, !HandOverApplied());
  } else if (now_ >= TakeAt()) {
    Take(vacancy_.reason, false);
  }
}

// A split that ends because the peer is gone leaves addresses announced twice,
// as one that heals does.
void Election::ForgetPeer() {
  peer_.reset();
  give_by_ = Instant::Never();
  if (std::exchange(split_, false)) actions_.push_back(Action::kReannounce);
}

// -- Changes ----------------------------------------------------------------

void Election::Take(RoleReason reason, bool incomplete) {
  incomplete |= options_.syncs && followed_ && !complete_;
  if (incomplete) ++stats_.took_over_incomplete;
  armed_ = false;  // E8
  ++takeovers_;
  yielded_ = followed_ = served_last_ = false;
  hand_over_.reset();
  offer_until_ = Instant();
  actions_.push_back(Action::kTakeRole);
  ChangeRole(Role::kActive, reason, incomplete);
  SendAdvert();
}

void Election::Resign(RoleReason reason, Action action) {
  actions_.push_back(action);
  yielded_ = action == Action::kYield;
  urgent_ = false;  // Yielding deserves its own fast adverts.
  give_by_ = Instant::Never();
  split_ = complete_ = false;
  position_ = 0;
  followed_ = PeerActive();
  served_last_ = !followed_ && !yielded_;
  if (followed_) {
    vacancy_ = {heard_until_, RoleReason::kPeerSilent};
  } else {
    vacancy_ = {now_ + timeout(),
                yielded_ ? RoleReason::kPeerSilent : RoleReason::kNobodyHeard};
  }
  ChangeRole(Role::kStandby, reason);
  SendAdvert();
}

void Election::GoLeaving() {
  if (role_ == Role::kActive) {
    // Somebody may succeed: he gets the last changes too.
    actions_.push_back(peer_ ? Action::kYield : Action::kDropRole);
  } else if (role_ == Role::kSingle) {
    actions_.push_back(Action::kDropRole);
  }
  yielded_ = false;
  urgent_ = false;
  ChangeRole(Role::kLeaving, RoleReason::kEnding);
  if (options_.mode != Mode::kNone) SendAdvert();
}

void Election::ChangeRole(Role to, RoleReason reason, bool incomplete) {
  if (history_.size() == kHistoryMax) history_.erase(history_.begin());
  history_.push_back({now_, role_, to, reason, incomplete});
  ++changes_;
  const auto index = static_cast<size_t>(reason);
  if (to == Role::kActive) {
    ++stats_.took_role[index];
    stats_.active_since = now_;
  } else if (role_ == Role::kActive || role_ == Role::kSingle) {
    ++stats_.dropped_role[index];
    stats_.active_since = Instant();
  }
  role_ = to;
  reason_ = reason;
}

// E3: the role is free now.
void Election::Free(RoleReason reason) {
  hand_over_.reset();
  vacancy_ = {now_, reason, /*at_once=*/true};
}

void Election::SendAdvert() {
  const bool fast = urgent_ && fast_left_ > 0;
  if (fast) --fast_left_;
  last_advert_ = now_;
  next_advert_ = now_ + (fast ? FastInterval() : options_.interval);
  if (actions_.empty() || actions_.back() != Action::kSendAdvert) {
    actions_.push_back(Action::kSendAdvert);
  }
}

// The peer shows that it does not know this unit's state: it is told at once,
// but not more often than a hand-over's adverts come.
void Election::Answer() {
  if (now_ - last_advert_ >= FastInterval()) SendAdvert();
}

std::vector<Action> Election::TakeActions() {
  return std::exchange(actions_, {});
}

}  // namespace ballast::ha
