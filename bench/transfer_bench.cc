// Questions  How long does it take to give a partner a million connections, and
//            what does it do to the packets forwarded meanwhile?
// Method     two directors, the one with all the flows, the other empty; NAT.
//            Round by round, a millisecond of virtual time each, as lb/run lets
//            the leader's control thread go:
//              512 packets of random flows through the leader's director, some
//              of which are worth a record by the default settings;
//              the leader's Tick(): at most 16 messages of 384 records,
//              exported, packed, sealed, framed into the stream's bytes (8 MB
//              at most); the follower takes them all: opened, read, applied.
//            It ends when the follower has all and both sums agree. Everything
//            is on one thread, and times are its own on its processor: no
//            sockets, no waiting. Before and after it the same packets are
//            forwarded without a transfer, in stretches of the same length.
// Counters   forward_ns       by packet, without a transfer and without telling
//            forward_told_ns  by packet, without a transfer, changes being told
//            forward_busy_ns  by packet, while the table is given
//            leader_ms, follower_ms  all that the transfer took of either unit
//            records_per_s    by the slower of the two
//            pace_ms          what the pace of a Tick() a millisecond allows
//            export_us_p99, export_us_max  for how long a call into the
//            leader's
//                             table keeps packets waiting that have a thread of
//                             their own
//            tick_us_max      the same where packets and pair share a thread
//            apply_us_max     a call into the follower's table
//            bytes            of a record in the stream
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "bench/flow_world.h"
#include "bench/sync_unit.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/check.h"
#include "io/base/instant.h"
#include "lb/l4/director.h"
#include "lb/l4/director_state_table.h"
#include "lb/l4/flow_tuple.h"

namespace ballast::l4 {
namespace {

// A director's table that knows how long each call into it took.
class TimedTable : public ha::StateTable {
 public:
  explicit TimedTable(Director& director) : table_(director) {}

  std::vector<double>& seconds() { return seconds_; }
  template <typename Call>
  auto Time(Call&& call) {
    const double before = ThreadSeconds();
    auto result = call();
    seconds_.push_back(ThreadSeconds() - before);
    return result;
  }

  size_t TakeChanges(Instant now, std::span<ha::SyncRecord> records) override {
    return Time([&] { return table_.TakeChanges(now, records); });
  }
  ha::TableSummary Mark(Instant now) override {
    return Time([&] { return table_.Mark(now); });
  }
  uint64_t changes_lost() const override { return table_.changes_lost(); }
  void StartTelling(Instant now) override {
    Time([&] {
      table_.StartTelling(now);
      return 0;
    });
  }
  void StopTelling(Instant now) override { table_.StopTelling(now); }
  size_t Export(Instant now, Cursor& cursor,
                std::span<ha::SyncRecord> records) override {
    return Time([&] { return table_.Export(now, cursor, records); });
  }
  uint64_t size() const override { return table_.size(); }
  void BeginReplace(Instant now) override {
    Time([&] {
      table_.BeginReplace(now);
      return 0;
    });
  }
  void EndReplace(Instant now, bool complete) override {
    Time([&] {
      table_.EndReplace(now, complete);
      return 0;
    });
  }
  ha::ApplyCounts Apply(Instant now,
                        std::span<const ha::SyncRecord> records) override {
    return Time([&] { return table_.Apply(now, records); });
  }

 private:
  DirectorStateTable table_;
  std::vector<double> seconds_;
};

template <typename A>
class World {
 public:
  explicit World(uint32_t flows)
      : flows_(flows),
        leading_(MakeDirector<A>(Options(flows), false)),
        following_(MakeDirector<A>(Options(flows), false)) {
    leading_->SetActive(now_, true, /*at_once=*/true);
    ImportFlows<A>(*leading_, flows, false);
    following_->SetFollowing(now_, true);
  }

