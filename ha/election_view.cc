// What an election concludes from what it knows: who is ahead, who may take
// over and when, and what is said of it in adverts. Changes nothing.
#include <algorithm>

#include "ha/election.h"

namespace ballast::ha {
namespace {

constexpr absl::Duration kFastInterval = absl::Milliseconds(10);

Instant Earlier(Instant a, Instant b) { return a < b ? a : b; }
Instant Later(Instant a, Instant b) { return a < b ? b : a; }

}  // namespace

// -- Judgements -------------------------------------------------------------

bool Election::PeerActive() const {
  return peer_ && peer_->role == Role::kActive && !PeerMismatched();
}

bool Election::PeerMismatched() const {
  return peer_ && (peer_->mode == options_.mode || peer_->mode == Mode::kNone ||
                   peer_->shared != options_.shared);
}

// E4, E5: of two that are equal in all else.
bool Election::PeerAhead() const {
  if (peer_->Has(kPreferred) != options_.preferred) return !options_.preferred;
  return peer_->mode == Mode::kFirst;
}

// E11, E4
bool Election::PeerTakesFirst() const {
  if (peer_->Has(kServedLast) != served_last_) return !served_last_;
  return PeerAhead();
}

// Whether it could come to take the role from this unit by hand-over.
bool Election::PeerMayTakeOver() const {
  return peer_ && !PeerMismatched() && peer_->role != Role::kPassive &&
         peer_->role != Role::kLeaving && peer_->interfaces_up >= LinksUp();
}

// E6
bool Election::LinkOffers() const {
  return role_ == Role::kActive && LinksUp() < options_.interfaces && peer_ &&
         peer_->interfaces_up == peer_->interfaces;
}

bool Election::Offers() const {
  return role_ == Role::kActive && PeerMayTakeOver() &&
         peer_->role == Role::kStandby &&
         (leaving() || now_ < offer_until_ || LinkOffers());
}

bool Election::Claims() const {
  return role_ == Role::kStandby && !leaving() && now_ >= held_until_ &&
         PeerActive() && (armed_ || peer_->Has(kOffersRole)) &&
         (complete_ || !options_.syncs || !peer_->Has(kSyncs)) &&
         LinksUp() >= peer_->interfaces_up;
}

bool Election::Urgent() const {
  return yielded_ || role_ == Role::kLeaving || Offers() || Claims();
}

int Election::LinksUp() const {
  return static_cast<int>(std::count(link_up_.begin(), link_up_.end(), true));
}

bool Election::Deaf() const {
  return role_ == Role::kStandby && LinksUp() == 0;
}

bool Election::HandOverApplied() const {
  return !options_.syncs || position_ >= hand_over_->position;
}

Instant Election::TakeAt() const {
  if (hand_over_) {
    return HandOverApplied() ? held_until_
                             : Later(hand_over_->at_latest, held_until_);
  }
  if (Deaf() && !vacancy_.at_once) return Instant::Never();  // E10
  const Instant free = Later(vacancy_.at, held_until_);
  if (vacancy_.at_once || !peer_) return free;
  // E4. A unit that yielded lets the one it yielded to go first; any other
  // that could take over, the one ahead.
  const bool defers =
      yielded_ ? peer_->role == Role::kStandby
               : PeerTakesFirst() && (peer_->role == Role::kStandby ||
                                      peer_->role == Role::kBooting);
  // (Should it fall silent before that: there is no peer then.)
  return defers ? free + timeout() : free;
}

absl::Duration Election::FastInterval() const {
  return std::min(kFastInterval, options_.interval);
}

// -- Outcome ----------------------------------------------------------------

Instant Election::deadline() const {
  if (options_.mode == Mode::kNone) return Instant::Never();
  Instant at = next_advert_;
  if (role_ == Role::kLeaving) return at;
  if (peer_) at = Earlier(at, heard_until_);
  if (role_ == Role::kPassive) return at;
  at = Earlier(at, leave_by_);
  if (role_ == Role::kActive) return Earlier(at, give_by_);
  if (leaving() || PeerMismatched()) return at;
  return Earlier(at, TakeAt());
}

Instant Election::lease() const {
  if (role_ == Role::kSingle) return Instant::Never();
  return role_ == Role::kActive ? last_advert_ + timeout() : Instant();
}

Advert Election::MakeAdvert() const {
  Advert advert;
  advert.mode = options_.mode;
  advert.role = role_;
  const auto set = [&advert](bool when, AdvertFlag flag) {
    if (when) advert.flags |= flag;
  };
  set(options_.preferred, kPreferred);
  set(options_.syncs, kSyncs);
  set(role_ == Role::kStandby && complete_, kComplete);
  set(Claims(), kClaimsRole);
  set(Offers(), kOffersRole);
  set(yielded_, kYielded);
  set(served_last_, kServedLast);
  advert.interval = options_.interval;
  advert.shared = options_.shared;
  advert.interfaces_up = static_cast<uint8_t>(LinksUp());
  advert.interfaces = static_cast<uint8_t>(options_.interfaces);
  advert.takeovers = takeovers_;
  if (role_ == Role::kPassive) {
    advert.passive_reason = static_cast<uint8_t>(reason_);
  }
  return advert;
}

}  // namespace ballast::ha
