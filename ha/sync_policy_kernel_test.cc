// The decisions recorded inside a Linux 6.1 kernel
// (testdata/ipvs-v1-*.decisions.csv), made again.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ha/sync_policy.h"

namespace ballast::ha {
namespace {

struct Recorded {
  const char* name;
  const char* file;
  SyncSettings settings;
  size_t rows;
};

class SyncPolicyKernelTest : public ::testing::TestWithParam<Recorded> {};

TEST_P(SyncPolicyKernelTest, DecidesAsTheKernelDid) {
  const std::string path =
      absl::StrCat("ha/testdata/", GetParam().file, ".decisions.csv");
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::string line;
  std::getline(file, line);
  ASSERT_EQ(line,
            "t_s,proto,caddr,cport,vport,template,entry,in_pkts,state,"
            "last_synced_state,timeout_s,synced");
  std::map<std::string, SyncMemory> entries;
  size_t rows = 0;
  while (std::getline(file, line)) {
    const std::vector<std::string> column = absl::StrSplit(line, ',');
    ASSERT_EQ(column.size(), 12u) << line;
    double t_s;
    uint32_t count, state, last_state, timeout_s, synced;
    ASSERT_TRUE(absl::SimpleAtod(column[0], &t_s));
    ASSERT_TRUE(absl::SimpleAtoi(column[7], &count));
    ASSERT_TRUE(absl::SimpleAtoi(column[8], &state));
    ASSERT_TRUE(absl::SimpleAtoi(column[9], &last_state));
    ASSERT_TRUE(absl::SimpleAtoi(column[10], &timeout_s));
    ASSERT_TRUE(absl::SimpleAtoi(column[11], &synced));
    const auto now_ms = static_cast<uint32_t>(t_s * 1000 + 0.5);
    SyncMemory& memory =
        entries.try_emplace(column[6], SyncMemory{.end_ms = now_ms})
            .first->second;
    EXPECT_EQ(memory.last_state, last_state) << line;
    const bool tcp = column[1] == "TCP";
    EXPECT_EQ(
        AskSyncPolicy(
            GetParam().settings,
            {.now_ms = now_ms,
             .timeout_ms = timeout_s * 1000,
             .count_before = count - 1,
             .count_after = count,
             .state = static_cast<uint8_t>(state),
             .has_states = tcp,
             .state_synced = tcp && (state == 1 || (state >= 4 && state <= 7)),
             .state_established = tcp && state == 1},
            memory),
        synced == 1)
        << line;
    ++rows;
  }
  EXPECT_EQ(rows, GetParam().rows);
}

INSTANTIATE_TEST_SUITE_P(
    , SyncPolicyKernelTest,
    ::testing::Values(Recorded{"Default", "ipvs-v1-default", {3, 50, 0}, 152},
                      Recorded{"Every10", "ipvs-v1-every10", {1, 10, 0}, 111},
                      Recorded{
                          "Refresh10", "ipvs-v1-refresh10", {0, 0, 10}, 180},
                      Recorded{"Burst", "ipvs-v1-burst", {3, 50, 0}, 630}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::ha