  void Run(benchmark::State& state) {
    ha::Replicator& leader = leader_.replicator();
    ha::Replicator& follower = follower_.replicator();
    // So that every line is in whatever cache it will be in.
    Forward(kQuietRounds);
    const double quiet = Forward(kQuietRounds);

    double busy = 0;
    double leader_s = 0;
    double follower_s = 0;
    double tick_max = 0;
    size_t rounds = 0;
    leader.Lead(now_);
    leader.OnStreamUp(now_);
    follower.OnStreamUp(now_);
    follower.Follow(now_);
    leader_.TakeStreamMessage(now_, follower_);
    for (; !follower.complete(); ++rounds) {
      BALLAST_CHECK(rounds < 1'000'000);
      busy += Forward(1);
      const double before = ThreadSeconds();
      leader.Tick(now_);
      const double told = ThreadSeconds();
      while (follower_.TakeStreamMessage(now_, leader_)) {
      }
      follower_.TakeDatagrams(now_, leader_);
      follower.Tick(now_);
      const double taken = ThreadSeconds();
      while (leader_.TakeStreamMessage(now_, follower_)) {
      }
      leader_s += told - before;
      follower_s += taken - told;
      tick_max = std::max(tick_max, told - before);
    }
    BALLAST_CHECK(following_->flow_count() == flows_);
    BALLAST_CHECK(leading_->changes_lost() == 0);
    const uint64_t bytes = leader_.stream_bytes();

    double told = 0;
    for (size_t i = 0; i < kQuietRounds; ++i) {
      told += Forward(1);
      leader.Tick(now_);
      follower_.TakeDatagrams(now_, leader_);
      follower.Tick(now_);
    }
    BALLAST_CHECK(follower.complete());

    const auto packets = [](size_t n) {
      return static_cast<double>(n * kRing);
    };
    const double slower = std::max(leader_s, follower_s);
    std::vector<double>& exports = leader_table_.seconds();
    std::sort(exports.begin(), exports.end());
    state.SetIterationTime(slower);
    state.counters["forward_ns"] = quiet * 1e9 / packets(kQuietRounds);
    state.counters["forward_told_ns"] = told * 1e9 / packets(kQuietRounds);
    state.counters["forward_busy_ns"] = busy * 1e9 / packets(rounds);
    state.counters["leader_ms"] = leader_s * 1e3;
    state.counters["follower_ms"] = follower_s * 1e3;
    state.counters["records_per_s"] = flows_ / slower;
    state.counters["pace_ms"] = static_cast<double>(rounds);
    state.counters["export_us_p99"] = exports[exports.size() * 99 / 100] * 1e6;
    state.counters["export_us_max"] = exports.back() * 1e6;
    state.counters["tick_us_max"] = tick_max * 1e6;
    state.counters["apply_us_max"] =
        *std::max_element(follower_table_.seconds().begin(),
                          follower_table_.seconds().end()) *
        1e6;
    state.counters["bytes"] = static_cast<double>(bytes) / flows_;
  }

 private:
  static constexpr size_t kRing = FrameRing<A>::kSize;
  static constexpr size_t kQuietRounds = 400;

  static Director::Options Options(uint32_t flows) {
    return {.connections_max = flows, .table_key = {1, 2, 3}};
  }

  // Seconds of the director for so many rounds.
  double Forward(size_t rounds) {
    double seconds = 0;
    for (size_t round = 0; round < rounds; ++round) {
      now_ = now_ + absl::Milliseconds(1);
      for (size_t i = 0; i < kRing; ++i) {
        const uint32_t flow = prng_() % flows_;
        const Endpoint client = Client<A>(flow);
        ring_.Set(i, FrameOf(prng_() % 2 == 0
                                 ? TupleOf<A>(client, {Vip<A>(), kVipPort})
                                 : TupleOf<A>(Server<A>(flow, false), client)));
      }
      const double before = ThreadSeconds();
      ring_.Process(*leading_, now_);
      seconds += ThreadSeconds() - before;
      ring_.CheckSent();
    }
    return seconds;
  }

  const uint32_t flows_;
  Instant now_ = kNow;
  std::mt19937 prng_{42};
  std::unique_ptr<Director> leading_, following_;
  TimedTable leader_table_{*leading_}, follower_table_{*following_};
  ha::SyncUnit leader_{leader_table_, 1}, follower_{follower_table_, 2};
  FrameRing<A> ring_;
};

template <typename A>
void BM_Transfer(benchmark::State& state) {
  for (auto _ : state) {
    World<A>(static_cast<uint32_t>(state.range(0))).Run(state);
  }
}

#define BALLAST_SIZES   \
  ArgName("flows")      \
      ->Arg(10000)      \
      ->Arg(1000000)    \
      ->UseManualTime() \
      ->Iterations(1)   \
      ->Repetitions(1)  \
      ->Unit(benchmark::kMillisecond)

BENCHMARK_TEMPLATE(BM_Transfer, AddressV4)->BALLAST_SIZES;
BENCHMARK_TEMPLATE(BM_Transfer, AddressV6)->BALLAST_SIZES;

}  // namespace
}  // namespace ballast::l4
