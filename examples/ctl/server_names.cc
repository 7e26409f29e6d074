#include "examples/ctl/server_names.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "io/base/status_macros.h"

namespace ballast::ctl {
namespace {

using admin::proto::Server;
using admin::proto::Service;
using admin::proto::Status;

// The first ones are enough to see what is meant.
std::string Some(std::vector<std::string> names) {
  constexpr size_t kShown = 10;
  const size_t more = names.size() > kShown ? names.size() - kShown : 0;
  if (more > 0) names.resize(kShown);
  return absl::StrCat(names.empty() ? "none" : absl::StrJoin(names, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

std::string FullName(const Server& server) {
  return absl::StrCat(server.sub_service(),
                      server.sub_service().empty() ? "" : "/", server.id());
}

bool IsCalled(const Server& server, absl::string_view name) {
  if (!server.sub_service().empty() &&
      absl::ConsumePrefix(&name, absl::StrCat(server.sub_service(), "/"))) {
    return name == server.id() || name == server.name();
  }
  return name == server.id() ||
         (!server.name().empty() && name == server.name());
}

template <class T>
absl::StatusOr<const T*> One(absl::string_view what, absl::string_view name,
                             const std::vector<const T*>& found,
                             const std::vector<std::string>& names,
                             std::vector<std::string> all) {
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no ", what, " ", name, "; there is ", Some(std::move(all))));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", name, " could be ", Some(names)));
}

}  // namespace

absl::StatusOr<const Service*> FindService(const Status& status,
                                           absl::string_view name) {
  std::vector<const Service*> found;
  std::vector<std::string> names;
  std::vector<std::string> all;
  for (const Service& service : status.services()) {
    if (service.id() == name) return &service;
    all.push_back(service.id());
    if (service.id() == absl::StrCat(name, "/tcp") ||
        service.id() == absl::StrCat(name, "/udp") ||
        (!service.name().empty() && service.name() == name)) {
      found.push_back(&service);
      names.push_back(service.id());
    }
  }
  return One("service", name, found, names, std::move(all));
}

absl::StatusOr<admin::proto::ServerOrder> OrderFor(const Status& status,
                                                   absl::string_view service,
                                                   absl::string_view server) {
  BALLAST_ASSIGN_OR_RETURN(const Service* const of,
                           FindService(status, service));
  std::vector<const Server*> found;
  std::vector<std::string> names;
  std::vector<std::string> all;
  for (const Server& one : of->servers()) {
    if (one.kind() != "real") continue;
    all.push_back(FullName(one));
    if (!IsCalled(one, server)) continue;
    found.push_back(&one);
    names.push_back(FullName(one));
  }
  BALLAST_ASSIGN_OR_RETURN(
      const Server* const it,
      One(absl::StrCat("real server of ", of->id(), " called"), server, found,
          names, std::move(all)));
  admin::proto::ServerOrder order;
  order.set_service(of->id());
  order.set_sub_service(it->sub_service());
  order.set_server(it->id());
  return order;
}

}  // namespace ballast::ctl
