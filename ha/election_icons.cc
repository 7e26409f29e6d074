// What an election shows to people: texts, the status page's icons (§2.1 of the
// behaviour document), and what is wrong with the pairing.
#include <string>

#include "absl/strings/str_cat.h"
#include "ha/election.h"

namespace ballast::ha {
namespace {

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kNone:
      return "none";
    case Mode::kFirst:
      return "First";
    case Mode::kSecond:
      return "Second";
  }
  return "unknown";
}

std::string SharedText(const Address& shared) {
  return shared.is_unspecified() ? "none" : shared.ToString();
}

}  // namespace

const char* RoleReasonText(RoleReason reason) {
  switch (reason) {
    case RoleReason::kStarted:
      return "started";
    case RoleReason::kNotConfigured:
      return "HA not configured";
    case RoleReason::kPeerActive:
      return "the partner is active";
    case RoleReason::kNobodyHeard:
      return "no active partner heard";
    case RoleReason::kPeerSilent:
      return "the partner fell silent";
    case RoleReason::kPeerDied:
      return "the partner's process ended";
    case RoleReason::kPeerLeft:
      return "the partner left the role";
    case RoleReason::kHandedOver:
      return "the partner handed the role over";
    case RoleReason::kYielded:
      return "yielded to the partner";
    case RoleReason::kSplitHealed:
      return "both were active, the partner stays";
    case RoleReason::kLinkDown:
      return "an HA interface is down";
    case RoleReason::kNotScheduled:
      return "was not scheduled for the takeover time";
    case RoleReason::kPacified:
      return "pacified: restarted too often";
    case RoleReason::kPacketThreadHung:
      return "a packet thread hung";
    case RoleReason::kEnding:
      return "shutting down";
  }
  return "unknown";
}

const char* IconName(Icon icon) {
  switch (icon) {
    case Icon::kNone:
      return "";
    case Icon::kGreenA:
      return "green_a";
    case Icon::kGreen:
      return "green";
    case Icon::kRed:
      return "red";
    case Icon::kBlue:
      return "blue";
    case Icon::kGrey:
      return "grey";
  }
  return "";
}

const Advert* Election::peer(Instant now) const {
  return peer_ && now < heard_until_ ? &*peer_ : nullptr;
}

std::string Election::mismatch(Instant now) const {
  const Advert* const heard = peer(now);
  if (heard == nullptr) return "";
  if (heard->mode == options_.mode) {
    return absl::StrCat("both units are set to ", ModeName(options_.mode));
  }
  if (heard->mode == Mode::kNone) return "the partner's HA mode is none";
  if (heard->shared != options_.shared) {
    return absl::StrCat("the shared address is ", SharedText(options_.shared),
                        " here and ", SharedText(heard->shared),
                        " on the partner");
  }
  return "";
}

IconText Election::own_icon(Instant now) const {
  if (role_ == Role::kSingle) {
    return {Icon::kNone, RoleReasonText(RoleReason::kNotConfigured)};
  }
  if (role_ == Role::kPassive) return {Icon::kBlue, RoleReasonText(reason_)};
  const Advert* const heard = peer(now);
  if (role_ == Role::kActive && heard != nullptr &&
      heard->role == Role::kActive) {
    return {Icon::kGrey, "both units are active"};
  }
  if (role_ == Role::kLeaving) return {Icon::kRed, RoleReasonText(reason_)};
  std::string wrong = mismatch(now);
  if (!wrong.empty()) return {Icon::kRed, std::move(wrong)};
  if (role_ == Role::kActive) {
    return {Icon::kGreenA, absl::StrCat("active: ", RoleReasonText(reason_))};
  }
  return {Icon::kGreen,
          absl::StrCat(RoleName(role_), ": ", RoleReasonText(reason_))};
}

IconText Election::peer_icon(Instant now) const {
  if (options_.mode == Mode::kNone) {
    return {Icon::kNone, RoleReasonText(RoleReason::kNotConfigured)};
  }
  const Advert* const heard = peer(now);
  if (heard == nullptr) return {Icon::kRed, "not heard"};
  if (heard->role == Role::kPassive) {
    const auto reason = static_cast<RoleReason>(heard->passive_reason);
    return {Icon::kBlue, RoleReasonText(reason)};
  }
  if (role_ == Role::kActive && heard->role == Role::kActive) {
    return {Icon::kGrey, "both units are active"};
  }
  std::string wrong = mismatch(now);
  if (!wrong.empty()) return {Icon::kRed, std::move(wrong)};
  if (heard->role == Role::kLeaving) {
    return {Icon::kRed, RoleReasonText(RoleReason::kEnding)};
  }
  if (heard->role == Role::kActive) return {Icon::kGreenA, "active"};
  return {Icon::kGreen, RoleName(heard->role)};
}

}  // namespace ballast::ha
