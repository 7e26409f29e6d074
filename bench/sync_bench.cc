// Questions  How many records a second does one core take from the leader's
//            director into the follower's, all included? How many bytes has a
//            record on the wire?
// Method     two directors with the same flows. Untimed: packets go through the
//            leader's, each worth a record (threshold 0, period 1). Timed: its
//            replicator takes the records from the director, packs them into
//            datagrams of 1400 bytes, seals them; the follower's opens them,
//            reads them, applies them to its director. Both halves on one
//            thread, its own time on its processor; nothing is lost, no
//            sockets.
//              update     a packet of a random established flow: what the
//                         follower has is brought up to date
//              lifecycle  a new flow is established, reset, and ends ten
//              seconds
//                         later: created, updated and removed
//            ipvs: the same updates as IPVS version 1 messages, neither
//            numbered nor sealed.
// Counters   leader_ns, follower_ns, both_ns by record, medians over the turns;
//            records_per_s by the sum of both; bytes: of a record, with its
//            share of headers and envelope, without UDP and IP.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "bench/flow_world.h"
#include "bench/sync_unit.h"
#include "ha/ipvs_wire.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/check.h"
#include "io/base/instant.h"
#include "lb/l4/director.h"
#include "lb/l4/director_state_table.h"
#include "lb/l4/flow_tuple.h"
#include "lb/l4/packet.h"

namespace ballast::l4 {
namespace {

constexpr size_t kRecords = 15360;  // Packets of a turn; one kind at a time.

// By record.
struct Costs {
  std::vector<double> leader_ns, follower_ns, both_ns;
  uint64_t records = 0;
  uint64_t bytes = 0;

  void Add(double leader_s, double follower_s, size_t count) {
    const double to_ns = 1e9 / static_cast<double>(count);
    leader_ns.push_back(leader_s * to_ns);
    follower_ns.push_back(follower_s * to_ns);
    both_ns.push_back((leader_s + follower_s) * to_ns);
    records += count;
  }
  void Report(benchmark::State& state) {
    const double both = Median(both_ns);
    state.counters["leader_ns"] = Median(leader_ns);
    state.counters["follower_ns"] = Median(follower_ns);
    state.counters["both_ns"] = both;
    state.counters["records_per_s"] = 1e9 / both;
    state.counters["bytes"] =
        static_cast<double>(bytes) / static_cast<double>(records);
  }
};

template <typename A>
class World {
 public:
  explicit World(uint32_t flows)
      : flows_(flows),
        leading_(MakeDirector<A>(Options(flows), false)),
        following_(MakeDirector<A>(Options(flows), false)) {
    leading_->SetSync({.settings = {.threshold = 0, .period = 1}});
    leading_->SetActive(now_, true, /*at_once=*/true);
    ImportFlows<A>(*leading_, flows, false);
    following_->SetFollowing(now_, true);
    ha::Join(now_, leader_, follower_);
    BALLAST_CHECK(following_->flow_count() == flows);
  }

  // One record each of kRecords random flows; untimed.
  void TouchFlows() {
    for (size_t done = 0; done < kRecords; done += kRing) {
      for (size_t i = 0; i < kRing; ++i) {
        ring_.Set(i, FrameOf(Tuple(prng_() % flows_)));
      }
      ring_.Process(*leading_, now_);
      ring_.CheckSent();
    }
  }
  // A packet each of kRecords flows beyond the established ones; untimed.
  void TouchNewFlows(uint8_t tcp_flags) {
    for (size_t done = 0; done < kRecords; done += kRing) {
      for (size_t i = 0; i < kRing; ++i) {
        ring_.Set(i, FrameOf(Tuple(static_cast<uint32_t>(flows_ + done + i)),
                             tcp_flags));
      }
      ring_.Process(*leading_, now_);
      ring_.CheckSent();
    }
  }
  // Time passes until those that were reset have ended; untimed.
  void EndNewFlows() {
    now_ = now_ + absl::Seconds(11);
    std::array<Frame, 1> frames;
    std::array<Verdict, 1> verdicts;
    for (int i = 0; i < 100 && leading_->flow_count() > flows_; ++i) {
      now_ = now_ + absl::Milliseconds(100);
      leading_->Emit(now_, frames, verdicts, [](Frame*) { return false; });
    }
    BALLAST_CHECK(leading_->flow_count() == flows_);
  }

  // All records from the one to the other.
  void Replicate(Costs& costs) {
    double leader = 0;
    double follower = 0;
    const uint64_t sent = leader_.replicator().stats().records_sent;
    const uint64_t bytes = leader_.datagram_bytes();
    // What the pace allows for a millisecond, and what is not full by the end.
    for (int i = 0; leader_.replicator().stats().records_sent < sent + kRecords;
         ++i) {
      BALLAST_CHECK(i < 1000);
      now_ = now_ + absl::Milliseconds(1);
      const double before = ThreadSeconds();
      leader_.replicator().Tick(now_);
      const double told = ThreadSeconds();
      follower_.TakeDatagrams(now_, leader_);
      follower += ThreadSeconds() - told;
      leader += told - before;
    }
    BALLAST_CHECK(leading_->changes_lost() == 0);
    BALLAST_CHECK(follower_.replicator().position() ==
                  leader_.replicator().position());
    costs.Add(leader, follower, kRecords);
    costs.bytes += leader_.datagram_bytes() - bytes;
  }

