#include "lb/admin/following.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/option.h"

namespace ballast::admin {
namespace {

using config::proto::FollowedServer;
using config::proto::RealServer;

// Calls on_pool(Service) for each service and sub service until it returns
// true.
template <typename OnPool>
void ForEachPool(config::proto::Config* config, OnPool on_pool) {
  for (auto& service : *config->mutable_virtual_services()) {
    if (on_pool(Service{config, &service})) return;
    if (!service.has_l7()) continue;
    for (auto& sub : *service.mutable_l7()->mutable_sub_services()) {
      if (on_pool(Service{config, &service, &sub})) return;
    }
  }
}

bool IsSame(const Service& a, const Service& b) {
  return a.service == b.service && a.sub == b.sub;
}

// Whether a server of `from` with this `follow` follows one of `pool`.
bool IsOf(const FollowedServer& follow, const Service& from,
          const Service& pool) {
  if (follow.service().empty() && follow.sub_service().empty()) {
    return IsSame(from, pool);
  }
  const bool same_service = follow.service().empty()
                                ? from.service == pool.service
                                : follow.service() == pool.service->name();
  return same_service &&
         follow.sub_service() ==
             (pool.sub != nullptr ? pool.sub->name() : std::string());
}

std::string FreeName(const Service& pool, uint32_t index) {
  std::string name = absl::StrCat("RS-", index);
  const auto is_taken = [&] {
    return std::any_of(pool.servers().begin(), pool.servers().end(),
                       [&](const RealServer& s) { return s.name() == name; });
  };
  while (is_taken()) name += '-';
  return name;
}

}  // namespace

uint32_t FollowedIndex(const Service& service, const RealServer& server) {
  if (!server.has_follow()) return 0;
  uint32_t index = 0;
  ForEachPool(service.config, [&](const Service& pool) {
    if (!IsOf(server.follow(), service, pool)) return false;
    for (const RealServer& one : pool.servers()) {
      if (one.name() == server.follow().server()) index = one.index();
    }
    return index != 0;
  });
  return index;
}

absl::Status SetFollowed(const Service& service, absl::string_view text,
                         RealServer* server) {
  BALLAST_ASSIGN_OR_RETURN(
      const uint32_t index,
      ReadNumber("Follow", text, 0, std::numeric_limits<uint32_t>::max()));
  if (index == FollowedIndex(service, *server)) return absl::OkStatus();
  if (index == 0 || index == server->index()) {
    server->clear_follow();
    return absl::OkStatus();
  }
  Service pool;
  RealServer* followed = nullptr;
  ForEachPool(service.config, [&](const Service& one) {
    for (RealServer& each : one.servers()) {
      if (each.index() != index) continue;
      pool = one;
      followed = &each;
    }
    return followed != nullptr;
  });
  if (followed == nullptr) {
    return WrongValue("Follow", text, "0 or the RsIndex of another RS");
  }
  FollowedServer follow;
  if (!IsSame(pool, service)) {
    if (pool.service->name().empty()) {
      return WrongValue("Follow", text,
                        absl::StrCat("an RS of a VS with a NickName: VS ",
                                     pool.service->index(), " has none"));
    }
    follow.set_service(pool.service->name());
    if (pool.sub != nullptr) follow.set_sub_service(pool.sub->name());
  }
  if (followed->name().empty()) followed->set_name(FreeName(pool, index));
  follow.set_server(followed->name());
  *server->mutable_follow() = follow;
  return absl::OkStatus();
}

const std::string& NameOf(const Service& service) {
  return service.sub != nullptr ? service.sub->name() : service.service->name();
}

void Renamed(const Service& service, absl::string_view old_name) {
  const std::string& name = NameOf(service);
  if (old_name.empty() || name == old_name) return;
  ForEachPool(service.config, [&](const Service& pool) {
    for (RealServer& server : pool.servers()) {
      if (!server.has_follow()) continue;
      FollowedServer& follow = *server.mutable_follow();
      if (service.sub == nullptr) {
        if (follow.service() == old_name) follow.set_service(name);
        continue;
      }
      const bool same_service =
          follow.service().empty()
              ? pool.service == service.service
              : follow.service() == service.service->name();
      if (same_service && follow.sub_service() == old_name) {
        follow.set_sub_service(name);
      }
    }
    return false;
  });
}

}  // namespace ballast::admin
