#include "persist/settings.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "persist/lifetime.h"

namespace ballast::persist {
namespace {

using absl::InvalidArgumentError;
using absl::StrCat;

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("!#$%&'*+-.^_`|~").find(c) !=
               absl::string_view::npos;
  });
}

absl::Status CheckNames(const Settings& settings) {
  const bool required = KindOf(settings.mode) == Mode::kServerCookie ||
                        settings.mode == Mode::kSelectedHeader;
  if (settings.name.empty() && required) {
    return InvalidArgumentError(
        StrCat("name: empty, required with mode ", ModeName(settings.mode)));
  }
  if (!settings.name.empty() && !IsToken(settings.name)) {
    return InvalidArgumentError(
        StrCat("name: \"", settings.name,
               "\", must be letters, digits and !#$%&'*+-.^_`|~"));
  }
  if (settings.name.size() > kNameMax) {
    return InvalidArgumentError(
        StrCat("name: ", settings.name.size(), " bytes, at most ", kNameMax));
  }
  if (settings.query_item.empty() && settings.mode == Mode::kQueryItemHash) {
    return InvalidArgumentError(
        "query_item: empty, required with mode query-hash");
  }
  if (settings.query_item.size() > kNameMax) {
    return InvalidArgumentError(
        StrCat("query_item: ", settings.query_item.size(), " bytes, at most ",
               kNameMax));
  }
  return absl::OkStatus();
}

}  // namespace

ModeAndTimeout Resolve(Mode mode, std::optional<absl::Duration> timeout) {
  const absl::Duration rounded = RoundPersistTimeout(timeout.value_or(
      mode == Mode::kNone ? absl::ZeroDuration() : kTimeoutDefault));
  if (rounded == absl::ZeroDuration()) return {};
  return {mode == Mode::kNone ? Mode::kSourceIp : mode, rounded};
}

absl::Status Check(const Settings& settings, const ServiceTraits& service) {
  if (settings.timeout < absl::ZeroDuration() ||
      settings.timeout > kTimeoutMax) {
    return InvalidArgumentError(
        StrCat("timeout: ", absl::ToInt64Seconds(settings.timeout),
               " s, must be 0 to ", absl::ToInt64Seconds(kTimeoutMax)));
  }
  const auto refused = [&](absl::string_view needs) {
    return InvalidArgumentError(
        StrCat("mode: ", ModeName(settings.mode), " needs ", needs));
  };
  if (IsHttpMode(settings.mode) && !(service.layer7 && service.http)) {
    return refused("an HTTP service at layer 7");
  }
  if (settings.mode == Mode::kSslSessionId &&
      (!service.layer7 || service.udp || service.http ||
       service.terminates_tls)) {
    return refused("a generic TCP service at layer 7 that does not end TLS");
  }
  if (settings.mode == Mode::kUdpSip && (!service.udp || service.layer7)) {
    return refused("a UDP service at layer 4");
  }
  return CheckNames(settings);
}

absl::Status Check(const UnitSettings& settings) {
  constexpr absl::Duration kDrainMin = absl::Seconds(60);
  constexpr absl::Duration kDrainMax = absl::Seconds(86400);
  if (settings.drain_time != absl::ZeroDuration() &&
      (settings.drain_time < kDrainMin || settings.drain_time > kDrainMax)) {
    return InvalidArgumentError(
        StrCat("drain_time: ", absl::ToInt64Seconds(settings.drain_time),
               " s, must be 0 or 60 to 86400"));
  }
  return absl::OkStatus();
}

}  // namespace ballast::persist
