#include "ha/replicator.h"

#include <algorithm>
#include <utility>

#include "ha/replication_follower.h"
#include "ha/replication_leader.h"
#include "ha/sync_datagram.h"
#include "ha/transfer_wire.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {

struct Replicator::State {
  State(const Options& given, StateTable& table, Host& host)
      : options(given),
        leader(options, table, host, stats),
        follower(options, table, host, stats) {}

  const Options options;
  ReplicatorStats stats;
  ReplicationLeader leader;
  ReplicationFollower follower;
  bool stream = false;
};

Replicator::Replicator(const Options& options, StateTable& table, Host& host) {
  BALLAST_CHECK(options.queue_max > 0 && options.burst_max > 0 &&
                options.payload_max >= 256);
  state_ = std::make_unique<State>(options, table, host);
}

Replicator::~Replicator() = default;

// -- Roles ------------------------------------------------------------------

void Replicator::Lead(Instant now) {
  state_->follower.End(now);
  state_->leader.Begin(now, state_->stream);
}

void Replicator::Follow(Instant now) {
  state_->leader.End(now);
  state_->follower.Begin(now, state_->stream);
}

void Replicator::Idle(Instant now) {
  state_->leader.End(now);
  state_->follower.End(now);
}

void Replicator::TellAll(Instant now) { state_->leader.TellAll(now); }

bool Replicator::telling_all() const { return state_->leader.telling_all(); }

void Replicator::Finish(Instant now) { state_->leader.Finish(now); }

void Replicator::GiveTable(Instant now,
                           std::function<void(bool complete)> done) {
  state_->leader.GiveTable(now, std::move(done));
}

void Replicator::Resync(Instant now) { state_->leader.Resync(now); }

// -- Events -----------------------------------------------------------------

void Replicator::OnSync(Instant now, std::span<const uint8_t> payload) {
  ++state_->stats.datagrams_received;
  if (payload.size() < 8) {
    ++state_->stats.malformed;
    return;
  }
  const uint64_t position = LoadBig64(payload.data());
  if (position != 0) {
    if (state_->follower.following()) {
      state_->follower.OnDatagram(now, position, payload);
    } else {
      ++state_->stats.outdated;
    }
    return;
  }
  const auto questions = ReadQuestions(payload.subspan(8));
  if (!questions) {
    ++state_->stats.malformed;
    return;
  }
  if (!questions->repair.empty()) {
    state_->leader.OnRepair(now, questions->repair);
  }
  if (!questions->forgotten.empty()) {
    state_->follower.OnForgotten(now, questions->forgotten);
  }
}

void Replicator::OnStreamUp(Instant now) {
  state_->stream = true;
  state_->leader.OnStreamUp(now);
  state_->follower.OnStreamUp(now);
}

void Replicator::OnStreamDown(Instant now) {
  state_->stream = false;
  state_->leader.OnStreamDown(now);
  state_->follower.OnStreamDown(now);
}

void Replicator::OnStream(Instant now, std::span<const uint8_t> payload) {
  if (payload.empty()) {
    ++state_->stats.malformed;
    return;
  }
  const auto type = static_cast<StreamMessage>(payload[0]);
  const auto body = payload.subspan(1);
  if (state_->follower.following()) {
    state_->follower.OnStream(now, type, body);
  } else {
    state_->leader.OnStream(now, type, body);
  }
}

void Replicator::OnLeaderPosition(Instant now, uint64_t position) {
  state_->follower.OnLeaderPosition(now, position);
}

void Replicator::OnTableChanged(Instant now) {
  state_->leader.OnTableChanged(now);
}

void Replicator::Tick(Instant now) {
  state_->leader.Tick(now);
  state_->follower.Tick(now);
}

Instant Replicator::deadline() const {
  return std::min(state_->leader.deadline(), state_->follower.deadline());
}

// -- Outcome ----------------------------------------------------------------

uint64_t Replicator::position() const {
  return state_->follower.following() ? state_->follower.position()
                                      : state_->leader.position();
}

bool Replicator::complete() const { return state_->follower.complete(); }

uint64_t Replicator::lag() const { return state_->follower.lag(); }

const ReplicatorStats& Replicator::stats() const { return state_->stats; }

}  // namespace ballast::ha
