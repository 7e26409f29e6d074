// Which server a new flow of a service gets, on one packet thread: persistence
// entry first, then the scheduler, then the sorry server.
//
// Joins sched, persist and the plan: the packet path asks Choose() and says
// what became of it. Rules and their source (LoadMaster behaviour):
//   S1  a server is available when enabled, healthy, of positive weight and
//       below its connection limit (§4.7)
//   S2  a service is up with at least servers_min servers available and every
//       critical one; otherwise its sorry server takes what is new (§5.4, §5.5)
//   S3  a valid persistence entry wins; of a server that is down or disabled it
//       is dropped and the client scheduled anew (§5.2, the L4 rows)
//   S4  ours: an entry of a draining server is followed until its drain_end
//   S5  ours: an entry whose server is at its limit stays, this one flow goes
//       elsewhere
//   S6  ours: a server that refused a flow on the one port it serves is avoided
//       for kAvoid while another can take its flows
//   S7  mode UDP_SIP: each datagram that has the header field is a new
//       connection to persistence: it follows the entry or makes it, and starts
//       it again. One without it, or that is no SIP, has no persistence (§4.5).
//       Ours: a server at its limit still takes what comes by an open flow
//
// Cost     Choose: a hash look-up with persistence, plus the scheduler's pick.
//          ChooseByMessage: reads the datagram's head up to the field, and two
//          visits to the unit's store of keys, each with a lock of one of its
//          shards (key_store.h): the one lock there is on the packet path.
//          Allocates when a shard of the store first hears of a server.
// Threads  one; the store of keys is all threads' of the unit, since a call
//          comes from several addresses.
#ifndef LB_L4_SERVER_CHOICE_H_
#define LB_L4_SERVER_CHOICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "lb/l4/drop_reason.h"
#include "lb/l4/flow.h"
#include "lb/l4/plan.h"
#include "lb/l4/teller.h"
#include "persist/attachment.h"
#include "persist/follow.h"
#include "persist/key_store.h"
#include "persist/settings.h"
#include "persist/source_store.h"
#include "sched/scheduler.h"

namespace ballast::l4 {

class ServerChoice {
 public:
  static constexpr absl::Duration kAvoid = absl::Seconds(5);

  struct Options {
    uint32_t persistence_entries_max = 0;
    config::HashKey table_key{};   // Secret, of this process.
    config::HashKey source_key{};  // Of the source IP hash: the pair's.
    // Entries of services that go by a message; null if there are none.
    std::shared_ptr<persist::KeyStore> keys;
  };
  static absl::StatusOr<ServerChoice> Create(const Options& options);

  // Takes a new plan: schedulers of changed services are made anew and carry
  // over counts and turns; the others keep running.
  void Apply(Instant now, std::shared_ptr<const Plan> plan);

  struct Choice {
    Slot server = kNoSlot;
    // Why there is none.
    DropReason refused = DropReason::kNoServer;
  };
  // The server for a new flow. Records the persistence entry; count the flow
  // with OnOpen() once it exists.
  Choice Choose(Instant now, const PlanService& service, const Address& client);
  // The server for a datagram of a service that goes by a message. nullopt: it
  // names none, and has no persistence. `has_flow` says whether there is a flow
  // of its client to a server; a disabled service takes what comes by those.
  struct MessageChoice : Choice {
    bool followed = false;  // A persistence entry.
  };
  // With `rehearsal` nothing is changed, and what was seen is put there.
  std::optional<MessageChoice> ChooseByMessage(
      Instant now, const PlanService& service, const Address& client,
      std::span<const uint8_t> datagram, absl::FunctionRef<bool(Slot)> has_flow,
      persist::Attachment::Seen* rehearsal = nullptr);
  // The server without a look at persistence.
  Choice Schedule(Instant now, const PlanService& service,
                  const Address& client);
  // -- What would be, with nothing changed (server_preview.cc). Allocates. ----
  // A client's persistence entry.
  struct EntryFound {
    const persist::Entry* entry = nullptr;  // Null: none that is valid.
    const PlanServer* server = nullptr;     // Null: it has gone.
    persist::Follow follow = persist::Follow::kDiscard;
  };
  struct Preview : Choice {
    EntryFound found;
  };
  Preview WouldChoose(Instant now, const PlanService& service,
                      const Address& client) const;
  Choice WouldSchedule(Instant now, const PlanService& service,
                       const Address& client) const;
  // Of schedule SH.
  uint32_t SourceSlotOf(const Address& client) const;
  // Why a server takes nothing new: "down"; empty: it does.
  std::string ObstacleOf(const PlanServer& server) const;

  // Another key of the source IP hash, and of messages' keys: clients are
  // placed anew.
  void SetSourceKey(const config::HashKey& key);
  // The server of a flow that will have no table entry: a function of the
  // addresses, the port and the servers available, nothing else.
  Slot ChooseStateless(const PlanService& service, const Address& client,
                       uint16_t client_port) const;

