// A load balancer to embed: Create it from a configuration, run it or poll it
// from your own loop, Apply other configurations, read Statistics.
//
//   auto loaded = config::Validate(*config::ParseConfig(text), 1);
//   auto balancer = Balancer::Create({.model = loaded.model});
//   (*balancer)->Run();                        // until Stop(), or:
//   poll on (*balancer)->fd(), then (*balancer)->RunOnce();
//
// It opens the interfaces the configuration names (CAP_NET_RAW and
// CAP_NET_ADMIN in the network namespace it is made in), answers for the
// floating addresses, checks the servers and forwards. A configuration of
// proxies on the host's own addresses alone (l7.host_address) names none and
// needs no privilege (examples/http_proxy.cc). An application that has its own
// packet I/O uses lb/l4 and lb/run directly (examples/packets_in_memory.cc);
// its own rules and scheduler for HTTP: lb/l7/application.h.
//
// It keeps nothing of a configuration, only flows and keys: lb/run/manager.h is
// a balancer with a file, a history and an audit.
//
// Errors   Create() says what is missing; Apply() refuses what cannot change at
//          run time, naming the field, and leaves the running state untouched.
// Threads  one control thread, whoever calls Run() or RunOnce(): every method
//          is its, but Stop(). Packet threads are made and joined here, unless
//          Options::packets_on_control_thread.
#ifndef LB_BALANCER_H_
#define LB_BALANCER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "io/base/address.h"
#include "io/base/flow_key.h"
#include "lb/config/model.h"
#include "lb/connections.h"
#include "lb/explanation.h"
#include "lb/l7/application.h"
#include "lb/log_record.h"
#include "lb/persistence_entries.h"
#include "lb/statistics.h"

namespace ballast {

class Balancer {
 public:
  struct Options {
    std::shared_ptr<const config::Model> model;
    // What happens, a record each; as text to standard error if empty.
    // (log_format.h makes lines of records, log_limiter.h fewer of them.)
    Log log;
    // Claim floating addresses at once, without asking for a second whether
    // another host has them.
    bool claim_at_once = false;
    // No packet threads: packets are handled in RunOnce(). Needs threads: 1.
    bool packets_on_control_thread = false;
    // Of a pair: the active unit's configuration has come, as it was given to
    // OfferConfig() there. What is returned is applied; an error is logged.
    std::function<absl::StatusOr<std::shared_ptr<const config::Model>>(
        uint64_t generation, absl::Span<const uint8_t> shared)>
        on_partner_config;
    // A link failed and the configuration wants a reboot. Empty: logged only.
    std::function<void()> on_reboot;
    // Rules and a scheduler of the application's own, for services of layer 7
    // and type HTTP.
    l7::ApplicationFactory application;
    // Use epoll even where io_uring is to be had.
    bool force_epoll = false;
  };

  //   kInvalidArgument     options or model that do not fit together; the
  //                        application's factory made none
  //   kPermissionDenied    no CAP_NET_RAW or CAP_NET_ADMIN; without interfaces
  //                        none is needed
  //   kNotFound            an interface that is not there, or an alternate
  //                        source address that is on none
  //   kFailedPrecondition  a floating address's MAC cannot be kept from the
  //                        host (see the message)
  static absl::StatusOr<std::unique_ptr<Balancer>> Create(Options options);
  virtual ~Balancer() = default;
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;

  // Another configuration, whole. Flows that need not move are not touched.
  //   kFailedPrecondition  interfaces, threads, limits, punt_interface,
  //                        state_dir, hash_key or most of ha differ: those need
  //                        a restart; or this unit stands by and more than
  //                        ha.keys, key_file, reboot_command or
  //                        statistics_period differ: the rest is the active
  //                        unit's to change (but with a plain partner)
  //   kNotFound            an alternate source address that no interface has
  virtual absl::Status Apply(std::shared_ptr<const config::Model> model) = 0;
  // What Apply() would refuse at once, and why, with nothing touched. It may
  // still refuse what this lets pass: a file or a socket that is not to be had.
  virtual absl::Status CheckApply(const config::Model& model) const = 0;
  virtual const config::Model& model() const = 0;

  // Changes one server's state (and no other server's) as Apply() would.
  //   kNotFound  no such service or server
  virtual absl::Status SetServerState(const Endpoint& service,
                                      Protocol protocol, const Endpoint& server,
                                      config::AdminState state) = 0;

  virtual Statistics GetStatistics() const = 0;
  // Connections that `query` asks for. Packet threads look at 4096 entries of
  // their tables at a time, some 20 us, and forward in between; with a client's
  // address only the one that has it. The caller waits for all of it, about
  // 20 ms for a million entries, but no longer than 200 ms.
  //   kNotFound  no such service
  virtual absl::StatusOr<ConnectionList> ListConnections(
      const ConnectionQuery& query) = 0;
  // What would become of a client's next connection, or request on a new one,
  // and why. Allocates on the thread that has the client, for some 100 us. With
  // several proxy threads the kernel decides which one takes a connection: the
  // first one's answer, and whose differs.
  //   kInvalidArgument  addresses of two families
  //   kUnavailable      a thread is too busy to answer
  virtual absl::StatusOr<Explanation> Explain(const ExplainOrder& order) = 0;

  // Persistence entries that `query` asks for; its cost is ListConnections()'s.
  //   kNotFound  no such service
  virtual absl::StatusOr<PersistenceList> ListPersistence(
      const PersistenceQuery& query) = 0;
  // Takes them out, and returns those it took. The partner takes those of layer
  // 7 out too; one of layer 4 stays there until it ends by itself.
  //   kNotFound            no such service
  //   kFailedPrecondition  this unit stands by
  virtual absl::StatusOr<PersistenceList> DeletePersistence(
      const PersistenceQuery& query) = 0;

  // Of a pair; kFailedPrecondition without one, and as each says.
  // The partner is to take the role: active units whose partner is ready. With
  // a plain partner and election BY_COMMAND: a standby takes it, an active unit
  // gives it up.
  virtual absl::Status Switchover() = 0;
  // The partner is given the whole table anew: active units.
  virtual absl::Status Resync() = 0;
  // What the partner is to have of the configuration in force, at most 4 MiB;
  // so that it schedules alike, a source key that was made and the slots of
  // `even` services go with it. Kept, and given by an active unit now and every
  // two minutes. `force`: fails if it cannot be given now. A plain partner
  // takes none.
  virtual absl::Status OfferConfig(uint64_t generation,
                                   std::vector<uint8_t> shared, bool force) = 0;

  // Readable when RunOnce() has something to do; stays the same.
  virtual int fd() = 0;
  // Does what is due and returns: never blocks.
  virtual void RunOnce() = 0;
  virtual void Run() = 0;
  // From any thread: makes Run() return.
  virtual void Stop() = 0;

  // Writes the flows to state_dir, for the next Create() to read back; then
  // stops forwarding. The destructor only stops. Of a pair: hands the role over
  // first, for which it runs the loop for up to ha.switchover_patience_s.
  // Without a partner: completes requests that are under way at layer 7 and
  // lets streams end by themselves, for up to five seconds; then cuts them.
  virtual absl::Status Shutdown() = 0;

 protected:
  Balancer() = default;
};

}  // namespace ballast

#endif  // LB_BALANCER_H_
