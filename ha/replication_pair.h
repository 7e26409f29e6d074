// Two replicators, their tables, and the network between them on virtual time,
// for tests: datagrams that are lost, doubled and reordered, a stream that
// breaks.
//
// Threads  one.
#ifndef HA_REPLICATION_PAIR_H_
#define HA_REPLICATION_PAIR_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ha/fake_l7_table.h"
#include "ha/fake_state_table.h"
#include "ha/replicator.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ReplicationPair {
 public:
  struct Link {
    double loss = 0;
    double twice = 0;
    absl::Duration delay = absl::Microseconds(100);
    absl::Duration jitter;  // Up to so much more: reorders.
  };

  // One unit.
  class Unit : public ReplicationHost {
   public:
    Unit(ReplicationPair& pair, int index, Replicator::Options options,
         size_t changes_max, bool with_l7)
        : table(changes_max),
          replicator(With(std::move(options), with_l7 ? &l7 : nullptr), table,
                     *this),
          pair_(pair),
          index_(index) {}

    void SendSync(Instant, std::span<const uint8_t> payload) override {
      const std::vector<uint8_t> bytes(payload.begin(), payload.end());
      datagrams.push_back(bytes);
      pair_.Transmit(1 - index_, bytes);
    }
    bool SendStream(Instant, std::span<const uint8_t> payload) override {
      return pair_.TransmitStream(1 - index_, payload);
    }

    FakeStateTable table;
    FakeL7Table l7;
    Replicator replicator;
    std::vector<std::vector<uint8_t>> datagrams;  // Sent.

   private:
    static Replicator::Options With(Replicator::Options options, L7Table* l7) {
      options.l7 = l7;
      return options;
    }

    ReplicationPair& pair_;
    const int index_;
  };

  explicit ReplicationPair(const Replicator::Options& options = {},
                           uint64_t seed = 1, size_t changes_max = 100000,
                           bool l7 = false)
      : options_(options), changes_max_(changes_max), l7_(l7), prng_(seed) {
    for (int i = 0; i < 2; ++i) {
      options_.seed = prng_();
      units_[i] = std::make_unique<Unit>(*this, i, options_, changes_max, l7_);
    }
  }

  Unit& a() { return *units_[0]; }
  Unit& b() { return *units_[1]; }
  Unit& unit(int i) { return *units_[i]; }
  Instant now() const { return now_; }
  Link& link() { return link_; }
  // Whether the unit's position reaches the other, as adverts would bring it
  // every 20 ms.
  void set_adverts(bool on) { adverts_ = on; }
  // Before anything is put on the way: false loses it.
  std::function<bool(int to, std::span<const uint8_t> datagram)> filter;
  std::function<void(int to, std::span<const uint8_t> message)> on_stream;
  // Messages the stream takes before it is full; it empties by time.
  void set_stream_room(size_t messages) { stream_room_ = messages; }

  void StreamUp() {
    stream_ = true;
    for (auto& unit : units_) unit->replicator.OnStreamUp(now_);
  }
  void StreamDown() {
    stream_ = false;
    stream_queue_.clear();
    for (auto& unit : units_) unit->replicator.OnStreamDown(now_);
  }
  bool stream_up() const { return stream_; }

  // A leads, b follows, the stream is there, all is told.
  void Join() {
    a().replicator.Lead(now_);
    StreamUp();
    b().replicator.Follow(now_);
    Run(absl::Milliseconds(50));
  }

  // The unit's process dies and begins anew. Nothing of before reaches anybody:
  // the envelope sees to that.
  void Restart(int i) {
    if (stream_) StreamDown();
    wire_.clear();
    options_.seed = prng_();
    units_[i] = std::make_unique<Unit>(*this, i, options_, changes_max_, l7_);
  }

  void Run(absl::Duration duration) {
    const Instant end = now_ + duration;
    while (true) {
      Instant next = end;
      if (!wire_.empty()) next = std::min(next, wire_.begin()->first);
      if (!stream_queue_.empty()) {
        next = std::min(next, stream_queue_.front().at);
      }
      for (auto& unit : units_) {
        next = std::min(next, std::max(unit->replicator.deadline(),
                                       now_ + absl::Microseconds(1)));
      }
      if (adverts_) next = std::min(next, next_advert_);
      if (next > end) break;
      now_ = std::max(now_, next);
      Deliver();
      for (auto& unit : units_) {
        if (unit->replicator.deadline() > now_) continue;
        ++ticks_;
        unit->replicator.Tick(now_);
      }
      if (adverts_ && now_ >= next_advert_) {
        next_advert_ = now_ + absl::Milliseconds(20);
        Advertise();
      }
      if (after_step) after_step();
      if (now_ == end && !Due()) break;
    }
  }
  // Looks at the pair after each step.
  std::function<void()> after_step;
  uint64_t ticks() const { return ticks_; }
  std::mt19937_64& prng() { return prng_; }

 private:
  struct StreamMessageOnWay {
    Instant at;
    int to;
    std::vector<uint8_t> bytes;
  };

  bool Chance(double of) {
    return of > 0 && std::uniform_real_distribution<>(0, 1)(prng_) < of;
  }
  absl::Duration Delay() {
    absl::Duration delay = link_.delay;
    if (link_.jitter > absl::ZeroDuration()) {
      delay += link_.jitter * std::uniform_real_distribution<>(0, 1)(prng_);
    }
    return delay;
  }
  void Transmit(int to, const std::vector<uint8_t>& bytes) {
    if (filter && !filter(to, bytes)) return;
    if (Chance(link_.loss)) return;
    wire_.emplace(now_ + Delay(), std::pair(to, bytes));
    if (Chance(link_.twice)) {
      wire_.emplace(now_ + Delay(), std::pair(to, bytes));
    }
  }
  bool TransmitStream(int to, std::span<const uint8_t> bytes) {
    if (!stream_ || stream_queue_.size() >= stream_room_) return false;
    if (on_stream) on_stream(to, bytes);
    Instant at = now_ + link_.delay;
    if (!stream_queue_.empty()) at = std::max(at, stream_queue_.back().at);
    stream_queue_.push_back({at, to, {bytes.begin(), bytes.end()}});
    return true;
  }
  bool Due() const {
    return (!wire_.empty() && wire_.begin()->first <= now_) ||
           (!stream_queue_.empty() && stream_queue_.front().at <= now_);
  }
  void Deliver() {
    while (!wire_.empty() && wire_.begin()->first <= now_) {
      const auto [to, bytes] = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      units_[to]->replicator.OnSync(now_, bytes);
    }
    while (!stream_queue_.empty() && stream_queue_.front().at <= now_) {
      const StreamMessageOnWay message = std::move(stream_queue_.front());
      stream_queue_.pop_front();
      units_[message.to]->replicator.OnStream(now_, message.bytes);
    }
  }
  void Advertise() {
    for (int i = 0; i < 2; ++i) {
      units_[1 - i]->replicator.OnLeaderPosition(
          now_, units_[i]->replicator.position());
    }
  }

  Replicator::Options options_;
  const size_t changes_max_;
  const bool l7_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::mt19937_64 prng_;
  Link link_;
  bool adverts_ = true;
  Instant next_advert_ = now_;
  bool stream_ = false;
  size_t stream_room_ = 1000;
  std::unique_ptr<Unit> units_[2];
  std::multimap<Instant, std::pair<int, std::vector<uint8_t>>> wire_;
  std::deque<StreamMessageOnWay> stream_queue_;
  uint64_t ticks_ = 0;
};

}  // namespace ballast::ha

#endif  // HA_REPLICATION_PAIR_H_
