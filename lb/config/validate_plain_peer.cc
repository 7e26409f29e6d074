#include "lb/config/validate_plain_peer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lb/config/validate_service.h"

namespace ballast::config {
namespace {

// What the unit that is not preferred adds to its interval, where nothing else
// is said.
constexpr uint8_t kLesserSkew = 100;
constexpr uint32_t kSkewMax = 254;
constexpr size_t kPasswordBytesMax = 19;  // ucarp and the BSDs.

static_assert(static_cast<int>(PlainElection::kByCommand) ==
              proto::PlainPeer::BY_COMMAND);
static_assert(static_cast<int>(CarpMake::kFreeBsd) ==
              proto::PlainPeer::FREEBSD);
static_assert(static_cast<int>(CarpMake::kOpenBsd) ==
              proto::PlainPeer::OPENBSD);

// The password is a secret: its length is all that is told.
void ValidatePassword(const std::string& password, Problems& problems) {
  if (password.empty()) {
    problems.Error("ha.plain.password", "is required");
  } else if (password.size() > kPasswordBytesMax) {
    problems.Error("ha.plain.password",
                   absl::StrCat(password.size(), " bytes, must be 1 to ",
                                kPasswordBytesMax));
  } else if (password.find('\0') != std::string::npos) {
    problems.Error("ha.plain.password", "must have no zero byte");
  }
}

void ValidateAddress(const std::string& text, const HighAvailability& ha,
                     PlainPeer& peer, Problems& problems) {
  const auto checks =
      std::count_if(ha.links.begin(), ha.links.end(),
                    [](const HaLink& link) { return link.check; });
  if (checks > 1) {
    problems.Error("ha.links",
                   absl::StrCat(checks,
                                " of them have check, must be one with wire "
                                "PLAIN"));
  }
  if (!text.empty()) {
    if (const auto host = ValidateHost("ha.plain.peer_address", text,
                                       /*link_local_allowed=*/true, problems)) {
      peer.address = *host;
    }
    return;
  }
  for (const HaLink& link : ha.links) {
    if (link.check) peer.address = link.partner;
  }
}

// What an operator may believe to be in force.
void WarnOfCarp(const proto::HighAvailability& pair, Problems& problems) {
  const proto::PlainPeer& from = pair.plain();
  const auto warn = [&](const char* path, bool given) {
    if (given) problems.Warn(path, "has no effect with election BY_COMMAND");
  };
  warn("ha.plain.password", !from.password().empty());
  warn("ha.plain.advbase", from.has_advbase());
  warn("ha.plain.advskew", from.has_advskew());
  warn("ha.plain.peer_advbase", from.has_peer_advbase());
  warn("ha.plain.peer_advskew", from.has_peer_advskew());
  warn("ha.plain.dead_ratio", from.dead_ratio() != 0);
  warn("ha.plain.preempt", from.preempt());
  warn("ha.plain.allow_bow_out", from.allow_bow_out());
  warn("ha.plain.make", from.make() != 0);
  warn("ha.timeout_s", pair.timeout_s() != 0);
  warn("ha.initial_wait_s", pair.initial_wait_s() != 0);
  warn("ha.broadcast", pair.broadcast());
  warn("ha.preferred", pair.preferred() != 0);
}

void ValidateByCommand(const proto::HighAvailability& pair,
                       const HighAvailability& ha, PlainPeer& peer,
                       Problems& problems) {
  peer.election = PlainElection::kByCommand;
  const std::string& address = pair.plain().peer_address();
  if (!address.empty()) {
    if (const auto host = ValidateHost("ha.plain.peer_address", address,
                                       /*link_local_allowed=*/true, problems)) {
      peer.address = *host;
    }
  } else if (!ha.links.empty()) {
    peer.address = ha.links[ha.sync_link].partner;
  }
  WarnOfCarp(pair, problems);
}

void ValidateCarp(const proto::PlainPeer& from, uint32_t timeout_s,
                  const HighAvailability& ha, PlainPeer& peer,
                  Problems& problems) {
  const auto byte = [&](const char* name, uint32_t value, uint32_t max) {
    return static_cast<uint8_t>(
        problems.InRange(absl::StrCat("ha.plain.", name), value, 0, max));
  };
  const bool pair = ha.mode != ha::Mode::kNone;
  if (pair || !from.password().empty()) {
    ValidatePassword(from.password(), problems);
  }
  peer.password = from.password();
  ValidateAddress(from.peer_address(), ha, peer, problems);
  peer.advbase = from.has_advbase() ? byte("advbase", from.advbase(), 255)
                                    : static_cast<uint8_t>(timeout_s / 3);
  const bool chooses = ha.preferred != ha::Mode::kNone;
  peer.advskew = from.has_advskew() ? byte("advskew", from.advskew(), kSkewMax)
                 : chooses && !ha.is_preferred() ? kLesserSkew
                                                 : 0;
  peer.peer_advbase = from.has_peer_advbase()
                          ? byte("peer_advbase", from.peer_advbase(), 255)
                          : peer.advbase;
  peer.peer_advskew = from.has_peer_advskew()
                          ? byte("peer_advskew", from.peer_advskew(), kSkewMax)
                      : ha.is_preferred() ? kLesserSkew
                                          : 0;
  if (peer.advbase == 0 && peer.advskew == 0) {
    problems.Error("ha.plain.advskew", "0, must be 1 to 254 with advbase 0");
  }
  if (from.has_peer_advbase() && peer.peer_advbase == 0 &&
      peer.peer_advskew == 0) {
    problems.Error("ha.plain.peer_advskew",
                   "0, must be 1 to 254 with peer_advbase 0");
  }
  peer.dead_ratio = static_cast<uint8_t>(
      problems.InRangeOr("ha.plain.dead_ratio", from.dead_ratio(), 1, 255, 3));
  peer.preempt = from.preempt();
  peer.allow_bow_out = from.allow_bow_out();
  if (!proto::PlainPeer::Make_IsValid(from.make())) {
    problems.Error("ha.plain.make", absl::StrCat(static_cast<int>(from.make()),
                                                 ", is none of its names"));
  } else {
    peer.make = static_cast<CarpMake>(from.make());
  }
  const auto interval = [](uint8_t base, uint8_t skew) {
    return 256 * base + skew;
  };
  const bool faster = interval(peer.advbase, peer.advskew) <
                      interval(peer.peer_advbase, peer.peer_advskew);
  if (pair && ha.is_preferred() && !faster) {
    problems.Warn("ha.plain.advskew",
                  absl::StrCat("this unit is preferred, but its adverts are no "
                               "faster (",
                               peer.advbase, " s + ", peer.advskew,
                               "/256 s) than its peer's (", peer.peer_advbase,
                               " s + ", peer.peer_advskew, "/256 s)"));
  }
  if (pair && peer.advbase == 0) {
    problems.Warn("ha.plain.advbase",
                  "0: a single advert that is lost makes this unit take over");
  }
}

}  // namespace

void ValidatePlainPeer(const proto::HighAvailability& pair, uint32_t timeout_s,
                       HighAvailability& ha, Problems& problems) {
  const proto::PlainPeer& from = pair.plain();
  PlainPeer peer;
  if (from.has_ipvs_version()) {
    peer.ipvs_version = static_cast<uint8_t>(
        problems.InRange("ha.plain.ipvs_version", from.ipvs_version(), 0, 1));
  }
  if (!proto::PlainPeer::Election_IsValid(from.election())) {
    problems.Error("ha.plain.election",
                   absl::StrCat(static_cast<int>(from.election()),
                                ", is none of its names"));
  } else if (from.election() == proto::PlainPeer::BY_COMMAND) {
    ValidateByCommand(pair, ha, peer, problems);
  } else {
    if (ha.mode != ha::Mode::kNone && pair.shared_address().empty()) {
      problems.Error("ha.shared_address", "is required with CARP");
    }
    ValidateCarp(from, timeout_s, ha, peer, problems);
  }
  ha.plain = peer;
}

}  // namespace ballast::config
