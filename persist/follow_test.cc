#include "persist/follow.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"
#include "io/base/instant.h"

namespace ballast::persist {
namespace {

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

// The vendor's table, §5.2, row by row, at both layers.
TEST(FollowTest, TheVendorsTable) {
  struct Row {
    const char* what;
    ServerStanding server;
    Follow layer4;
    Follow layer7;
  };
  const Instant running = kNow + absl::Nanoseconds(1);
  for (const Row& row : {
           Row{"up, enabled", {}, Follow::kGo, Follow::kGo},
           Row{"down", {.up = false}, Follow::kDiscard, Follow::kDiscard},
           Row{"disabled, drain time running",
               {.enabled = false, .drain_end = running},
               Follow::kDiscard,
               Follow::kGo},
           Row{"disabled, drain time over",
               {.enabled = false, .drain_end = kNow},
               Follow::kDiscard,
               Follow::kDiscard},
           Row{"down while it drains",
               {.up = false, .enabled = false, .drain_end = running},
               Follow::kDiscard,
               Follow::kDiscard},
           Row{"full", {.full = true}, Follow::kPassBy, Follow::kPassBy},
           Row{"full and disabled",
               {.enabled = false, .full = true, .drain_end = kNow},
               Follow::kDiscard,
               Follow::kDiscard},
       }) {
    EXPECT_EQ(FollowEntry(kNow, false, row.server), row.layer4) << row.what;
    EXPECT_EQ(FollowEntry(kNow, true, row.server), row.layer7) << row.what;
  }
}

}  // namespace
}  // namespace ballast::persist
