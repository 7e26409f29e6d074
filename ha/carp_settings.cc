#include "ha/carp_settings.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace ballast::ha {
namespace {

constexpr int kPeriods = 3;  // Of silence: CARP's dead ratio.
constexpr uint8_t kNotPreferredSkew = 100;

}  // namespace

absl::StatusOr<CarpNode::Options> CarpOptionsOf(const LoadMasterHa& settings) {
  if (settings.timeout_s < 3 || settings.timeout_s > 15 ||
      settings.timeout_s % kPeriods != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "HA timeout: ", settings.timeout_s, " s, must be 3, 6, 9, 12 or 15"));
  }
  if (settings.initial_wait_s < 0 || settings.initial_wait_s > 200) {
    return absl::InvalidArgumentError(absl::StrCat(
        "HA initial wait: ", settings.initial_wait_s, " s, must be 0..200"));
  }
  using Preferred = LoadMasterHa::Preferred;
  CarpNode::Options options;
  options.advbase = static_cast<uint8_t>(settings.timeout_s / kPeriods);
  options.dead_ratio = kPeriods;
  options.initial_wait = absl::Seconds(settings.initial_wait_s);
  if (settings.preferred == Preferred::kThisUnit) {
    options.preempt = CarpPreempt::kOnce;
  } else if (settings.preferred == Preferred::kPartner) {
    options.advskew = kNotPreferredSkew;
  }
  return options;
}

uint8_t DefaultCarpVhid(const Address& shared) {
  const uint8_t last = shared.bytes().back();
  return last == 0 ? 1 : last;
}

}  // namespace ballast::ha