  // The same as the plain wire has it.
  void ReplicatePlainly(Costs& costs) {
    ha::IpvsWriter writer({.message_max = sizeof(A) == 4
                                              ? ha::kIpvsMessageMaxV4
                                              : ha::kIpvsMessageMaxV6});
    size_t messages = 0;
    const auto keep = [&] {
      if (messages == messages_.size()) messages_.emplace_back();
      const auto message = writer.Take();
      messages_[messages++].assign(message.begin(), message.end());
      costs.bytes += message.size();
    };
    const double before = ThreadSeconds();
    size_t count;
    while ((count = leading_->TakeChanges(now_, records_)) > 0) {
      for (size_t i = 0; i < count; ++i) {
        if (writer.Add(records_[i])) continue;
        keep();
        BALLAST_CHECK(writer.Add(records_[i]));
      }
    }
    keep();
    const double told = ThreadSeconds();
    ha::IpvsReader reader;
    size_t applied = 0;
    for (size_t i = 0; i < messages; ++i) {
      size_t entries = 0;
      ha::ReadIpvsMessage(messages_[i], reader,
                          [&](const ha::IpvsEntry& entry) {
                            records_[entries++] = entry.record;
                          });
      applied +=
          following_->Apply(now_, std::span(records_).first(entries)).updated;
    }
    const double done = ThreadSeconds();
    BALLAST_CHECK(applied == kRecords);
    costs.Add(told - before, done - told, kRecords);
  }

 private:
  static constexpr size_t kRing = FrameRing<A>::kSize;
  static_assert(kRecords % kRing == 0);

  static Director::Options Options(uint32_t flows) {
    return {.connections_max = flows + static_cast<uint32_t>(kRecords),
            .table_key = {1, 2, 3}};
  }
  static FlowTuple<A> Tuple(uint32_t flow) {
    return TupleOf<A>(Client<A>(flow), {Vip<A>(), kVipPort});
  }

  const uint32_t flows_;
  Instant now_ = kNow;
  std::mt19937 prng_{42};
  std::unique_ptr<Director> leading_, following_;
  DirectorStateTable leader_table_{*leading_}, follower_table_{*following_};
  ha::SyncUnit leader_{leader_table_, 1}, follower_{follower_table_, 2};
  FrameRing<A> ring_;
  std::vector<std::vector<uint8_t>> messages_;
  std::array<ha::SyncRecord, 64> records_;
};

// A world is kept between the runs that calibrate a benchmark.
template <typename A>
World<A>& Kept(uint32_t flows) {
  static uint32_t kept_for;
  static std::unique_ptr<World<A>> kept;
  if (kept == nullptr || kept_for != flows) {
    kept.reset();
    kept = std::make_unique<World<A>>(flows);
    kept_for = flows;
  }
  return *kept;
}

template <typename A>
void BM_Update(benchmark::State& state) {
  World<A>& world = Kept<A>(static_cast<uint32_t>(state.range(0)));
  Costs costs;
  for (auto _ : state) {
    world.TouchFlows();
    world.Replicate(costs);
    state.SetIterationTime(costs.both_ns.back() * kRecords / 1e9);
  }
  costs.Report(state);
}

template <typename A>
void BM_Lifecycle(benchmark::State& state) {
  World<A>& world = Kept<A>(static_cast<uint32_t>(state.range(0)));
  Costs costs;
  for (auto _ : state) {
    world.TouchNewFlows(kTcpSyn);  // Not told.
    world.TouchNewFlows(kTcpAck);
    world.Replicate(costs);
    double seconds = costs.both_ns.back();
    world.TouchNewFlows(kTcpRst);
    world.Replicate(costs);
    seconds += costs.both_ns.back();
    world.EndNewFlows();
    world.Replicate(costs);
    seconds += costs.both_ns.back();
    state.SetIterationTime(seconds * kRecords / 1e9);
  }
  costs.Report(state);
}

template <typename A>
void BM_Ipvs(benchmark::State& state) {
  World<A>& world = Kept<A>(static_cast<uint32_t>(state.range(0)));
  Costs costs;
  for (auto _ : state) {
    world.TouchFlows();
    world.ReplicatePlainly(costs);
    state.SetIterationTime(costs.both_ns.back() * kRecords / 1e9);
  }
  costs.Report(state);
}

#define BALLAST_SIZES                                               \
  ArgName("flows")->Arg(1000)->Arg(1000000)->UseManualTime()->Unit( \
      benchmark::kMillisecond)

BENCHMARK_TEMPLATE(BM_Update, AddressV4)->BALLAST_SIZES->Iterations(100);
BENCHMARK_TEMPLATE(BM_Lifecycle, AddressV4)->BALLAST_SIZES->Iterations(20);
BENCHMARK_TEMPLATE(BM_Ipvs, AddressV4)->BALLAST_SIZES->Iterations(100);
BENCHMARK_TEMPLATE(BM_Update, AddressV6)->BALLAST_SIZES->Iterations(100);
BENCHMARK_TEMPLATE(BM_Lifecycle, AddressV6)->BALLAST_SIZES->Iterations(20);
BENCHMARK_TEMPLATE(BM_Ipvs, AddressV6)->BALLAST_SIZES->Iterations(100);

}  // namespace
}  // namespace ballast::l4
