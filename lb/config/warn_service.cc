#include "lb/config/warn_service.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/config/schedule_method.h"
#include "sched/fairness.h"
#include "sched/source_hash_table.h"

namespace ballast::config {
namespace {

// Shares of source IP hash that are reported one by one; the rest is counted.
constexpr size_t kUnfairShownMax = 8;

bool TakesFlows(const RealServer& server) {
  return server.state == AdminState::kEnabled && server.weight > 0;
}

sched::Fill ToSched(Fill fill) {
  switch (fill) {
    case Fill::kLoadMaster:
      return sched::Fill::kLoadMaster;
    case Fill::kEven:
      return sched::Fill::kEven;
    case Fill::kMaglev:
      return sched::Fill::kMaglev;
  }
  return sched::Fill::kLoadMaster;
}

void WarnOfUselessWeights(const std::string& path,
                          const proto::VirtualService& from,
                          const VirtualService& service, Problems& problems) {
  if (service.schedule != Schedule::kRoundRobin &&
      service.schedule != Schedule::kLeastConnection) {
    return;
  }
  for (size_t i = 0; i < service.servers.size(); ++i) {
    const uint32_t weight = service.servers[i].weight;
    if (weight == 0 || weight == service.servers[0].weight) continue;
    problems.Warn(
        absl::StrCat(path, ".real_servers[", i, "].weight"),
        absl::StrCat(
            weight, ", has no effect with schedule ",
            proto::Schedule_Name(from.schedule()), ": see ",
            service.schedule == Schedule::kRoundRobin ? "WRR" : "WLC"));
    break;
  }
}

// Of the table as it is while every enabled server is up.
void WarnOfUnfairness(const std::string& path, const VirtualService& service,
                      Problems& problems) {
  if (service.schedule != Schedule::kSourceHash) return;
  std::vector<sched::SourceHashTable::Server> servers;
  for (const RealServer& server : service.servers) {
    servers.push_back({servers.size(), TakesFlows(server) ? server.weight : 0});
  }
  const auto table =
      sched::SourceHashTable::Build(ToSched(service.fill), servers);
  if (!table.ok()) return;  // Reported already.
  const auto unfair = sched::FairnessWarnings(*table);
  for (size_t i = 0; i < std::min(unfair.size(), kUnfairShownMax); ++i) {
    problems.Warn(
        absl::StrCat(path, ".real_servers[", unfair[i].server, "].weight"),
        unfair[i].message);
  }
  if (unfair.size() > kUnfairShownMax) {
    problems.Warn(absl::StrCat(path, ".real_servers"),
                  absl::StrCat(unfair.size() - kUnfairShownMax,
                               " more servers get under half their fair share "
                               "of the source hash slots"));
  }
}

}  // namespace

void WarnOfService(const std::string& path, const proto::VirtualService& from,
                   const VirtualService& service, Problems& problems) {
  if (from.fill() != proto::LOADMASTER &&
      service.schedule != Schedule::kSourceHash) {
    problems.Warn(absl::StrCat(path, ".fill"),
                  "has no effect without schedule SH");
  }
  if (service.l7 && !service.l7->sub_services.empty()) {
    if (WeightsMove(service.schedule)) {
      problems.Warn(absl::StrCat(path, ".schedule"),
                    absl::StrCat(proto::Schedule_Name(from.schedule()),
                                 ", as WRR: weights of sub services stay"));
    }
    return;
  }
  const auto count =
      std::count_if(service.servers.begin(), service.servers.end(), TakesFlows);
  if (service.enabled && !service.sorry_server &&
      count < static_cast<ptrdiff_t>(service.servers_min)) {
    problems.Warn(absl::StrCat(path, ".real_servers"),
                  absl::StrCat(count, " enabled with a weight above 0, of ",
                               service.servers_min,
                               " needed: the service takes no flow"));
  }
  WarnOfUselessWeights(path, from, service, problems);
  WarnOfUnfairness(path, service, problems);
}

}  // namespace ballast::config
