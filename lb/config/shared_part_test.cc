#include "lb/config/shared_part.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

// ballast.proto as protoc understood it, comments included.
std::string descriptor_path;

proto::Config Parse(const std::string& text) {
  const auto config = ParseConfig(text);
  EXPECT_THAT(config, IsOk());
  return config.value_or(proto::Config());
}

constexpr char kFirst[] = R"pb(
  interfaces { name: "eth0" mac: "02:00:00:00:00:01" }
  floating_addresses { address: "10.0.0.254" }
  virtual_services { address: "192.0.2.1" port: 80 }
  threads: 4
  hash_key: "000102030405060708090a0b0c0d0e0f"
  state_dir: "/first"
  punt_interface: "punt0"
  statistics_period_s: 0
  ha {
    mode: FIRST
    links { interface: "eth0" own_address: "192.0.2.2/24" }
    shared_address: "192.0.2.7"
    timeout_s: 3
    keys: "first's"
    key_file: "/key"
    reboot_command: "/sbin/reboot"
    update_interface: "eth0"
    multicast_interface: "eth0"
    wire: PLAIN
    plain { password: "secret" }
    realtime_priority: 0
    l4_sync_threshold: 0
  }
  generation: 9
)pb";

constexpr char kSecond[] = R"pb(
  interfaces { name: "ens1" }
  interfaces { name: "ens2" }
  threads: 2
  state_dir: "/second"
  connection_timeout_s: 70
  virtual_services { address: "192.0.2.9" port: 99 }
  ha { mode: SECOND keys: "second's" timeout_s: 6 broadcast: true }
  generation: 4
)pb";

TEST(SharedPartTest, HasNothingOfTheUnit) {
  EXPECT_EQ(
      SharedPart(Parse(kFirst)).DebugString(),
      Parse(R"pb(
        floating_addresses { address: "10.0.0.254" }
        virtual_services { address: "192.0.2.1" port: 80 }
        hash_key: "000102030405060708090a0b0c0d0e0f"
        ha { shared_address: "192.0.2.7" timeout_s: 3 l4_sync_threshold: 0 }
        generation: 9
      )pb")
          .DebugString());
}

TEST(SharedPartTest, MergedHasTheUnitFromHereAndTheRestFromThere) {
  EXPECT_EQ(
      MergeShared(Parse(kSecond), SharedPart(Parse(kFirst))).DebugString(),
      Parse(R"pb(
        interfaces { name: "ens1" }
        interfaces { name: "ens2" }
        threads: 2
        state_dir: "/second"
        floating_addresses { address: "10.0.0.254" }
        virtual_services { address: "192.0.2.1" port: 80 }
        hash_key: "000102030405060708090a0b0c0d0e0f"
        ha {
          mode: SECOND
          keys: "second's"
          shared_address: "192.0.2.7"
          timeout_s: 3
          l4_sync_threshold: 0
        }
        generation: 9
      )pb")
          .DebugString());
}

// A partner cannot change this unit's keys or wire, whatever it sends.
TEST(SharedPartTest, PerUnitFieldsThatArriveAreIgnored) {
  const proto::Config merged = MergeShared(Parse(kSecond), Parse(kFirst));
  EXPECT_EQ(
      merged.DebugString(),
      MergeShared(Parse(kSecond), SharedPart(Parse(kFirst))).DebugString());
  const auto parsed = ParseShared(Parse(kFirst).SerializeAsString());
  ASSERT_THAT(parsed, IsOk());
  EXPECT_FALSE(parsed->ha().has_plain());
  EXPECT_EQ(parsed->ha().keys_size(), 0);
}

TEST(SharedPartTest, UnitsThatMergedHaveEqualSharedParts) {
  const proto::Config first = Parse(kFirst);
  const proto::Config merged = MergeShared(Parse(kSecond), first);
  EXPECT_EQ(SerializeShared(merged), SerializeShared(first));
  EXPECT_EQ(SharedDigest(merged), SharedDigest(first));
  EXPECT_NE(SharedDigest(Parse(kSecond)), SharedDigest(first));
  // And merging one's own changes nothing.
  EXPECT_EQ(MergeShared(first, first).DebugString(), first.DebugString());
  EXPECT_EQ(MergeShared(merged, merged).DebugString(), merged.DebugString());
}

TEST(SharedPartTest, MessageWithNothingSharedInItIsAsNone) {
  EXPECT_EQ(SharedPart(Parse("ha { mode: FIRST }")).DebugString(), "");
  EXPECT_EQ(SharedDigest(Parse("ha { mode: FIRST }")),
            SharedDigest(Parse("threads: 3")));
}

