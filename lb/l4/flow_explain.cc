// FlowPath: what would become of a client's next packet, with nothing changed.
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lb/l4/connection_of.h"
#include "lb/l4/flow_path.h"
#include "lb/l4/flow_rules.h"
#include "lb/l4/persistence_key.h"

namespace ballast::l4 {
namespace {

constexpr size_t kObstaclesMax = 16;  // Servers named one by one.

std::string TextOf(const PlanServer* server) {
  return server == nullptr ? "a server that has gone"
                           : server->endpoint.ToString();
}

// What comes of a persistence entry.
void SayEntry(Instant now, absl::string_view mode, std::string key,
              const PlanServer* server, Instant expires, persist::Follow follow,
              Explanation* out) {
  ExplainedEntry& entry = out->persistence.emplace();
  entry.mode = std::string(mode);
  entry.key = std::move(key);
  if (server != nullptr) entry.server = server->endpoint;
  entry.expires_in = expires - now;
  entry.followed = follow == persist::Follow::kGo;
  const std::string names = absl::StrCat(
      "persistence: the entry of ", entry.key, " names ", TextOf(server),
      " for ", absl::ToInt64Seconds(entry.expires_in), " s more");
  switch (follow) {
    case persist::Follow::kGo:
      return out->Say(absl::StrCat(names, ": followed"));
    case persist::Follow::kDiscard:
      return out->Say(
          absl::StrCat(names, ": dropped, that one is down or disabled"));
    case persist::Follow::kPassBy:
      return out->Say(absl::StrCat(names, ": kept, that one is at its limit"));
  }
}

}  // namespace

template <typename A>
void FlowPath<A>::Explain(Instant now, const FlowKey& key,
                          std::span<const uint8_t> datagram, Explanation* out) {
  FlowTuple<A> tuple;
  tuple.source = PackAddress<A>(key.source.address);
  tuple.destination = PackAddress<A>(key.destination.address);
  tuple.source_port = key.source.port;
  tuple.destination_port = key.destination.port;
  tuple.protocol = static_cast<uint8_t>(key.protocol);
  const Plan& plan = *context_.plan;
  const auto found = table_.Find(tuple);
  Entry* const entry = found.connection;
  const PlanService* service = nullptr;
  uint32_t left = context_.connections_left;
  if (entry != nullptr) {
    const ServerPath& path = context_.servers[entry->server_slot];
    if (!path.valid) {
      return out->Refuse(DropReasonName(DropReason::kNoService),
                         "its connection was one of a service that has gone");
    }
    service = plan.service(path.service);
    out->service = {{service->config.address, service->config.port},
                    service->config.protocol};
    out->connection = ConnectionOf(plan, ViewOf(*entry), ClockMs(now));
    if (found.direction == PacketDirection::kFromServer) {
      out->Say("this is how a server's packets to its client come");
    } else if (service->by_message()) {
      return ExplainMessage(now, tuple, *service, entry, datagram, out);
    }
    if (found.direction == PacketDirection::kFromServer ||
        key.protocol != Protocol::kTcp || !BeginsAnew(*entry)) {
      if (entry->Has(kReset)) {
        return out->Refuse(DropReasonName(DropReason::kReset),
                           "its connection was ended with its server");
      }
      out->Say("there is a connection: its packets go where it goes");
      return out->Give(*out->connection->server, "connection");
    }
    out->Say(
        "there is a connection, but it is over, or its server went down before "
        "it answered: a SYN begins anew");
    ++left;  // It makes room.
  } else {
    service = plan.FindService(key.protocol, key.destination.address,
                               key.destination.port);
  }
  if (service == nullptr) {
    return out->Refuse(
        DropReasonName(DropReason::kNoService),
        absl::StrCat("no service of layer 4 has ", ProtocolName(key.protocol),
                     " ", key.destination.ToString()));
  }
  out->service = {{service->config.address, service->config.port},
                  service->config.protocol};
  out->Say(absl::StrCat("service ", service->config.name, " ",
                        out->service->endpoint.ToString(), " of layer 4"));
  switch (Admit(now, *service, /*first=*/true, left)) {
    case Admission::kMessage:
      return ExplainMessage(now, tuple, *service, nullptr, datagram, out);
    case Admission::kDisabled:
      return ExplainRefusal(*service, DropReason::kServiceDisabled, out);
    case Admission::kFull:
      out->Say("the connection table is full: by hash, without an entry");
      return ExplainNew(tuple, *service,
                        context_.choice.ChooseStateless(
                            *service, key.source.address, key.source.port),
                        entry, true, "stateless", out);
    case Admission::kNotSyn:
    case Admission::kMidFlow:
    case Admission::kNew:
      break;
  }
  const ServerChoice::Preview preview =
      context_.choice.WouldChoose(now, *service, key.source.address);
  const auto& [kept, server, follow] = preview.found;
  if (kept != nullptr) {
    SayEntry(now, "src", key.source.address.ToString(), server, kept->expires(),
             follow, out);
  } else if (service->config.persistence.enabled) {
    out->Say("persistence: no entry of this client");
  }
  const bool followed = kept != nullptr && follow == persist::Follow::kGo;
  if (!followed && service->config.schedule == config::Schedule::kSourceHash) {
    out->slot = context_.choice.SourceSlotOf(key.source.address);
    out->Say(absl::StrCat("the client's address is in slot ", *out->slot,
                          " of 4096"));
  }
  if (!followed) SayObstacles(*service, out);
  if (preview.server == kNoSlot) {
    return ExplainRefusal(*service, preview.refused, out);
  }
  ExplainNew(tuple, *service, preview.server, entry, false,
             followed ? "persistence" : "schedule", out);
}

template <typename A>
void FlowPath<A>::ExplainMessage(Instant now, const FlowTuple<A>& tuple,
                                 const PlanService& service, Entry* first,
                                 std::span<const uint8_t> datagram,
                                 Explanation* out) {
  const Address client = UnpackAddress(tuple.source);
  persist::Attachment::Seen seen;
  const auto by_message = context_.choice.ChooseByMessage(
      now, service, client, datagram,
      [&](Slot slot) {
        return Existing(first, FlowTo(tuple, slot)) != nullptr;
      },
      &seen);
  ServerChoice::Choice choice;
  bool followed = false;
  if (by_message.has_value()) {
    choice = *by_message;
    followed = by_message->followed;
    if (seen.entry.has_value()) {
      const std::array<uint8_t, 16> digest = seen.entry->id.digest.bytes();
      SayEntry(
          now, "udpsip",
          absl::BytesToHexString(
              {reinterpret_cast<const char*>(digest.data()), digest.size()}),
          ServerOfKey(*context_.plan, seen.entry->server),
          seen.entry->started + seen.entry->timeout, seen.follow, out);
    } else {
      out->Say("persistence: no entry of what this message names");
    }
  } else {
    out->Say("no message that names what persistence goes by");
    if (first != nullptr) {
      out->Say("there is a connection: such a datagram goes where it goes");
      return out->Give(*out->connection->server, "connection");
    }
    choice = service.config.enabled
                 ? context_.choice.WouldSchedule(now, service, client)
                 : ServerChoice::Choice{kNoSlot, DropReason::kServiceDisabled};
  }
  if (!followed) SayObstacles(service, out);
  if (choice.server == kNoSlot) {
    return ExplainRefusal(service, choice.refused, out);
  }
  const absl::string_view reason = followed ? "persistence" : "schedule";
  if (const Entry* entry = Existing(first, FlowTo(tuple, choice.server))) {
    out->Say("there is a connection to that one");
    return out->Give({UnpackAddress(entry->server), entry->server_port},
                     reason);
  }
  ExplainNew(tuple, service, choice.server, nullptr,
             context_.connections_left == 0, reason, out);
}

template <typename A>
void FlowPath<A>::ExplainNew(const FlowTuple<A>& tuple,
                             const PlanService& service, Slot slot,
                             const Entry* gone, bool full,
                             absl::string_view reason, Explanation* out) {
  if (full) {
    const DropReason obstacle = StatelessObstacle(
        service, slot, UnpackAddress(tuple.source), tuple.destination_port);
    if (obstacle != DropReason::kNone) {
      return ExplainRefusal(service, obstacle, out);
    }
  }
  const PlanServer& server = *context_.plan->server(slot);
  const Entry flow = FlowTo(tuple, slot);
  if (IsToItself(flow)) {
    return ExplainRefusal(service, DropReason::kSourceIsDestination, out);
  }
  if (!full && !flow.Has(kDirect)) {
    const Entry* other = table_.Find(flow.Reverse()).connection;
    if ((other != nullptr && other != gone && !GivesWay(*other, flow)) ||
        flow.Forward() == flow.Reverse()) {
      return ExplainRefusal(service, DropReason::kFlowAmbiguous, out);
    }
  }
  if (context_.hops.view().FindRoute(server.endpoint.address) == nullptr) {
    return ExplainRefusal(service, DropReason::kNoRoute, out);
  }
  const Endpoint to = {UnpackAddress(flow.server), flow.server_port};
  if (server.sorry) reason = "sorry_server";
  out->Give(to, reason);
  out->Say(absl::StrCat(reason, ": ", to.ToString(),
                        server.forwarding == config::Forwarding::kRoute
                            ? ", direct return"
                            : ""));
}

template <typename A>
void FlowPath<A>::ExplainRefusal(const PlanService& service, DropReason reason,
                                 Explanation* out) const {
  std::string text;
  switch (reason) {
    case DropReason::kNoServer:
      text = "no server can take it, and there is no sorry server";
      break;
    case DropReason::kServiceDisabled:
      text = absl::StrCat("the service ", service.config.name, " is disabled");
      break;
    case DropReason::kConnectionTableFull:
      text =
          "the connection table is full, and a server's replies could not be "
          "told without an entry";
      break;
    case DropReason::kFlowAmbiguous:
      text =
          "the same client address and port has a connection to that server "
          "through another service";
      break;
    case DropReason::kSourceIsDestination:
      text = "the client is that server itself";
      break;
    case DropReason::kNoRoute:
      text = "no route to that server";
      break;
    default:
      text = "refused";
      break;
  }
  out->Refuse(DropReasonName(reason), std::move(text));
}

template <typename A>
void FlowPath<A>::SayObstacles(const PlanService& service,
                               Explanation* out) const {
  const ServerChoice& choice = context_.choice;
  size_t said = 0;
  size_t more = 0;
  for (const Slot slot : service.servers) {
    const PlanServer& server = *context_.plan->server(slot);
    const std::string obstacle = choice.ObstacleOf(server);
    if (obstacle.empty()) continue;
    if (++said > kObstaclesMax) {
      ++more;
      continue;
    }
    out->Say(absl::StrCat("server ", TextOf(&server), ": ", obstacle));
  }
  if (more > 0) out->Say(absl::StrCat(more, " servers more take nothing"));
  if (!choice.ServiceUp(service)) {
    out->Say(
        "the service is down: too few of its servers, or not one that must be "
        "there, can take anything");
  }
}

#define BALLAST_FLOW_EXPLAIN(A)                                               \
  template void FlowPath<A>::Explain(Instant, const FlowKey&,                 \
                                     std::span<const uint8_t>, Explanation*); \
  template void FlowPath<A>::ExplainMessage(                                  \
      Instant, const FlowTuple<A>&, const PlanService&, Connection<A>*,       \
      std::span<const uint8_t>, Explanation*);                                \
  template void FlowPath<A>::ExplainNew(                                      \
      const FlowTuple<A>&, const PlanService&, Slot, const Connection<A>*,    \
      bool, absl::string_view, Explanation*);                                 \
  template void FlowPath<A>::ExplainRefusal(const PlanService&, DropReason,   \
                                            Explanation*) const;              \
  template void FlowPath<A>::SayObstacles(const PlanService&, Explanation*)   \
      const;

BALLAST_FLOW_EXPLAIN(AddressV4)
BALLAST_FLOW_EXPLAIN(AddressV6)
#undef BALLAST_FLOW_EXPLAIN

}  // namespace ballast::l4
