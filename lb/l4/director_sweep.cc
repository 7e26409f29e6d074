// Director: servers that end, and the resets their flows get.
#include <algorithm>

#include "io/base/check.h"
#include "lb/l4/director.h"
#include "lb/l4/tcp_reset.h"

namespace ballast::l4 {
namespace {

constexpr size_t kSweepLines = 4096;  // Looked at per Emit().

}  // namespace

void Director::UpdateEnding(Instant now) {
  if (now < next_drain_end_) return;
  next_drain_end_ = Instant::Never();
  for (Slot slot = 0; slot < context_.servers.size(); ++slot) {
    const PlanServer* server = context_.plan->server(slot);
    if (server == nullptr) continue;
    const bool drained = server->drop_at_drain_end && server->drain_end <= now;
    const bool failed = context_.plan->model().drop_on_fail && !server->sorry &&
                        !context_.choice.healthy(slot);
    context_.servers[slot].ending = drained || failed;
    if (drained || failed) {
      sweeping_v4_ = sweeping_v6_ = true;
    } else if (server->drop_at_drain_end) {
      next_drain_end_ = std::min(next_drain_end_, server->drain_end);
    }
  }
  if (sweeping_v4_) {
    v4_.RestartSweep();
    v6_.RestartSweep();
  }
}

void Director::Sweep(Instant now) {
  const auto reset = [&](const auto& entry) {
    // One reset to each end; the server's only where packets of the client's
    // have said which sequence number it takes.
    const ResetPair pair{
        .client = UnpackAddress(entry.client),
        .vip = UnpackAddress(entry.vip),
        .server = UnpackAddress(entry.server),
        .client_port = entry.client_port,
        .vip_port = entry.vip_port,
        .server_port = entry.server_port,
        .direct = entry.Has(kDirect),
        .client_next = entry.client_next_seq,
        .client_ack = entry.client_ack,
    };
    if (output_.frames.size() - output_.count < 2) return false;
    for (const bool to_client : {true, false}) {
      // Looked up and used at once: a look-up may end the indices before it.
      const HopCache::Index hop =
          to_client ? context_.hops.Find(pair.client)
                    : context_.ServerHop(context_.servers[entry.server_slot],
                                         entry.server_slot);
      if (hop == HopCache::kNone || !context_.hops[hop].resolved) continue;
      Frame frame;
      if (!(*output_.allocate)(&frame)) return false;
      BALLAST_CHECK(to_client ? BuildResetToClient(frame, pair)
                              : BuildResetToServer(frame, pair));
      context_.counters.director.made.Add(1);
      context_.counters.director.resets.Add(1);
      Push(frame, context_.Send(now, frame, hop));
    }
    return true;
  };
  if (sweeping_v4_) sweeping_v4_ = !v4_.Sweep(now, kSweepLines, reset);
  if (sweeping_v6_) sweeping_v6_ = !v6_.Sweep(now, kSweepLines, reset);
}

}  // namespace ballast::l4
