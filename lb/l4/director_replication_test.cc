// Goal    whatever happens to the flows of two directors, after every change of
//         one has gone to the other both have told and know the same, by their
//         sums and by their tables.
// Method  random traffic, time, configuration, transfers and takeovers over a
//         pair with tables of a few places. A naive model applies each record
//         as it passes. The seed is the only input.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "lb/l4/director_pair.h"

namespace ballast::l4 {
namespace {

using World = DirectorWorld;
using ha::SyncRecord;
using Kind = ha::SyncRecord::Kind;

// What a follower knows, by what it is told.
class Model {
 public:
  void Clear() { known_.clear(); }
  void Apply(const SyncRecord& record) {
    const auto key =
        std::tuple(record.protocol, record.client, record.virtual_service);
    if (record.kind == Kind::kConnection) known_[key] = record;
    if (record.kind == Kind::kGone) known_.erase(key);
  }
  ha::TableSummary Sum() const {
    ha::TableSummary sum;
    for (const auto& [key, record] : known_) {
      ++sum.count;
      sum.digest += IdentityHash(record);
    }
    return sum;
  }

 private:
  std::map<std::tuple<uint8_t, Endpoint, Endpoint>, SyncRecord> known_;
};

class Replay {
 public:
  explicit Replay(uint64_t seed)
      : prng_(seed),
        pair_({.services = Services(true, true),
               .director = {.connections_max = 12,
                            .persistence_entries_max = 4,
                            .fragments_max = 4,
                            .pending_frames_max = 4,
                            .changes_max = 256}},
              {1, 3, 0}) {
    Transfer();
  }

  void Step() {
    switch (Below(24)) {
      case 0:
        pair_.Advance(absl::Milliseconds(1 << Below(17)));
        break;
      case 1:
        pair_.Advance(absl::Seconds(Below(900)));
        break;
      case 2:
        Replicate();
        break;
      case 3:
        if (Below(4) == 0) Transfer();
        break;
      case 4:
        if (Below(8) == 0) TakeOver();
        break;
      case 5:
        if (Below(4) == 0) Configure();
        break;
      default:
        Packet();
    }
    if (pair_.a->director->changes_lost() != lost_) {
      lost_ = pair_.a->director->changes_lost();
      Transfer();
    }
  }

  void Check() {
    CheckSums();
    // No line of b's is more than it was told, once the rest is swept.
    pair_.b->Emit();
    uint64_t lines = 0;
    for (const SyncRecord& record : ExportAll(*pair_.b)) {
      lines += record.kind == Kind::kConnection;
    }
    ASSERT_EQ(lines, model_.Sum().count);
  }

 private:
  void CheckSums() {
    const ha::TableSummary told = pair_.a->director->Mark(pair_.a->now);
    Replicate();
    ASSERT_EQ(told, model_.Sum());
    const ha::TableSummary known = pair_.b->director->Mark(pair_.b->now);
    TakeChanges(*pair_.b);
    ASSERT_EQ(told, known);
  }

  static std::vector<config::VirtualService> Services(bool second_server,
                                                      bool udp) {
    auto tcp = Service(kVip, {"10.0.0.1:8080"});
    if (second_server) {
      tcp.servers.push_back({.endpoint = *Endpoint::Parse("10.0.0.2:8080")});
    }
    tcp.persistence = {.enabled = true, .timeout = absl::Minutes(6)};
    auto direct = Service(kDirectVip, {"10.0.0.2:80", "10.0.0.3:80"});
    for (auto& server : direct.servers) {
      server.forwarding = config::Forwarding::kRoute;
    }
    std::vector services = {tcp, direct,
                            Service(kVip6, {"[2001:db8:5::1]:8080"})};
    if (udp) {
      services.push_back(Service(kUdpVip, {"10.0.0.1:53"}, Protocol::kUdp));
    }
    return services;
  }

  uint32_t Below(uint32_t bound) { return prng_() % bound; }

