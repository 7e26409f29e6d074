// The unit as its management sees it: all that the API, the status page and the
// command line may ask of it. lb/run's Manager is the real one; tests have
// their own.
//
// A change is a whole configuration: the caller takes configuration(), changes
// what it wants and hands it to Change(). It is validated whole, kept on the
// disk, applied, and given to the partner; or refused, and nothing of it is
// left. So two changes never mix, and the history is one line.
//
// Errors   kInvalidArgument     not valid: one line a problem, "path: text"
//          kFailedPrecondition  not on this unit (a standby; it names the
//                               active one), or not without a restart
//          kNotFound            no such service, server, generation
//          kUnavailable         the disk did not take it
// Cost     Change() some milliseconds and a sync of the disk; the rest copies.
// Threads  the control thread's, every method.
#ifndef LB_ADMIN_BACKEND_H_
#define LB_ADMIN_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lb/config/ballast.pb.h"
#include "lb/connections.h"
#include "lb/explanation.h"
#include "lb/persistence_entries.h"
#include "lb/statistics.h"

namespace ballast::admin {

// Who changes something: for the audit line.
struct Author {
  std::string user;  // "admin", "api key 3f2a", "reload", "partner"
  std::string from;  // "192.0.2.7", "control socket"; empty: the unit itself
};

// One accepted configuration of the history.
struct Revision {
  uint64_t generation = 0;
  absl::Time when;
  Author author;
  std::string what;  // "addvs 192.0.2.10:80", one line
};

class Backend {
 public:
  virtual ~Backend() = default;

  // In force, and its number.
  virtual const config::proto::Config& configuration() const = 0;
  virtual uint64_t generation() const = 0;

  virtual absl::Status Change(config::proto::Config next,
                              absl::string_view what, const Author& author) = 0;

  // Newest first; as many as are kept.
  virtual std::vector<Revision> History() const = 0;
  virtual absl::StatusOr<config::proto::Config> ConfigurationOf(
      uint64_t generation) const = 0;

  virtual Statistics GetStatistics() const = 0;
  // Read when asked; shares and rates since they were read last, a second ago
  // or more.
  virtual HostStatistics GetHostStatistics() = 0;
  // As Balancer's.
  virtual absl::StatusOr<ConnectionList> ListConnections(
      const ConnectionQuery& query) = 0;
  virtual absl::StatusOr<Explanation> Explain(const ExplainOrder& order) = 0;
  virtual absl::StatusOr<PersistenceList> ListPersistence(
      const PersistenceQuery& query) = 0;
  // Kept in the audit.
  virtual absl::StatusOr<PersistenceList> DeletePersistence(
      const PersistenceQuery& query, const Author& author) = 0;

  // Of a pair, as Balancer's; kept in the audit.
  virtual absl::Status Switchover(const Author& author) = 0;
  virtual absl::Status ForceUpdate(const Author& author) = 0;
  virtual absl::Status Resync(const Author& author) = 0;
  // Runs the configured reboot command.
  virtual absl::Status Reboot(const Author& author) = 0;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_BACKEND_H_
