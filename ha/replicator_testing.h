// A pair of replicators under test, and how to fill their tables.
#ifndef HA_REPLICATOR_TESTING_H_
#define HA_REPLICATOR_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "ha/fake_state_table.h"
#include "ha/replication_pair.h"
#include "ha/replicator.h"
#include "io/base/instant.h"

namespace ballast::ha {

class ReplicatorTest : public ::testing::Test {
 protected:
  void Make(const Replicator::Options& options, size_t changes_max = 100000,
            bool l7 = false) {
    pair_ = std::make_unique<ReplicationPair>(options, 1, changes_max, l7);
  }
  void SetUp() override { Make({}); }

  ReplicationPair::Unit& a() { return pair_->a(); }
  ReplicationPair::Unit& b() { return pair_->b(); }
  Instant now() { return pair_->now(); }
  void Run(absl::Duration duration) { pair_->Run(duration); }
  static void Fill(ReplicationPair::Unit& unit, uint32_t from, uint32_t to) {
    for (uint32_t n = from; n < to; ++n)
      unit.table.Put(FakeStateTable::Connection(n));
  }

  std::unique_ptr<ReplicationPair> pair_;
};

}  // namespace ballast::ha

#endif  // HA_REPLICATOR_TESTING_H_