  void Packet() {
    World& world = *pair_.a;
    const std::string client =
        absl::StrCat("192.0.2.", 7 + Below(2), ":", 4000 + Below(4));
    const std::string client6 =
        absl::StrCat("[2001:db8:c::7]:", 4000 + Below(3));
    constexpr const char* kFlags[] = {"S", "S", "S",  "A", "A",
                                      "A", "A", "FA", "R"};
    const char* flags = kFlags[Below(9)];
    switch (Below(6)) {
      case 0:
      case 1:
        world.FromClient(World::Tcp(client.c_str(), kVip, flags));
        break;
      case 2:
        world.FromClient(World::Tcp(client.c_str(), kDirectVip, flags));
        break;
      case 3:
        world.FromClient(World::Udp(client.c_str(), kUdpVip));
        break;
      case 4:
        world.FromClient(World::Tcp(client6.c_str(), kVip6, flags));
        break;
      case 5:
        world.FromServer(
            World::Tcp(Below(2) == 0 ? "10.0.0.1:8080" : "10.0.0.2:8080",
                       client.c_str(), flags[0] == 'S' ? "SA" : flags));
        break;
    }
  }

  void Replicate() {
    const auto changes = TakeChanges(*pair_.a);
    for (const SyncRecord& record : changes) model_.Apply(record);
    pair_.Apply(changes);
  }

  void Transfer() {
    DirectorStateTable from(*pair_.a->director), to(*pair_.b->director);
    from.StartTelling(pair_.a->now);
    model_.Clear();
    to.BeginReplace(pair_.b->now);
    ha::StateTable::Cursor cursor;
    std::vector<SyncRecord> some(1 + Below(4));
    while (!cursor.done) {
      const size_t count = from.Export(pair_.a->now, cursor, some);
      const std::vector<SyncRecord> piece(some.begin(), some.begin() + count);
      for (const SyncRecord& record : piece) model_.Apply(record);
      pair_.Apply(piece);
      // Life goes on meanwhile, and its changes may come late.
      for (uint32_t i = Below(6); i > 0; --i) Packet();
      if (Below(3) == 0) pair_.Advance(absl::Seconds(Below(130)));
      if (Below(2) == 0) Replicate();
    }
    Replicate();
    to.EndReplace(pair_.b->now, true);
    while (Below(2) != 0) pair_.b->Emit();
  }

  // Before the role is handed over: of what there is nothing stays untold.
  void HandOver() {
    pair_.a->director->SetActive(pair_.a->now, false);
    // A full table takes nothing before it hears of an end.
    if (Below(2) != 0 || pair_.b->director->flow_count() > 6) Replicate();
    const auto untold = ExportAll(*pair_.a, 1 + Below(5), true);
    for (const SyncRecord& record : untold) model_.Apply(record);
    pair_.Apply(untold);
    CheckSums();
    ASSERT_TRUE(ExportAll(*pair_.a, 5, true).empty());
  }

  void TakeOver() {
    if (Below(2) != 0) {
      HandOver();
    } else if (Below(2) != 0) {
      Replicate();
    }
    pair_.TakeOver();
    for (uint32_t i = Below(20); i > 0; --i) Packet();
    if (Below(2) != 0) pair_.Advance(absl::Seconds(Below(900)));
    lost_ = pair_.a->director->changes_lost();
    Transfer();
  }

  void Configure() {
    const auto services = Services(Below(2) != 0, Below(2) != 0);
    const bool leader_first = Below(2) != 0;
    (leader_first ? pair_.a : pair_.b)->Configure(services);
    for (uint32_t i = Below(8); i > 0; --i) Packet();
    pair_.Advance(absl::Milliseconds(5));
    if (Below(2) != 0) Replicate();
    (leader_first ? pair_.b : pair_.a)->Configure(services);
    pair_.Advance(absl::Milliseconds(5));
  }

  std::mt19937_64 prng_;
  DirectorPair pair_;
  Model model_;
  uint64_t lost_ = 0;
};

TEST(DirectorReplicationTest, BothUnitsKnowTheSame) {
  for (uint64_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Replay run(seed);
    for (int i = 0; i < 12; ++i) {
      for (int step = 0; step < 40; ++step) run.Step();
      ASSERT_NO_FATAL_FAILURE(run.Check());
    }
  }
}

}  // namespace
}  // namespace ballast::l4
