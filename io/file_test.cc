#include "io/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/base/status_matchers.h"

namespace ballast {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::string Path(const char* name) { return ::testing::TempDir() + "/" + name; }

TEST(FileTest, WrittenIsReadAndReplacedWhole) {
  const std::string path = Path("file_test_replaced");
  const std::vector<uint8_t> first = {1, 2, 3}, second = {4};
  ASSERT_THAT(WriteFileAtomically(path, first), IsOk());
  EXPECT_THAT(ReadFile(path, 100), IsOkAndHolds(ElementsAre(1, 2, 3)));
  ASSERT_THAT(WriteFileAtomically(path, second), IsOk());
  EXPECT_THAT(ReadFile(path, 100), IsOkAndHolds(ElementsAre(4)));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(RemoveFile(path), IsOk());
  EXPECT_THAT(RemoveFile(path), IsOk());
  EXPECT_THAT(ReadFile(path, 100),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
}

TEST(FileTest, LongFilesAreReadToTheirEndAndNotBeyondTheBound) {
  const std::string path = Path("file_test_long");
  const std::vector<uint8_t> bytes(300000, 7);
  ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
  EXPECT_THAT(ReadFile(path, 300000), IsOkAndHolds(bytes));
  EXPECT_THAT(ReadFile(path, 299999),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
}

TEST(FileTest, AFolderIsMadeWithThoseAboveIt) {
  const std::string path = Path("file_test_folder/a/b");
  EXPECT_THAT(MakeFolder(path), IsOk());
  EXPECT_THAT(MakeFolder(path), IsOk());
  EXPECT_THAT(WriteFileAtomically(path + "/c", {}), IsOk());
  EXPECT_THAT(WriteFileAtomically(path + "/none/c", {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST(FileTest, WhatIsAddedIsAtTheEnd) {
  const std::string path = Path("file_test_added");
  ASSERT_THAT(RemoveFile(path), IsOk());
  EXPECT_THAT(AppendToFile(path, std::vector<uint8_t>{1, 2, 3}), IsOk());
  EXPECT_THAT(AppendToFile(path, std::vector<uint8_t>{4}), IsOk());
  EXPECT_THAT(ReadFile(path, 100), IsOkAndHolds(ElementsAre(1, 2, 3, 4)));
  EXPECT_THAT(ReadFileStart(path, 2), IsOkAndHolds(ElementsAre(1, 2)));
  EXPECT_THAT(ReadFileEnd(path, 3), IsOkAndHolds(ElementsAre(2, 3, 4)));
  EXPECT_THAT(ReadFileEnd(path, 9), IsOkAndHolds(ElementsAre(1, 2, 3, 4)));
  EXPECT_THAT(FileSize(path), IsOkAndHolds(4u));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(FileSize(path + "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST(FileTest, AFolderIsListed) {
  const std::string path = Path("file_test_listed");
  ASSERT_THAT(MakeFolder(path), IsOk());
  EXPECT_THAT(ListFolder(path), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(WriteFileAtomically(path + "/a", {}), IsOk());
  ASSERT_THAT(WriteFileAtomically(path + "/b", {}), IsOk());
  ASSERT_THAT(RenameFile(path + "/b", path + "/c"), IsOk());
  EXPECT_THAT(ListFolder(path), IsOkAndHolds(UnorderedElementsAre("a", "c")));
  EXPECT_THAT(ListFolder(path + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace ballast
