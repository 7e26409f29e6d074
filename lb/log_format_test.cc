#include "lb/log_format.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace ballast {
namespace {

// RFC 3339 §5.8 has this instant, as 1985-04-12T23:20:50.52Z.
const absl::Time kAt = absl::FromUnixMillis(482196050520);

std::string Json(const LogRecord& record) { return JsonLogLine(record, kAt); }
std::string Text(const LogRecord& record) {
  return TextLogLine(record, kAt, absl::UTCTimeZone());
}

TEST(LogFormatTest, ARecordAsJson) {
  EXPECT_EQ(Json({LogLevel::kWarning,
                  "server_down",
                  "web: no answer",
                  {{"service", "tcp 192.0.2.10:80"}, {"server", "10.0.0.1"}}}),
            "{\"time\":\"1985-04-12T23:20:50.520Z\",\"level\":\"warning\","
            "\"event\":\"server_down\",\"message\":\"web: no answer\","
            "\"service\":\"tcp 192.0.2.10:80\",\"server\":\"10.0.0.1\"}\n");
}

TEST(LogFormatTest, ARecordAsText) {
  EXPECT_EQ(Text({LogLevel::kInfo, "a", "it works", {{"b", "c"}}}),
            "23:20:50.520 it works\n");
  EXPECT_EQ(Text({LogLevel::kError, "a", "it fails"}),
            "23:20:50.520 error: it fails\n");
}

// RFC 8259 §7: quotation mark, reverse solidus and U+0000 to U+001F must be
// escaped.
TEST(LogFormatTest, JsonEscapes) {
  const std::string line =
      Json({LogLevel::kInfo, "e", std::string("\"\\\n\t\x01\x7f\0z", 8)});
  EXPECT_NE(line.find(R"("message":"\"\\\n\u0009\u0001\u007f\u0000z")"),
            std::string::npos)
      << line;
  // Terminals take U+009B for an escape sequence's beginning.
  EXPECT_NE(Json({LogLevel::kInfo, "e", "\xc2\x9b"}).find("\"\\u009b\""),
            std::string::npos);
}

TEST(LogFormatTest, WhatIsNotUtf8IsReplaced) {
  EXPECT_NE(
      Json({LogLevel::kInfo, "e", "a\xffz\xc3\xa9"}).find("a\uFFFDz\u00e9"),
      std::string::npos);
  EXPECT_EQ(Text({LogLevel::kInfo, "e", "\xc3"}), "23:20:50.520 \uFFFD\n");
}

// A message from outside cannot pretend to be another record, or command a
// terminal.
TEST(LogFormatTest, TextIsOneRecordWhateverItHas) {
  EXPECT_EQ(Text({LogLevel::kInfo, "e", "one\n23:20:50.521 two\x1b[2J\r"}),
            "23:20:50.520 one\n  23:20:50.521 two?[2J?\n");
}

TEST(LogFormatTest, LinesAreBoundedAndStillWhole) {
  // The worst that escaping can do: six bytes of one.
  const std::string bad(10000, '\x01');
  LogRecord record{LogLevel::kWarning, "e", bad, {}};
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) names.push_back(absl::StrCat(i, bad));
  for (const std::string& name : names) record.about.emplace_back(name, bad);
  for (const size_t size : {0, 1, 394, 395, 396, 397, 398, 399, 400, 401}) {
    record.message = bad.substr(0, size);
    const std::string line = Json(record);
    EXPECT_LE(line.size(), kLogLineBytesMax);
    google::protobuf::Struct parsed;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &parsed).ok())
        << line;
  }
  record.message = std::string(10000, 'x');
  EXPECT_LE(Text(record).size(), kLogLineBytesMax);
  EXPECT_NE(Text(record).find("xxx...\n"), std::string::npos);
  // What fits exactly is not cut.
  record.message = std::string(2400, 'y');
  EXPECT_NE(Text(record).find("yyy\n"), std::string::npos);
  record.message += 'y';
  EXPECT_NE(Text(record).find("yyy...\n"), std::string::npos);
}

TEST(LogFormatTest, EveryByteMakesJsonThatHasItsText) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  Json({LogLevel::kInfo, "e", all}), &parsed)
                  .ok());
  const std::string& message = parsed.fields().at("message").string_value();
  EXPECT_EQ(message.substr(0, 128), all.substr(0, 128));
}

}  // namespace
}  // namespace ballast