TEST(SharedPartTest, DigestLeavesTheGenerationOut) {
  EXPECT_EQ(SharedDigest(Parse("generation: 5 drop_on_fail: true")),
            SharedDigest(Parse("generation: 6 drop_on_fail: true")));
  EXPECT_NE(SharedDigest(Parse("drop_on_fail: true")), SharedDigest(Parse("")));
  EXPECT_NE(SharedDigest(Parse("drop_on_fail: true")),
            SharedDigest(Parse("drop_at_drain_end: true")));
}

TEST(SharedPartTest, BytesParseBack) {
  const proto::Config first = Parse(kFirst);
  const auto parsed = ParseShared(SerializeShared(first));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->DebugString(), SharedPart(first).DebugString());
}

TEST(SharedPartTest, BytesThatAreNotUnderstoodAreRefused) {
  EXPECT_THAT(ParseShared("\x07"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("1 bytes that are no configuration")));
  // A string that is no UTF-8, in hash_key, field 13.
  EXPECT_FALSE(ParseShared("\x6a\x01\xff").ok());
  // Field 1000, a varint: at the top, in a message, and in a list's message.
  const std::string field = "\xc0\x3e\x05";
  const auto inside = [&](int number) {
    return absl::StrCat(std::string(1, static_cast<char>(number << 3 | 2)),
                        "\x03", field);
  };
  for (const std::string& bytes : {field, inside(5), inside(3)}) {
    EXPECT_THAT(ParseShared(bytes), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("does not know")));
  }
  EXPECT_THAT(ParseShared(std::string(kConfigBytesMax + 1, '\0')),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("16777217 bytes")));
}

// -- Classification --------------------------------------------------------
// A field that is new in Config or HighAvailability fails these until somebody
// has decided what it is.

TEST(SharedPartTest, EveryFieldIsDecided) {
  std::vector<std::string> decided = {
      "floating_addresses", "virtual_services", "health", "limits",
      "tcp_timeouts", "connection_timeout_s", "drain_time_s",
      "drop_at_drain_end", "drop_on_fail", "slow_start_s", "hash_key",
      "generation", "ha", "l7", "management", "disabled_servers", "history",
      "adaptive", "certificates",
      // Inside of management.
      "management.enable_api", "management.users", "management.flood_guard",
      // Inside of ha.
      "ha.shared_address", "ha.virtual_id", "ha.timeout_s",
      "ha.advert_interval_ms", "ha.initial_wait_s", "ha.broadcast",
      "ha.preferred", "ha.hard_reboot_on_link_failure", "ha.l4_updates",
      "ha.l4_sync_threshold", "ha.l4_sync_period",
      "ha.l4_sync_refresh_period_s", "ha.l7_updates", "ha.sync_group",
      "ha.sync_id", "ha.virtual_mac", "ha.style", "ha.initial_checks",
      "ha.port", "ha.pacify_starts", "ha.pacify_window_s",
      "ha.switchover_patience_s"};
  for (const absl::string_view field : PerUnitFields()) {
    decided.emplace_back(field);
  }
  std::vector<std::string> fields;
  const auto add = [&](const std::string& prefix, const Descriptor& message) {
    for (int i = 0; i < message.field_count(); ++i) {
      fields.push_back(absl::StrCat(prefix, message.field(i)->name()));
    }
  };
  add("", *proto::Config::descriptor());
  add("ha.", *proto::HighAvailability::descriptor());
  add("management.", *proto::Management::descriptor());
  EXPECT_THAT(fields, UnorderedElementsAreArray(decided));
}

// The operator's manual and the code say the same.
TEST(SharedPartTest, ExactlyThePerUnitFieldsSaySo) {
  std::ifstream file(descriptor_path, std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromIstream(&file)) << descriptor_path;
  google::protobuf::DescriptorPool pool;
  ASSERT_NE(pool.BuildFile(set.file(0)), nullptr);
  std::vector<std::string> per_unit;
  const auto add = [&](const std::string& prefix, const char* name) {
    const Descriptor* message = pool.FindMessageTypeByName(name);
    ASSERT_NE(message, nullptr) << name;
    for (int i = 0; i < message->field_count(); ++i) {
      google::protobuf::SourceLocation location;
      ASSERT_TRUE(message->field(i)->GetSourceLocation(&location));
      std::string comment = location.leading_comments;
      absl::RemoveExtraAsciiWhitespace(&comment);
      EXPECT_NE(comment, "") << message->field(i)->name();
      if (absl::StrContains(comment, "Per unit")) {
        per_unit.push_back(absl::StrCat(prefix, message->field(i)->name()));
      }
    }
  };
  add("", "ballast.config.proto.Config");
  add("ha.", "ballast.config.proto.HighAvailability");
  add("management.", "ballast.config.proto.Management");
  const auto fields = PerUnitFields();
  EXPECT_THAT(per_unit,
              UnorderedElementsAreArray(fields.begin(), fields.end()));
}

}  // namespace
}  // namespace ballast::config

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  ballast::config::descriptor_path = argv[1];
  return RUN_ALL_TESTS();
}
