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

}  // namespace

void ValidatePlainPeer(const proto::PlainPeer& from, uint32_t timeout_s,
                       HighAvailability& ha, Problems& problems) {
  PlainPeer peer;
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
  if (from.has_ipvs_version()) {
    peer.ipvs_version = byte("ipvs_version", from.ipvs_version(), 1);
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
  ha.plain = peer;
}

}  // namespace ballast::config
