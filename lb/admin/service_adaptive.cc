// How a service's weights move (4.10): its own word before the unit's. What it
// leaves to the unit is not shown, and is left to it again by saying nothing:
// an empty value, or 0 where 0 is none.
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/option.h"
#include "lb/admin/service_getters.h"

namespace ballast::admin {
namespace {

using config::proto::Adaptive;

const Adaptive& AdaptiveOf(const ServiceView& view) {
  return view.service.sub != nullptr ? view.service.sub->adaptive()
                                     : view.service.service->adaptive();
}

// Of `option`, which is Adaptive's; empty: not the service's own.
std::string GetOwn(const ServiceView& view, const Option& option) {
  const Adaptive& adaptive = AdaptiveOf(view);
  return IsSet(adaptive, option.path) ? GetOption(adaptive, option) : "";
}

absl::Status SetOwn(const Service& service, const Option& option,
                    absl::string_view text) {
  Adaptive adaptive = AdaptiveOf({service});
  const bool none = text.empty() || (option.min > 0 && text == "0");
  if (none) {
    ClearOption(&adaptive, option);
  } else {
    BALLAST_RETURN_IF_ERROR(SetOption(&adaptive, option, text));
  }
  const bool is_empty = adaptive.ByteSizeLong() == 0;
  const auto put = [&](auto* owner) {
    if (is_empty) {
      owner->clear_adaptive();
    } else {
      *owner->mutable_adaptive() = adaptive;
    }
  };
  if (service.sub != nullptr) {
    put(service.sub);
  } else {
    put(service.service);
  }
  return absl::OkStatus();
}

constexpr Option kPort = Number("AdaptivePort", "port", 3, 65530);
constexpr Option kInterval = Number("AdaptiveInterval", "interval_s", 1, 60);
// Unset it is none of these.
constexpr Option kIdle =
    Number("AdaptiveMinPercent", "idle_percent", 0, 100, 101);

}  // namespace

// What asks the servers or the controller; of other schedules nothing.
std::string GetAdaptive(const ServiceView& view) {
  switch (view.service.sub != nullptr ? view.service.sub->schedule()
                                      : view.service.service->schedule()) {
    case config::proto::ADAPTIVE:
      return "http_rs";
    case config::proto::SDN_ADAPTIVE:
      return "sdn_gstats";
    default:
      return "";
  }
}

// Clients send it back beside another Schedule, which alone counts.
absl::Status IgnoreAdaptive(const Service&, absl::string_view) {
  return absl::OkStatus();
}

std::string GetAdaptivePort(const ServiceView& view) {
  return GetOwn(view, kPort);
}
std::string GetAdaptiveInterval(const ServiceView& view) {
  return GetOwn(view, kInterval);
}
std::string GetAdaptiveMinPercent(const ServiceView& view) {
  return GetOwn(view, kIdle);
}

absl::Status SetAdaptivePort(const Service& service, absl::string_view text) {
  return SetOwn(service, kPort, text);
}
absl::Status SetAdaptiveInterval(const Service& service,
                                 absl::string_view text) {
  return SetOwn(service, kInterval, text);
}
absl::Status SetAdaptiveMinPercent(const Service& service,
                                   absl::string_view text) {
  return SetOwn(service, kIdle, text);
}

}  // namespace ballast::admin
