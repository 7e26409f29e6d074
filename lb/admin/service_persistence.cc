#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/service_getters.h"

namespace ballast::admin {
namespace {

using config::proto::Persistence;

constexpr uint32_t kTimeoutDefaultS = 360;
constexpr uint32_t kTimeoutMaxS = 2419200;

constexpr Word kModes[] = {
    {"src", Persistence::SOURCE_IP},
    {"super", Persistence::SUPER_HTTP},
    {"super-src", Persistence::SUPER_HTTP_AND_SOURCE_IP},
    {"cookie", Persistence::SERVER_COOKIE},
    {"cookie-src", Persistence::SERVER_COOKIE_OR_SOURCE_IP},
    {"active-cookie", Persistence::ACTIVE_COOKIE},
    {"active-cook-src", Persistence::ACTIVE_COOKIE_OR_SOURCE_IP},
    {"cookie-hash", Persistence::HASH_ALL_COOKIES},
    {"cookie-hash-src", Persistence::HASH_ALL_COOKIES_OR_SOURCE_IP},
    {"url", Persistence::URL_HASH},
    {"host", Persistence::HOST_HEADER},
    {"query-hash", Persistence::QUERY_ITEM},
    {"header", Persistence::SELECTED_HEADER},
    {"ssl", Persistence::SSL_SESSION_ID},
    {"udpsip", Persistence::UDP_SIP},
};

// Null: it is off.
const Persistence* PersistenceOf(const Service& service) {
  if (service.sub != nullptr) {
    return service.sub->has_persistence() ? &service.sub->persistence()
                                          : nullptr;
  }
  return service.service->has_persistence() ? &service.service->persistence()
                                            : nullptr;
}

Persistence* MutablePersistence(const Service& service) {
  return service.sub ? service.sub->mutable_persistence()
                     : service.service->mutable_persistence();
}

void SwitchOff(const Service& service) {
  if (service.sub != nullptr) {
    service.sub->clear_persistence();
  } else {
    service.service->clear_persistence();
  }
}

// The parameter that has the name; empty: the mode has none.
absl::string_view NameParameter(Persistence::Mode mode) {
  switch (mode) {
    case Persistence::SERVER_COOKIE:
    case Persistence::SERVER_COOKIE_OR_SOURCE_IP:
    case Persistence::ACTIVE_COOKIE:
    case Persistence::ACTIVE_COOKIE_OR_SOURCE_IP:
    case Persistence::SELECTED_HEADER:
    case Persistence::UDP_SIP:
      return "Cookie";
    case Persistence::QUERY_ITEM:
      return "QueryTag";
    default:
      return "";
  }
}

uint32_t TimeoutOf(const Persistence& persistence) {
  const uint32_t s = persistence.timeout_s();
  return s == 0 ? kTimeoutDefaultS : s - s % 60;
}

std::string NameIf(const ServiceView& view, absl::string_view parameter) {
  const Persistence* now = PersistenceOf(view.service);
  return now != nullptr && NameParameter(now->mode()) == parameter ? now->name()
                                                                   : "";
}

// Sets the mode; false: there is to be none.
absl::StatusOr<bool> SetMode(absl::string_view text, const Service& service) {
  if (text.empty() || absl::EqualsIgnoreCase(text, "none")) return false;
  const auto* word = std::find_if(
      std::begin(kModes), std::end(kModes),
      [&](const Word& w) { return absl::EqualsIgnoreCase(w.word, text); });
  if (word == std::end(kModes)) {
    return WrongValue("Persist", text, "a mode that is supported");
  }
  Persistence& persistence = *MutablePersistence(service);
  const auto mode = static_cast<Persistence::Mode>(word->value);
  if (NameParameter(mode) != NameParameter(persistence.mode())) {
    persistence.clear_name();
  }
  persistence.set_mode(mode);
  return true;
}

}  // namespace

std::string GetPersist(const ServiceView& view) {
  const Persistence* now = PersistenceOf(view.service);
  if (now == nullptr) return "";
  for (const Word& word : kModes) {
    if (word.value == now->mode()) return std::string(word.word);
  }
  return "";
}

std::string GetPersistTimeout(const ServiceView& view) {
  const Persistence* now = PersistenceOf(view.service);
  return absl::StrCat(now == nullptr ? 0 : TimeoutOf(*now));
}

std::string GetCookie(const ServiceView& view) {
  return NameIf(view, "Cookie");
}
std::string GetQueryTag(const ServiceView& view) {
  return NameIf(view, "QueryTag");
}

std::string GetRefreshPersist(const ServiceView& view) {
  const Persistence* now = PersistenceOf(view.service);
  return now != nullptr && now->refresh() ? "1" : "0";
}

absl::Status SetPersistence(const Parameters& parameters,
                            const Service& service) {
  if (const auto mode = parameters.Find("Persist")) {
    BALLAST_ASSIGN_OR_RETURN(const bool on, SetMode(*mode, service));
    if (!on) SwitchOff(service);
  }
  if (const auto text = parameters.Find("PersistTimeout")) {
    BALLAST_ASSIGN_OR_RETURN(
        const uint32_t seconds,
        ReadNumber("PersistTimeout", *text, 0, kTimeoutMaxS));
    const Persistence* now = PersistenceOf(service);
    if (seconds < 60) {
      SwitchOff(service);
    } else if (now == nullptr || TimeoutOf(*now) != seconds) {
      // Without a mode it becomes source IP, but where none is asked for.
      const bool none = parameters.Has("Persist") && now == nullptr;
      if (!none) {
        MutablePersistence(service)->set_timeout_s(seconds - seconds % 60);
      }
    }
  }
  const Persistence* now = PersistenceOf(service);
  if (now == nullptr) return absl::OkStatus();
  const absl::string_view parameter = NameParameter(now->mode());
  if (const auto name = parameters.Find(parameter);
      !parameter.empty() && name.has_value()) {
    MutablePersistence(service)->set_name(std::string(*name));
  }
  if (const auto text = parameters.Find("RefreshPersist")) {
    const auto flag = ReadFlag(*text);
    if (!flag.has_value()) return WrongValue("RefreshPersist", *text, "Y or N");
    MutablePersistence(service)->set_refresh(*flag);
  }
  return absl::OkStatus();
}

}  // namespace ballast::admin
