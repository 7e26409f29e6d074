#include "ha/carp_node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr absl::Duration kAnnounceAgainAfter = absl::Milliseconds(1500);  // C10
constexpr int kAnnounceAgainAdverts = 2;  // C4, and C2's third advert.
constexpr uint8_t kCannotSendSkew = 240;  // C8
constexpr int kSendRun = 3;               // C8

// Whole microseconds, as all implementations count.
absl::Duration SkewTime(uint8_t skew) {
  return absl::Microseconds(int64_t{skew} * 1'000'000 / 256);
}

absl::Duration Interval(uint8_t base, uint8_t skew) {
  return absl::Seconds(base) + SkewTime(skew);
}

// C3. Of IPv6, which ucarp does not speak, the ordinary order.
bool IsLowerToUcarp(const Address& a, const Address& b) {
  if (!a.is_v4() || !b.is_v4()) return a < b;
  return __builtin_bswap32(a.v4_bits()) < __builtin_bswap32(b.v4_bits());
}

}  // namespace

const char* CarpRoleName(CarpRole role) {
  switch (role) {
    case CarpRole::kInit:
      return "init";
    case CarpRole::kBackup:
      return "backup";
    case CarpRole::kMaster:
      return "master";
  }
  return "?";
}

const char* CarpReasonName(CarpReason reason) {
  switch (reason) {
    case CarpReason::kStarted:
      return "started";
    case CarpReason::kMasterSilent:
      return "master_silent";
    case CarpReason::kMasterTooSlow:
      return "master_too_slow";
    case CarpReason::kPreempted:
      return "preempted";
    case CarpReason::kMasterDemoted:
      return "master_demoted";
    case CarpReason::kFasterPeer:
      return "faster_peer";
    case CarpReason::kTieLost:
      return "tie_lost";
    case CarpReason::kSwitchover:
      return "switchover";
    case CarpReason::kLeft:
      return "left";
    case CarpReason::kNotScheduled:
      return "not_scheduled";
    case CarpReason::kNotUsable:
      return "not_usable";
  }
  return "?";
}

absl::Status CarpNode::Validate(const Options& options) {
  if (options.advskew == 255) {
    return absl::InvalidArgumentError(
        "CARP advskew: 255, must be 0..254; 255 says that a unit leaves");
  }
  if (options.advbase == 0 && options.advskew == 0) {
    return absl::InvalidArgumentError(
        "CARP advbase and advskew: both 0, must be an interval");
  }
  if (options.dead_ratio == 0) {
    return absl::InvalidArgumentError("CARP dead ratio: 0, must be 1..255");
  }
  if (options.initial_wait < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "CARP initial wait: ", absl::FormatDuration(options.initial_wait),
        ", must not be negative"));
  }
  if (options.manner == CarpManner::kUcarp && options.source.is_unspecified()) {
    return absl::InvalidArgumentError(
        "CARP source: none, but ucarp's tie-break needs this unit's address");
  }
  return absl::OkStatus();
}

CarpNode::CarpNode(const Options& options, Instant now)
    : options_(options),
      preempts_(options.preempt != CarpPreempt::kOff),
      last_step_(now),
      hold_until_(now + options.initial_wait) {
  BALLAST_CHECK(Validate(options).ok());
  if (!options_.usable) return;
  role_ = CarpRole::kBackup;
  Wait(now);
}

absl::Duration CarpNode::interval() const {
  return Interval(options_.advbase, options_.advskew);
}

absl::Duration CarpNode::master_down_time() const {
  // OpenBSD multiplies the skew if there is nothing else.
  if (options_.advbase == 0 && options_.manner == CarpManner::kOpenBsd) {
    return options_.dead_ratio * SkewTime(options_.advskew);
  }
  return options_.dead_ratio * absl::Seconds(options_.advbase) +
         SkewTime(options_.advskew);
}

