#include "lb/config/change_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// `date -u -d @1795357342 +%FT%TZ` says 2026-11-22T14:22:22Z.
const absl::Time kWhen = absl::FromUnixMillis(1795357342125);

ChangeRecord Example() {
  return {.generation = 12,
          .when = kWhen,
          .user = "admin",
          .from = "192.0.2.7",
          .what = "addvs 192.0.2.10:80"};
}

TEST(ChangeRecordTest, IsOneLineOfJson) {
  EXPECT_EQ(FormatRecord(Example()),
            R"({"generation":"12","when":"2026-11-22T14:22:22.125Z",)"
            R"("user":"admin","from":"192.0.2.7",)"
            R"("what":"addvs 192.0.2.10:80"})");
  EXPECT_THAT(ParseRecord(FormatRecord(Example())), IsOkAndHolds(Example()));
}

TEST(ChangeRecordTest, NothingInItBeginsAnotherLine) {
  ChangeRecord record = Example();
  record.what = "line\nline\r\n\"}\\ \u2028 \x01 \xff \xc3";
  record.refused = std::string("zero \0 byte", 11);
  const std::string line = FormatRecord(record);
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  record.what = "line\nline\r\n\"}\\ \u2028 \x01 ? ?";
  EXPECT_THAT(ParseRecord(line), IsOkAndHolds(record));
}

TEST(ChangeRecordTest, LongTextsAreCutBetweenCharacters) {
  ChangeRecord record = Example();
  record.user = record.from = record.what = record.refused =
      std::string(10000, '\x02');
  std::string umlauts = "x";
  while (umlauts.size() < 5000) umlauts += "\u00e4";
  record.what = umlauts;
  const std::string line = FormatRecord(record);
  EXPECT_LE(line.size(), kRecordLineMax);
  const auto parsed = ParseRecord(line);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->user, std::string(kRecordTextMax, '\x02'));
  EXPECT_EQ(parsed->what, umlauts.substr(0, kRecordTextMax - 1));
}

TEST(ChangeRecordTest, WhatIsNoRecordIsRefused) {
  for (const char* line : {"", "{", "[]", "{}", R"({"when":"yesterday"})",
                           R"({"generation":"-1"})"}) {
    EXPECT_THAT(ParseRecord(line),
                StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_))
        << line;
  }
  EXPECT_THAT(ParseRecord(std::string(kRecordLineMax + 1, ' ')),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("must be at most 32768")));
}

TEST(ChangeRecordTest, AKeptConfigurationIsOneToLoad) {
  const std::string text = "# by hand\n\nthreads: 3  # three\n";
  const std::string bytes = FormatKept(Example(), text);
  EXPECT_THAT(bytes, StartsWith("# ballast {"));
  const auto kept = ParseKept(bytes);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->record, Example());
  EXPECT_EQ(kept->text, text);
  const auto loaded = ParseConfig(bytes);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->threads(), 3u);
  EXPECT_FALSE(ParseKept(text).ok());
  EXPECT_FALSE(ParseKept(bytes.substr(0, 40)).ok());
}

}  // namespace
}  // namespace ballast::config
