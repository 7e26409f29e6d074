#include "lb/config/validate_follow.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ballast::config {
namespace {

// A service's or a sub service's servers, as configured and as validated.
struct Pool {
  std::string path;
  const std::string* service_name;
  std::string sub_service;
  Protocol protocol;
  Endpoint service;
  const google::protobuf::RepeatedPtrField<proto::RealServer>* from;
  std::vector<RealServer>* servers;

  // Validation gave up on a list that is too long.
  bool whole() const {
    return servers->size() == static_cast<size_t>(from->size());
  }
};

std::vector<Pool> PoolsOf(const proto::Config& from, Model& model) {
  std::vector<Pool> pools;
  for (size_t i = 0; i < model.services.size(); ++i) {
    const proto::VirtualService& given =
        from.virtual_services(static_cast<int>(i));
    VirtualService& service = model.services[i];
    Pool pool{.path = absl::StrCat("virtual_services[", i, "]"),
              .service_name = &given.name(),
              .sub_service = "",
              .protocol = service.protocol,
              .service = {service.address, service.port},
              .from = &given.real_servers(),
              .servers = &service.servers};
    pools.push_back(pool);
    if (!service.l7) continue;
    for (size_t j = 0; j < service.l7->sub_services.size(); ++j) {
      const auto& sub = given.l7().sub_services(static_cast<int>(j));
      pool.path =
          absl::StrCat("virtual_services[", i, "].l7.sub_services[", j, "]");
      pool.sub_service = sub.name();
      pool.from = &sub.real_servers();
      pool.servers = &service.l7->sub_services[j].servers;
      pools.push_back(pool);
    }
  }
  return pools;
}

}  // namespace

void ValidateFollow(const proto::Config& from, Model& model,
                    Problems& problems) {
  using Name = std::tuple<std::string, std::string, std::string>;
  std::map<Name, std::pair<const Pool*, int>> by_name;
  const std::vector<Pool> pools = PoolsOf(from, model);
  for (const Pool& pool : pools) {
    if (!pool.whole() || pool.service_name->empty()) continue;
    for (int i = 0; i < pool.from->size(); ++i) {
      const std::string& name = (*pool.from)[i].name();
      if (name.empty()) continue;
      by_name.emplace(Name(*pool.service_name, pool.sub_service, name),
                      std::pair(&pool, i));
    }
  }
  for (const Pool& pool : pools) {
    if (!pool.whole()) continue;
    for (int i = 0; i < pool.from->size(); ++i) {
      const proto::RealServer& given = (*pool.from)[i];
      if (!given.has_follow()) continue;
      const proto::FollowedServer& follow = given.follow();
      const std::string path =
          absl::StrCat(pool.path, ".real_servers[", i, "].follow");
      const Pool* found = nullptr;
      int at = -1;
      if (follow.service().empty() && follow.sub_service().empty()) {
        found = &pool;  // Which need not have a name.
        for (int j = 0; j < pool.from->size(); ++j) {
          if ((*pool.from)[j].name() == follow.server()) at = j;
        }
      } else {
        const auto known = by_name.find(
            {follow.service().empty() ? *pool.service_name : follow.service(),
             follow.sub_service(), follow.server()});
        if (known != by_name.end()) {
          found = known->second.first;
          at = known->second.second;
        }
      }
      if (follow.server().empty()) {
        problems.Error(absl::StrCat(path, ".server"), "is required");
      } else if (at < 0) {
        problems.Error(path, absl::StrCat(Quoted(follow.server()),
                                          ", is no server of that service"));
      } else if (found == &pool && at == i) {
        problems.Error(path, absl::StrCat(Quoted(follow.server()),
                                          ", must be another server"));
      } else if ((*found->from)[at].has_follow()) {
        problems.Error(path, absl::StrCat(Quoted(follow.server()),
                                          ", must be one that follows none "
                                          "itself"));
      } else {
        (*pool.servers)[static_cast<size_t>(i)].follow = {
            found->protocol, found->service, found->sub_service,
            (*found->servers)[static_cast<size_t>(at)].endpoint};
      }
    }
  }
}

}  // namespace ballast::config
