#include "lb/http/fields.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ballast::http {
namespace {

std::string All(const Fields& fields) {
  std::string out;
  for (size_t i = 0; i < fields.size(); ++i) {
    absl::StrAppend(&out, fields[i].name, "=", fields[i].value, ";");
  }
  return out;
}

TEST(FieldsTest, LookUpIgnoresCase) {
  Fields fields;
  fields.Add("X-One", "1");
  fields.Add("hOST", "a");
  fields.Add("x-one", "2");
  EXPECT_EQ(fields.Find("x-ONE"), "1");
  EXPECT_EQ(fields.Find(FieldId::kHost), "a");
  EXPECT_EQ(fields.Find("X-On"), std::nullopt);
  EXPECT_EQ(fields.Find(FieldId::kVia), std::nullopt);
  EXPECT_EQ(fields.Count(FieldId::kHost), 1u);
}

TEST(FieldsTest, SetReplacesTheFirstAndRemovesTheOthers) {
  Fields fields;
  fields.Add("A", "1");
  fields.Add("B", "2");
  fields.Add("a", "3");
  fields.Set("A", "a longer value than before");
  EXPECT_EQ(All(fields), "A=a longer value than before;B=2;");
  fields.Set("C", "");
  EXPECT_EQ(All(fields), "A=a longer value than before;B=2;C=;");
}

TEST(FieldsTest, RemoveTakesAllOfAName) {
  Fields fields;
  fields.Add("A", "1");
  fields.Add("Via", "2");
  fields.Add("a", "3");
  EXPECT_EQ(fields.Remove("A"), 2u);
  EXPECT_EQ(fields.Remove("A"), 0u);
  EXPECT_EQ(fields.Remove(FieldId::kVia), 1u);
  EXPECT_TRUE(fields.empty());
}

// Edits move the buffer; what lies in it may be their argument all the same.
TEST(FieldsTest, ValuesOfItsOwnCanBeAdded) {
  Fields fields;
  fields.Add("A", std::string(1000, 'x'));
  for (int i = 0; i < 10; ++i) fields.Add(fields[0].name, fields[0].value);
  fields.Set("B", fields[0].value);
  fields.Set("B", fields[0].value);
  EXPECT_EQ(fields.size(), 12u);
  for (size_t i = 0; i < fields.size(); ++i) {
    EXPECT_EQ(fields[i].value, std::string(1000, 'x'));
  }
}

TEST(FieldsTest, ListsOfSeveralFieldsAreOneList) {
  // RFC 9110 §5.3, §5.6.1: empty elements do not count.
  Fields fields;
  fields.Add("Connection", "a ,\tb,, c");
  fields.Add("X", "d");
  fields.Add("connection", ", ,e");
  std::vector<std::string> elements;
  fields.ForEachElement(FieldId::kConnection, [&](absl::string_view element) {
    elements.emplace_back(element);
  });
  EXPECT_EQ(elements, (std::vector<std::string>{"a", "b", "c", "e"}));
}

TEST(FieldsTest, KnowsWhatMayBeANameOrAValue) {
  EXPECT_TRUE(IsToken("X-a_1!#$%&'*+.^`|~"));
  for (const char* text : {"", "a b", "a:", "a\n", "\xe9", "a(", "a/"}) {
    EXPECT_FALSE(IsToken(text)) << text;
  }
  EXPECT_TRUE(IsFieldValue(""));
  EXPECT_TRUE(IsFieldValue("a\t b\xff"));
  for (const char* text : {" a", "a ", "a\r\nb", "a\nb", "\x7f", "\x01"}) {
    EXPECT_FALSE(IsFieldValue(text)) << text;
  }
}

TEST(FieldsDeathTest, AValueThatWouldSplitTheMessageIsOurBug) {
  Fields fields;
  EXPECT_DEATH(fields.Add("A", "b\r\nC: d"), "check failed");
  EXPECT_DEATH(fields.Set("A b", "c"), "check failed");
}

}  // namespace
}  // namespace ballast::http