  void OnOpen(Slot server);
  void OnClose(Slot server);
  // Flows of this server on all other threads.
  void SetForeign(Slot server, uint32_t count);
  void SetHealthy(Instant now, Slot server, bool healthy);
  // In place of the configured weight: of schedules whose weights move. Holds
  // over Apply() while the configured one is the same.
  void SetWeight(Slot server, uint32_t weight);
  // S6: the server refused `client`. False if it must go on being asked: no
  // other could take its flows, or it has no port of its own, and so the client
  // asked for one that nobody serves.
  bool Avoid(Instant now, Slot server, const Address& client);
  // Ends what avoiding is over. Every few milliseconds.
  void Tick(Instant now) {
    if (now >= avoid_deadline_) EndAvoiding(now);
  }
  bool healthy(Slot server) const {
    return server < servers_.size() && servers_[server].healthy;
  }
  // S2.
  bool ServiceUp(const PlanService& service) const {
    return services_[service.slot].up;
  }
  // Open flows of this thread.
  uint32_t open(Slot server) const {
    return server < servers_.size() ? servers_[server].open : 0;
  }

  // A connection of `client` to `server` lives on: renews its entry if the
  // service has long connections do so, once a day (§4.6, Refresh Persist).
  void Refresh(Instant now, Slot server, const Address& client);

  // Persistence entries as records, from `cursor` (0 to begin): fills the front
  // of `records`, returns the next cursor, 0 at the end.
  uint32_t Export(Instant now, uint32_t cursor, size_t& count,
                  std::span<FlowRecord> records);
  // False: no such service or server, it has expired, or there is no room.
  bool Import(Instant now, const FlowRecord& record);

  // Entries as they are shown. What is not set in a filter is any.
  struct EntryFilter {
    Slot service = kNoSlot;
    std::optional<Address> client;
    bool erase = false;  // What passes is taken out.
  };
  struct EntryView {
    Address client;
    Slot service = kNoSlot;
    Slot server = kNoSlot;
    absl::Duration expires_in;
  };
  // Adds those among the next `count` places after `cursor` (0 to begin), until
  // there are `count_max`; the next cursor, 0 at the end.
  uint32_t List(Instant now, uint32_t cursor, uint32_t count,
                const EntryFilter& filter, size_t count_max,
                std::vector<EntryView>& entries);

  // -- The partner (server_templates.cc) ------------------------------------
  // `packets` of a client's connection to `server`, which made or followed a
  // persistence entry: the entry's record if that is worth one by now.
  // `assured`: the connection is established.
  std::optional<ha::SyncRecord> AskTemplate(Instant now, Slot server,
                                            const Address& client,
                                            uint32_t packets, bool assured,
                                            const SyncOptions& options);
  // As Export(), for the partner.
  uint32_t Export(Instant now, uint32_t cursor, bool only_untold,
                  const SyncOptions& options, size_t& count,
                  std::span<ha::SyncRecord> records);
  // Takes one in. `keep_newer`: one of ours that was started later stays.
  // False: no such service or server here, and nothing is counted.
  bool Apply(Instant now, const ha::SyncRecord& record, bool keep_newer,
             ha::ApplyCounts& counts);

  persist::SourceStore& store() { return store_; }
  const persist::SourceStore& store() const { return store_; }

 private:
  struct Server {
    bool healthy = true;
    Instant avoid_until = Instant::FromNanos(0);  // 0: not avoided.
    uint32_t open = 0;
    uint32_t foreign = 0;
    uint16_t position = 0;  // In its service.
  };
  struct Service {
    uint64_t id = 0;
    std::unique_ptr<sched::Scheduler> scheduler;
    bool up = false;            // S2.
    persist::Settings message;  // Of services that go by one.
  };

  explicit ServerChoice(const Options& options, persist::SourceStore store)
      : keys_(options.keys), store_(std::move(store)) {
    SetSourceKey(options.source_key);
  }
  bool Schedulable(const PlanServer& server) const;
  uint32_t WeightOf(const PlanServer& server) const;
  // Of the server that an entry of `service` names; null: it has gone.
  persist::ServerStanding StandingOf(Instant now, const PlanService& service,
                                     const PlanServer* server) const;
  EntryFound FindEntry(Instant now, const PlanService& service,
                       const Address& client) const;
  // By whom `pick` takes of the service's scheduler.
  template <typename Pick>
  Choice ScheduleBy(const PlanService& service, Pick pick) const {
    if (ServiceUp(service)) {
      if (const auto place = pick(*services_[service.slot].scheduler)) {
        return {service.servers[*place], DropReason::kNone};
      }
    }
    if (service.sorry_server != kNoSlot) {
      return {service.sorry_server, DropReason::kNone};
    }
    return {kNoSlot, DropReason::kNoServer};
  }
  void EndAvoiding(Instant now);
  void UpdateFull(const PlanServer& server);
  void UpdateUp(const PlanService& service);
  uint32_t SourceHashOf(const Address& client) const;
  ha::SyncRecord RecordOf(Instant now, const persist::Entry& entry,
                          const Address& client, const PlanServer& server,
                          bool assured) const;

  config::HashKey source_key_{};
  SipKey message_key_;
  std::shared_ptr<persist::KeyStore> keys_;
  std::shared_ptr<const Plan> plan_;
  std::vector<Server> servers_;    // By slot.
  std::vector<Service> services_;  // By slot.
  persist::SourceStore store_;
  std::string scratch_;
  Instant avoid_deadline_ = Instant::Never();
};

}  // namespace ballast::l4

#endif  // LB_L4_SERVER_CHOICE_H_
