#include "ha/state_table.h"

#include "gtest/gtest.h"
#include "ha/sync_record.h"
#include "io/base/address.h"

namespace ballast::ha {
namespace {

SyncRecord Record() {
  SyncRecord record;
  record.protocol = 6;
  record.client = *Endpoint::Parse("10.0.0.1:40000");
  record.virtual_service = *Endpoint::Parse("192.0.2.1:80");
  record.server = *Endpoint::Parse("192.168.0.1:8080");
  return record;
}

// Expected: CPython 3.11's own SipHash-1-3 with a key of zeros (hash() of the
// bytes under PYTHONHASHSEED=0).
TEST(IdentityHashTest, IsSipHash13OfAddressesPortsAndProtocol) {
  EXPECT_EQ(IdentityHash(Record()), 0xcfa38880694b5166u);
  SyncRecord v6;
  v6.protocol = 17;
  v6.v6 = true;
  v6.client = *Endpoint::Parse("[2001:db8::9]:40000");
  v6.virtual_service = *Endpoint::Parse("[2001:db8::1]:443");
  v6.server = *Endpoint::Parse("[2001:db8::80]:8443");
  EXPECT_EQ(IdentityHash(v6), 0x7db89267d31fbccfu);
}

TEST(IdentityHashTest, IsOfWhatNamesAConnectionAndNothingElse) {
  const uint64_t hash = IdentityHash(Record());
  SyncRecord record = Record();
  record.state = 7;
  record.flags = kInactive;
  record.timeout_s = 3;
  record.has_detail = true;
  record.idle_ms = 4;
  EXPECT_EQ(IdentityHash(record), hash);
  record = Record();
  record.server.port = 8081;
  EXPECT_NE(IdentityHash(record), hash);
  record = Record();
  record.client.port = 40001;
  EXPECT_NE(IdentityHash(record), hash);
  record = Record();
  record.virtual_service.port = 81;
  EXPECT_NE(IdentityHash(record), hash);
  record = Record();
  record.protocol = 17;
  EXPECT_NE(IdentityHash(record), hash);
}

TEST(ApplyCountsTest, AddUpFieldByField) {
  ApplyCounts counts{1, 2, 3, 4, 5, 6};
  counts += {10, 20, 30, 40, 50, 60};
  EXPECT_EQ(counts.created, 11u);
  EXPECT_EQ(counts.updated, 22u);
  EXPECT_EQ(counts.removed, 33u);
  EXPECT_EQ(counts.unbound, 44u);
  EXPECT_EQ(counts.stale, 55u);
  EXPECT_EQ(counts.refused, 66u);
}

}  // namespace
}  // namespace ballast::ha
