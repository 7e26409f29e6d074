#include "lb/l4/director.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "lb/l4/responder.h"
#include "lb/l4/rewrite.h"

namespace ballast::l4 {
namespace {

constexpr size_t kExpireBudget = 1024;  // Looked at per Emit().

SipKey TableKey(const config::HashKey& key) {
  SipKey sip_key;
  static_assert(sizeof(sip_key) == sizeof(key));
  std::memcpy(&sip_key, key.data(), key.size());
  return sip_key;
}

std::array<uint32_t, kTcpStateCount> TimeoutsMs(
    const config::TcpTimeouts& timeouts) {
  const auto ms = [](absl::Duration d) {
    return static_cast<uint32_t>(absl::ToInt64Milliseconds(d));
  };
  std::array<uint32_t, kTcpStateCount> by_state{};
  const auto set = [&](TcpState state, absl::Duration d) {
    by_state[static_cast<size_t>(state)] = ms(d);
  };
  set(TcpState::kNone, timeouts.none);
  set(TcpState::kSynSent, timeouts.syn_sent);
  set(TcpState::kSynReceived, timeouts.syn_recv);
  set(TcpState::kFinWait, timeouts.fin_wait);
  set(TcpState::kTimeWait, timeouts.time_wait);
  set(TcpState::kClose, timeouts.close);
  set(TcpState::kCloseWait, timeouts.close_wait);
  set(TcpState::kLastAck, timeouts.last_ack);
  set(TcpState::kListen, timeouts.listen);
  set(TcpState::kSynAck, timeouts.synack);
  return by_state;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Director>> Director::Create(
    const Options& options, std::shared_ptr<const Plan> plan,
    std::shared_ptr<const ForwardingView> view, Instant now) {
  BALLAST_ASSIGN_OR_RETURN(
      ServerChoice choice,
      ServerChoice::Create(
          {.persistence_entries_max = options.persistence_entries_max,
           .table_key = options.table_key,
           .source_key = options.source_key,
           .keys = options.keys}));
  BALLAST_ASSIGN_OR_RETURN(FragmentTable fragments,
                           FragmentTable::Create(options.fragments_max,
                                                 TableKey(options.table_key)));
  BALLAST_ASSIGN_OR_RETURN(auto v4, ConnectionTable<AddressV4>::Create(
                                        {.limit = options.connections_max,
                                         .key = TableKey(options.table_key)}));
  BALLAST_ASSIGN_OR_RETURN(auto v6, ConnectionTable<AddressV6>::Create(
                                        {.limit = options.connections_max,
                                         .key = TableKey(options.table_key)}));
  std::unique_ptr<Director> director(
      new Director(options, std::move(view), std::move(choice),
                   std::move(fragments), std::move(v4), std::move(v6)));
  director->Apply(now, std::move(plan));
  return director;
}

Director::Director(const Options& options,
                   std::shared_ptr<const ForwardingView> view,
                   ServerChoice choice, FragmentTable fragments,
                   ConnectionTable<AddressV4> v4, ConnectionTable<AddressV6> v6)
    : options_(options),
      context_(std::move(view), std::move(choice), options.pending_frames_max,
               std::move(fragments), options.changes_max, options.unbound_max),
      v4_(std::move(v4), context_),
      v6_(std::move(v6), context_) {
  context_.connections_left = options.connections_max;
  context_.sink = options.sink;
}

void Director::Process(Instant now, std::span<Frame> frames,
                       std::span<Verdict> verdicts) {
  const size_t count = frames.size();
  BALLAST_CHECK(count <= kBatchMax && verdicts.size() >= count);
  context_.counters.director.received.Add(count);
  if (!Leased(now)) [[unlikely]] {
    for (size_t i = 0; i < count; ++i) {
      verdicts[i] = context_.Drop(DropReason::kLeaseExpired);
    }
    return;
  }
  const auto is_flow = [this](size_t i) {
    return parsed_[i] == DropReason::kNone &&
           (packets_[i].kind == PacketKind::kTcp ||
            packets_[i].kind == PacketKind::kUdp);
  };
  for (size_t i = 0; i < count; ++i) {
    parsed_[i] = Parse(frames[i], &packets_[i]);
    if (!is_flow(i)) continue;
    if (packets_[i].v6) {
      v6_.Prepare(i, frames[i], packets_[i]);
    } else {
      v4_.Prepare(i, frames[i], packets_[i]);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (!is_flow(i)) continue;
    if (packets_[i].v6) {
      v6_.Prefetch(i);
    } else {
      v4_.Prefetch(i);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    verdicts[i] = parsed_[i] == DropReason::kNone
                      ? Handle(now, i, frames[i], packets_[i])
                      : context_.Drop(parsed_[i]);
  }
}

Verdict Director::Handle(Instant now, size_t i, Frame& frame,
                         const Packet& packet) {
  const Port& port = context_.hops.view().ports()[frame.port];
  if (port.host_mac.has_value()) return HandleFromHost(now, frame, packet);
  switch (packet.kind) {
    case PacketKind::kArp:
    case PacketKind::kNeighbourSolicitation:
    case PacketKind::kNeighbourAdvertisement:
      return HandleNeighbour(now, frame, packet);
    case PacketKind::kNotIp:
      return context_.Drop(DropReason::kProtocolUnsupported);
    default:
      break;
  }
  if (std::memcmp(frame.data, port.mac.bytes.data(), 6) != 0) {
    return context_.Drop(DropReason::kForeign);
  }
  if (!context_.active) return context_.Drop(DropReason::kStandby);

  switch (packet.kind) {
    case PacketKind::kTcp:
    case PacketKind::kUdp: {
      Verdict verdict;
      const bool ours = packet.v6 ? v6_.Handle(now, i, frame, packet, &verdict)
                                  : v4_.Handle(now, i, frame, packet, &verdict);
      if (ours) return verdict;
      return HandleRest(frame, packet, DropReason::kNoService);
    }
    case PacketKind::kIcmpError: {
      const std::optional<Verdict> verdict =
          packet.v6 ? v6_.HandleError(now, frame, packet)
                    : v4_.HandleError(now, frame, packet);
      if (verdict) return *verdict;
      return HandleRest(frame, packet, DropReason::kIcmpUnmatched);
    }
    case PacketKind::kFragment:
      return packet.v6 ? v6_.HandleFragment(now, frame, packet)
                       : v4_.HandleFragment(now, frame, packet);
    case PacketKind::kIcmpEchoRequest:
      if (context_.plan->IsFloating(DestinationAddress(frame, packet))) {
        if (!MakeEchoReply(frame, packet)) {
          return context_.Drop(DropReason::kNoRoom);
        }
        return context_.Answered();
      }
      [[fallthrough]];
    default:
      return HandleRest(frame, packet, DropReason::kProtocolUnsupported);
  }
}

Verdict Director::HandleRest(Frame& frame, const Packet& packet,
                             DropReason reason) {
  // To a floating address: the host may serve it (an L7 listener, management).
  // To another: a server uses us as its gateway, and the host routes.
  return context_.Punt(
      frame, context_.plan->IsFloating(DestinationAddress(frame, packet))
                 ? reason
                 : DropReason::kForeign);
}

Verdict Director::HandleFromHost(Instant now, Frame& frame,
                                 const Packet& packet) {
  switch (packet.kind) {
    case PacketKind::kArp:
    case PacketKind::kNeighbourSolicitation:
    case PacketKind::kNeighbourAdvertisement:
    case PacketKind::kNotIp:
      return context_.Drop(DropReason::kProtocolUnsupported);
    default:
      break;
  }
  if (!context_.active) return context_.Drop(DropReason::kStandby);
  const Address destination = DestinationAddress(frame, packet);
  if (context_.plan->IsFloating(destination)) {
    return context_.Drop(DropReason::kForeign);
  }
  const uint16_t host_port = frame.port;
  const HopCache::Index index = context_.hops.Find(destination);
  if (index == HopCache::kNone || context_.hops[index].key.port == host_port) {
    return context_.Drop(DropReason::kNoRoute);
  }
  return context_.Send(now, frame, index);
}

bool Director::Push(const Frame& frame, Verdict verdict) {
  if (output_.full()) return false;
  output_.frames[output_.count] = frame;
  output_.verdicts[output_.count] = verdict;
  ++output_.count;
  return true;
}

size_t Director::Emit(Instant now, std::span<Frame> frames,
                      std::span<Verdict> verdicts, Allocate allocate) {
  BALLAST_CHECK(verdicts.size() >= frames.size());
  output_ = {frames, verdicts, &allocate, 0};
  EmitWaiting(now);
  UpdateEnding(now);
  if (Leased(now)) {
    Announce(now);
    Sweep(now);
  }
  SweepUntold();
  context_.choice.Tick(now);
  v4_.Expire(now, kExpireBudget);
  v6_.Expire(now, kExpireBudget);
  ExpireUnbound(now);
  context_.choice.store().Advance(now, kExpireBudget);
  return std::exchange(output_, {}).count;
}

void Director::DropUnsent(std::span<const Frame> frames) {
  DirectorCounters& counters = context_.counters.director;
  const std::vector<Port>& ports = context_.hops.view().ports();
  for (const Frame& frame : frames) {
    const bool punted =
        frame.port < ports.size() && ports[frame.port].host_mac.has_value();
    (punted ? counters.punted : counters.sent).Sub(1);
    context_.Drop(DropReason::kLeaseExpired);
  }
}

void Director::EmitWaiting(Instant now) {
  while (!output_.full()) {
    auto taken = context_.waiting.Take(now, context_.hops.view());
    if (!taken) return;
    if (!Leased(now)) {
      Push(taken->frame, context_.Drop(DropReason::kLeaseExpired));
      continue;
    }
    if (!taken->resolved || !context_.active) {
      Push(taken->frame, context_.Drop(DropReason::kNeighbourUnresolved));
      continue;
    }
    SetMacs(taken->frame, *taken->resolved,
            context_.hops.view().ports()[taken->key.port].mac);
    context_.counters.director.sent.Add(1);
    Push(taken->frame, {Verdict::Action::kSend, DropReason::kNone});
  }
}

void Director::SetActive(Instant now, bool active, bool at_once) {
  if (active && !context_.active) {
    // Nothing that came by sync dies of the age it had with the partner, and
    // what is not in the partner's table stays if it was not removed yet.
    context_.synced_since = now;
    if (untold_sweep_ == UntoldSweep::kRemove) {
      StartUntoldSweep(UntoldSweep::kForget);
    }
    next_drain_end_ = now;  // Flows of ending servers are ours to reset now.
    context_.AwaitReplies(now);
  }
  context_.active = active;
  if (!active) announcements_.clear();
  std::vector<Address> wanted;
  if (active) {
    for (const auto& floating : context_.plan->model().floating_addresses) {
      wanted.push_back(floating.address);
    }
  }
  claim_.Want(now, wanted, at_once);
}

void Director::Apply(Instant now, std::shared_ptr<const Plan> plan) {
  const std::shared_ptr<const Plan> before = std::exchange(context_.plan, plan);
  context_.tcp_timeouts_ms = TimeoutsMs(plan->model().tcp_timeouts);
  context_.choice.Apply(now, plan);
  context_.stateless_until.resize(
      std::max(context_.stateless_until.size(), plan->service_slots()),
      Instant::FromNanos(0));
  // Slots in use before stay addressable: their flows may still be here.
  context_.servers.resize(
      std::max(context_.servers.size(), plan->server_slots()));
  for (Slot slot = 0; slot < context_.servers.size(); ++slot) {
    ServerPath& path = context_.servers[slot];
    const PlanServer* server = plan->server(slot);
    path.counters = &context_.counters.servers.Reserve(slot);
    path.valid = server != nullptr;
    if (!path.valid) continue;
    // New in this slot, or back: it counts from zero.
    if ((before == nullptr || before->server(slot) == nullptr) &&
        path.counters->open.value() == 0) {
      path.counters->Reset();
    }
    path.nat = server->forwarding == config::Forwarding::kNat;
    path.idle_timeout_ms = plan->service(server->service)->idle_timeout_ms;
    path.service = server->service;
    const PlanService& service = *plan->service(server->service);
    path.by_message = service.by_message();
    path.refresh = service.config.persistence.refresh && !service.by_message();
    path.hop = context_.hops.Find(server->endpoint.address);
    path.hop_epoch = context_.hops.epoch();
  }
  for (Slot slot = 0; slot < plan->service_slots(); ++slot) {
    const PlanService* service = plan->service(slot);
    if (service == nullptr) continue;
    ServiceCounters& counters = context_.counters.services.Reserve(slot);
    const PlanService* was =
        before == nullptr ? nullptr : before->service(slot);
    if (was == nullptr || was->id != service->id) counters.Reset();
  }
  sweeping_v4_ = sweeping_v6_ = true;
  v4_.RestartSweep();
  v6_.RestartSweep();
  next_drain_end_ = now;
  BindUnbound(now);
  if (context_.active) SetActive(now, true);
}

void Director::SetView(Instant now,
                       std::shared_ptr<const ForwardingView> view) {
  const std::vector<Port>& before = context_.hops.view().ports();
  for (size_t i = 0; i < view->ports().size(); ++i) {
    const bool was_up = i < before.size() && before[i].up;
    if (view->ports()[i].up && !was_up) claim_.Reannounce(now);
  }
  context_.hops.Update(std::move(view));
}

void Director::UpdateForeign(std::span<const AllCounters* const> others) {
  const Plan& plan = *context_.plan;
  for (Slot slot = 0; slot < plan.server_slots(); ++slot) {
    const PlanServer* server = plan.server(slot);
    if (server == nullptr || server->removed || server->sorry) continue;
    const config::Schedule schedule =
        plan.service(server->service)->config.schedule;
    if (server->connection_limit == 0 &&
        schedule != config::Schedule::kLeastConnection &&
        schedule != config::Schedule::kWeightedLeastConnection) {
      continue;
    }
    uint64_t count = 0;
    for (const AllCounters* other : others) {
      if (const ServerCounters* counters = other->servers.Get(slot)) {
        count += counters->active.value();
      }
    }
    context_.choice.SetForeign(slot, static_cast<uint32_t>(count));
  }
}

std::vector<Slot> Director::TakeRefused() {
  return std::exchange(context_.refused, {});
}

std::vector<NeighbourKey> Director::TakeWantedHops() {
  return context_.hops.TakeWantedHops();
}

void Director::SetHealthy(Instant now, Slot server, bool healthy) {
  context_.choice.SetHealthy(now, server, healthy);
  next_drain_end_ = now;  // drop_on_fail is looked at there.
}

std::optional<FlowView> Director::FindFlow(const FlowKey& key) {
  return key.source.address.is_v4() ? v4_.Find(key) : v6_.Find(key);
}

bool Director::Absorb(Instant now, FlowHandle handle, uint32_t packets,
                      uint64_t bytes, Instant last_seen) {
  return handle.v6 ? v6_.Absorb(now, handle, packets, bytes, last_seen)
                   : v4_.Absorb(now, handle, packets, bytes, last_seen);
}

void Director::List(ListCursor& cursor, uint32_t lines,
                    const FlowFilter& filter, size_t count_max,
                    std::vector<FlowView>& flows) {
  cursor.line = cursor.v6
                    ? v6_.List(cursor.line, lines, filter, count_max, flows)
                    : v4_.List(cursor.line, lines, filter, count_max, flows);
  if (cursor.line != 0) return;
  cursor.done = cursor.v6;
  cursor.v6 = true;
}

size_t Director::Export(Instant now, ExportCursor& cursor,
                        std::span<FlowRecord> records) {
  size_t count = 0;
  uint32_t next = static_cast<uint32_t>(cursor.position);
  switch (cursor.stage) {
    case 0:
      next = v4_.Export(now, next, count, records);
      break;
    case 1:
      next = v6_.Export(now, next, count, records);
      break;
    default:
      next = context_.choice.Export(now, next, count, records);
      break;
  }
  cursor.position = next;
  if (next == 0) cursor.done = ++cursor.stage == 3;
  return count;
}

bool Director::Import(Instant now, const FlowRecord& record) {
  if (record.kind == FlowRecord::Kind::kPersistence) {
    return context_.choice.Import(now, record);
  }
  return record.server.address.is_v4() ? v4_.Import(now, record)
                                       : v6_.Import(now, record);
}

}  // namespace ballast::l4
