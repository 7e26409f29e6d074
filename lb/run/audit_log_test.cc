#include "lb/run/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ballast::run {
namespace {

using ::testing::HasSubstr;

class AuditLogTest : public ::testing::Test {
 protected:
  AuditLogTest()
      : folder_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  AuditLog Open(const std::string& folder) {
    return AuditLog(folder, limits_, [this](const LogRecord& record) {
      absl::StrAppend(&log_, record.message, "\n");
    });
  }
  static void Add(AuditLog& audit, int number) {
    audit.Add({.what = absl::StrCat("line ", number, ".")});
  }
  static std::vector<std::string> Lines(const AuditLog& audit, size_t count) {
    return absl::StrSplit(audit.Tail(count), '\n', absl::SkipEmpty());
  }

  const std::string folder_;
  config::HistoryLimits limits_;
  std::string log_;
};

TEST_F(AuditLogTest, LastLinesComeLast) {
  for (const std::string& folder : {folder_, std::string()}) {
    AuditLog audit = Open(folder);
    EXPECT_EQ(audit.Tail(5), "");
    for (int i = 0; i < 10; ++i) Add(audit, i);
    const auto lines = Lines(audit, 3);
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_THAT(lines[0], HasSubstr("line 7."));
    EXPECT_THAT(lines[2], HasSubstr("line 9."));
    EXPECT_EQ(Lines(audit, 100).size(), 10u);
    EXPECT_EQ(audit.Tail(0), "");
  }
}

TEST_F(AuditLogTest, FullFilesAreKeptUpToTheLimit) {
  limits_.audit_bytes = 1000;
  limits_.audit_files = 2;
  AuditLog audit = Open(folder_);
  for (int i = 0; i < 100; ++i) Add(audit, i);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_LE(entry.file_size(), 1000u);
    ++files;
  }
  EXPECT_EQ(files, 3u);
  // Over the files, the last one last.
  const auto lines = Lines(audit, 25);
  ASSERT_EQ(lines.size(), 25u);
  for (int i = 0; i < 25; ++i) {
    EXPECT_THAT(lines[static_cast<size_t>(i)],
                HasSubstr(absl::StrCat("line ", 75 + i, ".")));
  }
  // Another process goes on in it.
  AuditLog next = Open(folder_);
  Add(next, 100);
  EXPECT_THAT(Lines(next, 2)[0], HasSubstr("line 99."));
}

TEST_F(AuditLogTest, NoFormerFileIsKeptIfNoneIsWanted) {
  limits_.audit_bytes = 200;
  limits_.audit_files = 0;
  AuditLog audit = Open(folder_);
  for (int i = 0; i < 20; ++i) Add(audit, i);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/audit.log.1"));
  EXPECT_LE(std::filesystem::file_size(folder_ + "/audit.log"), 200u);
  EXPECT_THAT(Lines(audit, 1)[0], HasSubstr("line 19."));
}

TEST_F(AuditLogTest, MemoryIsBoundedToo) {
  limits_.audit_bytes = 500;
  AuditLog audit = Open("");
  for (int i = 0; i < 100; ++i) Add(audit, i);
  EXPECT_LE(audit.Tail(1000).size(), 500u);
  EXPECT_THAT(Lines(audit, 1)[0], HasSubstr("line 99."));
}

TEST_F(AuditLogTest, ALineThatWasCutIsLeftAlone) {
  {
    AuditLog audit = Open(folder_);
    Add(audit, 1);
  }
  std::ofstream(folder_ + "/audit.log", std::ios::app) << "{\"half";
  AuditLog audit = Open(folder_);
  Add(audit, 2);
  const auto lines = Lines(audit, 10);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("line 1."));
  EXPECT_EQ(lines[1], "{\"half");
  EXPECT_THAT(lines[2], HasSubstr("line 2."));
}

TEST_F(AuditLogTest, WhatTheDiskDoesNotTakeIsLogged) {
  std::filesystem::create_directory(folder_ + "/audit.log");
  AuditLog audit = Open(folder_);
  Add(audit, 1);
  EXPECT_EQ(audit.lost(), 1u);
  EXPECT_THAT(log_, HasSubstr("line 1."));
}

}  // namespace
}  // namespace ballast::run