Instant CarpNode::deadline() const { return std::min(deadline_, announce_at_); }

CarpAdvert CarpNode::MakeAdvert(CarpAction action, uint64_t counter) const {
  CarpAdvert advert{.counter = counter};
  if (action == CarpAction::kSendBowOut) {
    advert.advbase = advert.advskew = kCarpBowOut;
    return advert;
  }
  advert.advbase = options_.advbase;
  advert.advskew = cannot_send_ ? std::max(options_.advskew, kCannotSendSkew)
                                : options_.advskew;
  return advert;
}

CarpActions CarpNode::Step(Instant now, const CarpEvent& event) {
  BALLAST_CHECK(now >= last_step_);  // A clock that runs back is our bug.
  last_step_ = now;
  CarpActions actions;
  if (LateByTooMuch(now)) {  // C9
    if (role_ == CarpRole::kMaster) {
      Drop(now, CarpRole::kBackup, CarpReason::kNotScheduled, actions);
    } else {
      Wait(now);
    }
  }
  if (const auto* heard = std::get_if<CarpHeard>(&event)) {
    OnHeard(now, *heard, actions);
  } else if (const auto* usable = std::get_if<CarpUsable>(&event)) {
    OnUsable(now, usable->usable, actions);
  } else if (const auto* sent = std::get_if<CarpSent>(&event)) {
    OnSent(sent->ok);
  } else if (std::holds_alternative<CarpSwitchover>(event)) {
    if (role_ == CarpRole::kMaster) {  // C7
      hold_until_ = now + 2 * master_down_time();
      Drop(now, CarpRole::kBackup, CarpReason::kSwitchover, actions);
      actions.push_back(CarpAction::kSendBowOut);
      preempts_ = false;
    }
  } else if (std::holds_alternative<CarpLeave>(event)) {
    left_ = true;
    OnUsable(now, false, actions);
  } else {
    OnTick(now, actions);
  }
  return actions;
}

absl::Duration CarpNode::patience() const {
  // With a short wait and a long interval, D may be no more than L.
  return std::max(master_down_time(), 2 * interval());
}

Instant CarpNode::lease() const { return last_advert_ + patience(); }

bool CarpNode::LateByTooMuch(Instant now) const {
  switch (role_) {
    case CarpRole::kInit:
      return false;
    case CarpRole::kBackup:
      return now > deadline_ + patience();
    case CarpRole::kMaster:
      return now > lease();
  }
  return false;
}

void CarpNode::OnTick(Instant now, CarpActions& actions) {
  if (now >= announce_at_) {  // C10
    actions.push_back(CarpAction::kAnnounce);
    announce_at_ = Instant::Never();
  }
  if (now < deadline_) return;  // An early tick is harmless.
  if (role_ == CarpRole::kBackup) {
    Take(now, CarpReason::kMasterSilent, actions);  // C1
    return;
  }
  actions.push_back(CarpAction::kSendAdvert);  // C2
  last_advert_ = now;
  deadline_ = now + interval();
  if (adverts_until_announce_ > 0 && --adverts_until_announce_ == 0) {
    actions.push_back(CarpAction::kAnnounce);
  }
}

void CarpNode::OnHeard(Instant now, const CarpHeard& heard,
                       CarpActions& actions) {
  if (role_ == CarpRole::kInit) return;
  hold_until_ = now;
  if (role_ == CarpRole::kMaster) {
    OnHeardAsMaster(now, heard, actions);
  } else {
    OnHeardAsBackup(now, heard, actions);
  }
}

