// The unit's packet lanes: made, told, asked, and run where they have no thread
// of their own.
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/run/unit.h"

namespace ballast::run {
namespace {

// Frames of one turn on the control thread before other work gets its chance.
constexpr int kRoundsMax = 16;

}  // namespace

absl::Status Unit::MakeLanes() {
  const uint32_t threads = static_cast<uint32_t>(model_->threads);
  const PacketSteering steering = network_->Steering(*model_);
  const AfPacketOptions packet_options = network_->PacketOptions();
  std::vector<std::unique_ptr<AfPacketIo>> ios;
  if (threads == 1) {
    BALLAST_ASSIGN_OR_RETURN(auto io, AfPacketIo::Create(packet_options));
    ios.push_back(std::move(io));
  } else {
    BALLAST_ASSIGN_OR_RETURN(ios,
                             AfPacketIo::CreateGroup(packet_options, steering));
  }
  const auto share = [threads](uint32_t limit) {
    return std::max<uint32_t>(1, (limit + threads - 1) / threads);
  };
  for (uint32_t i = 0; i < threads; ++i) {
    BALLAST_ASSIGN_OR_RETURN(
        auto director,
        l4::Director::Create(
            {.connections_max = share(model_->limits.connections),
             .persistence_entries_max =
                 share(model_->limits.persistence_entries),
             .fragments_max = share(model_->limits.fragments),
             .pending_frames_max = share(model_->limits.pending_frames),
             .table_key = table_key_,
             .source_key = source_key_,
             .answers_neighbours = i == 0,
             .keys = key_store_},
            plan_, network_->view(), MonotonicNow()));
    lanes_.push_back(
        std::make_unique<Lane>(std::move(ios[i]), std::move(director)));
  }
  RestoreFlows(steering);
  for (uint32_t i = 0; i < threads; ++i) {
    l4::Director& director = lanes_[i]->director();
    const Instant now = MonotonicNow();
    for (const Standing& server : StandingOfAll()) {
      director.SetHealthy(now, server.slot, server.up);
      director.SetWeight(server.slot, server.weight);
    }
    director.SetSync(MakeSyncOptions());
    if (active_) {
      director.SetActive(now, true, options_.claim_at_once);
    } else {
      director.SetFollowing(now, HearsEnds());
    }
  }
  // All counters first: a thread that starts reads the others'.
  const std::vector<const l4::AllCounters*> all = Counters();
  for (uint32_t i = 0; i < threads; ++i) {
    PacketRunner::Hooks hooks;
    hooks.on_wanted_hops = [this](std::vector<l4::NeighbourKey> keys) {
      const std::lock_guard lock(heard_mutex_);
      wanted_hops_.insert(wanted_hops_.end(), keys.begin(), keys.end());
      reactor_->Wake();
    };
    hooks.on_refused = [this](std::vector<l4::Slot> slots) {
      const std::lock_guard lock(heard_mutex_);
      refused_.insert(refused_.end(), slots.begin(), slots.end());
      reactor_->Wake();
    };
    hooks.on_address_news = [this](std::vector<l4::AddressClaim::News> news) {
      const std::lock_guard lock(heard_mutex_);
      address_news_.insert(address_news_.end(), news.begin(), news.end());
      reactor_->Wake();
    };
    hooks.on_changes = [this, &has = lanes_[i]->has_changes()] {
      if (has.exchange(true)) return;
      changes_heard_ = true;
      reactor_->Wake();
    };
    if (!active_) {
      hooks.lease_ns = &lease_ns_;
      hooks.clock = MonotonicNow;
    }
    for (uint32_t other = 0; other < threads; ++other) {
      if (other != i) hooks.others.push_back(all[other]);
    }
    if (options_.packets_on_control_thread) {
      lanes_[i]->StartHere(std::move(hooks));
    } else {
      BALLAST_RETURN_IF_ERROR(lanes_[i]->StartThread(std::move(hooks)));
    }
  }
  return absl::OkStatus();
}

std::vector<const l4::AllCounters*> Unit::Counters() const {
  std::vector<const l4::AllCounters*> counters;
  for (const auto& lane : lanes_) counters.push_back(&lane->counters());
  return counters;
}

absl::Status Unit::Distribute() {
  const std::vector<Standing> servers = StandingOfAll();
  const PacketSteering steering = network_->Steering(*model_);
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    absl::Status status;
    const bool done = lane.Call([&, i](Instant now, l4::Director& director) {
      director.SetSourceKey(source_key_);
      director.Apply(now, plan_);
      for (const Standing& server : servers) {
        director.SetHealthy(now, server.slot, server.up);
        director.SetWeight(server.slot, server.weight);
      }
      if (i == 0 && lanes_.size() > 1) {
        status = lane.af_packet().SetSteering(steering);
      }
    });
    if (!done) {
      return absl::UnavailableError(
          absl::StrCat("packet thread ", i,
                       " takes no orders; it runs the former "
                       "configuration until a next reload"));
    }
    BALLAST_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

void Unit::PostView() {
  view_owed_ = false;
  for (const auto& lane : lanes_) {
    const bool posted = lane->Post(
        [view = network_->view()](Instant now, l4::Director& director) {
          director.SetView(now, view);
        });
    view_owed_ |= !posted;
  }
}

void Unit::PostHealth() {
  health_owed_ = false;
  const std::vector<Standing> servers = StandingOfAll();
  for (const auto& lane : lanes_) {
    const bool posted =
        lane->Post([servers](Instant now, l4::Director& director) {
          for (const Standing& server : servers) {
            if (director.choice().healthy(server.slot) != server.up) {
              director.SetHealthy(now, server.slot, server.up);
            }
            director.SetWeight(server.slot, server.weight);
          }
        });
    health_owed_ |= !posted;
  }
}

void Unit::RunPackets() {
  PacketRunner& runner = *lanes_[0]->runner();
  for (int round = 0; round < kRoundsMax; ++round) {
    if (runner.RunOnce(MonotonicNow()) == 0) return;
  }
  // There is more: go on in the next turn.
  if (packet_tick_.pending()) {
    reactor_->Cancel(&packet_tick_);
  } else {
    reactor_->Timeout(&packet_tick_, Instant());
  }
}

void Unit::OnPackets(Completion completion) {
  if (!ending_ && completion.more) RunPackets();
}

void Unit::OnPacketTick(Completion completion) {
  (void)completion;  // RunPackets() cancels it to be called at once.
  if (ending_) return;
  RunPackets();
  if (!packet_tick_.pending()) {
    reactor_->Timeout(&packet_tick_, reactor_->Now() + PacketRunner::kTick);
  }
}

}  // namespace ballast::run
