#include "lb/admin/parameters.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace ballast::admin {
namespace {

// "name=value|..." of what was read; or the error.
std::string Form(absl::string_view text) {
  Parameters parameters;
  const absl::Status status = ReadForm(text, &parameters);
  if (!status.ok()) return std::string(status.message());
  std::string shown;
  for (const auto& [name, value] : parameters) {
    absl::StrAppend(&shown, name, "=", value, "|");
  }
  return shown;
}

std::string Json(absl::string_view text, absl::string_view name) {
  Parameters parameters;
  const absl::Status status = ReadJson(text, &parameters);
  if (!status.ok()) return std::string(status.message());
  return std::string(parameters.Find(name).value_or("(none)"));
}

// URL standard, application/x-www-form-urlencoded parsing.
TEST(ParametersTest, FormIsDecoded) {
  EXPECT_EQ(Form("a=1&b=2"), "a=1|b=2|");
  EXPECT_EQ(Form("a=x+y%2Bz%20%e4%BD%a0"), "a=x y+z 你|");
  EXPECT_EQ(Form("createsubvs&a=&=b&&"), "createsubvs=|a=|=b|");
  EXPECT_EQ(Form("a=b=c"), "a=b=c|");
  EXPECT_EQ(Form(""), "");
}

TEST(ParametersTest, FirstOfANameCountsInAnyLetterCase) {
  Parameters parameters;
  ASSERT_TRUE(ReadForm("NickName=a&nickname=b", &parameters).ok());
  EXPECT_EQ(parameters.size(), 1u);
  EXPECT_EQ(parameters.Get("NICKNAME"), "a");
}

TEST(ParametersTest, BadFormsAreRefused) {
  for (const char* text : {"a=%", "a=%4", "a=%zz", "%4=a"}) {
    EXPECT_EQ(Form(text), "a % that two hex digits do not follow") << text;
  }
  for (const char* text : {"a=%ff", "a=%00", "a=%7f", "%c0%80=1"}) {
    EXPECT_EQ(Form(text),
              "a parameter that is not UTF-8, or has a control character")
        << text;
  }
}

TEST(ParametersTest, BoundsHold) {
  std::string many;
  for (size_t i = 0; i < Parameters::kCountMax; ++i) {
    absl::StrAppend(&many, "p", i, "=1&");
  }
  EXPECT_NE(Form(many), "more than 256 parameters");
  EXPECT_EQ(Form(absl::StrCat(many, "more=1")), "more than 256 parameters");
  EXPECT_EQ(Form(absl::StrCat(std::string(65, 'n'), "=1")),
            "a parameter's name of 65 bytes, must be at most 64");
  EXPECT_EQ(Form(absl::StrCat("a=", std::string(65537, 'v'))),
            "a: 65537 bytes, must be at most 65536");
}

TEST(ParametersTest, JsonValuesOfEachKind) {
  constexpr char kText[] = R"({"cmd": "addvs", "port": 80, "Enable": true,
      "Cache": false, "x": null, "e": 8e1, "n": -1.5, "u": "\u4f60",
      "list": [1], "object": {"port": 1}})";
  EXPECT_EQ(Json(kText, "cmd"), "addvs");
  EXPECT_EQ(Json(kText, "PORT"), "80");
  EXPECT_EQ(Json(kText, "enable"), "1");
  EXPECT_EQ(Json(kText, "cache"), "0");
  EXPECT_EQ(Json(kText, "x"), "");
  EXPECT_EQ(Json(kText, "e"), "80");
  EXPECT_EQ(Json(kText, "n"), "-1.5");
  EXPECT_EQ(Json(kText, "u"), "你");
  EXPECT_EQ(Json(kText, "list"), "(none)");
  EXPECT_EQ(Json(kText, "object"), "(none)");
}

TEST(ParametersTest, WhatIsNoJsonObjectIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("null"), std::string("[]"),
        std::string("\"a\""), std::string("{"), std::string("{} {}"),
        std::string("{\"a\": \"\xff\"}"),
        absl::StrCat("{\"a\":", std::string(100000, '['))}) {
    EXPECT_NE(Json(text, "a"), "(none)") << text.substr(0, 20);
  }
  EXPECT_EQ(Json("{}", "a"), "(none)");
}

}  // namespace
}  // namespace ballast::admin