void CarpNode::OnHeardAsMaster(Instant now, const CarpHeard& heard,
                               CarpActions& actions) {
  const absl::Duration own = interval();
  const absl::Duration peer = Interval(heard.advbase, heard.advskew);
  bool yields = peer < own;
  if (peer == own) {
    yields = options_.manner != CarpManner::kUcarp ||
             IsLowerToUcarp(heard.source, options_.source);
  }
  if (options_.manner == CarpManner::kOpenBsd && heard.demotion > 0) {
    yields = false;  // C6
  }
  if (yields) {  // C3
    Drop(now, CarpRole::kBackup,
         peer == own ? CarpReason::kTieLost : CarpReason::kFasterPeer, actions);
    // Not before: the winner announces when it hears this, and by then nobody
    // else may answer for the addresses.
    if (options_.manner == CarpManner::kUcarp) {
      actions.push_back(CarpAction::kSendAdvert);
    }
    return;
  }
  adverts_until_announce_ = kAnnounceAgainAdverts;  // C4
  if (now < weaker_announced_until_) return;
  weaker_announced_until_ = now + own;
  actions.push_back(CarpAction::kAnnounce);
}

void CarpNode::OnHeardAsBackup(Instant now, const CarpHeard& heard,
                               CarpActions& actions) {
  const absl::Duration peer = Interval(heard.advbase, heard.advskew);
  if (options_.manner == CarpManner::kOpenBsd && heard.demotion > 0) {
    Take(now, CarpReason::kMasterDemoted, actions);  // C6
  } else if (master_down_time() < peer &&
             (options_.advbase > 0 ||
              options_.manner != CarpManner::kOpenBsd)) {
    Take(now, CarpReason::kMasterTooSlow, actions);  // C5
  } else if (preempts_ && interval() < peer) {
    Take(now, CarpReason::kPreempted, actions);  // C5
  } else {
    Wait(now);  // C1
  }
}

void CarpNode::OnUsable(Instant now, bool usable, CarpActions& actions) {
  if (!usable || left_) {
    const CarpReason reason =
        left_ ? CarpReason::kLeft : CarpReason::kNotUsable;
    if (role_ == CarpRole::kMaster) {
      Drop(now, CarpRole::kInit, reason, actions);
      actions.push_back(CarpAction::kSendBowOut);  // C7
    }
    role_ = CarpRole::kInit;
    reason_ = reason;
    deadline_ = Instant::Never();
    return;
  }
  if (role_ != CarpRole::kInit) return;
  role_ = CarpRole::kBackup;
  reason_ = CarpReason::kStarted;
  Wait(now);
}

void CarpNode::OnSent(bool ok) {
  // C8. Counted up to where it matters.
  sends_failed_ = ok ? 0 : std::min(sends_failed_ + 1, kSendRun);
  sends_good_ = ok ? std::min(sends_good_ + 1, kSendRun) : 0;
  if (sends_failed_ == kSendRun) cannot_send_ = true;
  if (sends_good_ == kSendRun) cannot_send_ = false;
}

void CarpNode::Take(Instant now, CarpReason reason, CarpActions& actions) {
  role_ = CarpRole::kMaster;
  reason_ = reason;
  ++taken_[static_cast<size_t>(reason)];
  preempts_ = options_.preempt == CarpPreempt::kAlways;
  last_advert_ = now;
  deadline_ = now + interval();
  announce_at_ = now + kAnnounceAgainAfter;
  weaker_announced_until_ = now;
  adverts_until_announce_ = kAnnounceAgainAdverts;
  for (const CarpAction action :
       {CarpAction::kTakeAddresses, CarpAction::kAnnounce,
        CarpAction::kSendAdvert}) {
    actions.push_back(action);
  }
}

void CarpNode::Drop(Instant now, CarpRole role, CarpReason reason,
                    CarpActions& actions) {
  role_ = role;
  reason_ = reason;
  ++dropped_[static_cast<size_t>(reason)];
  announce_at_ = Instant::Never();
  adverts_until_announce_ = 0;
  actions.push_back(CarpAction::kDropAddresses);
  Wait(now);
}

void CarpNode::Wait(Instant now) {
  deadline_ = std::max(now + master_down_time(), hold_until_);
}

}  // namespace ballast::ha
