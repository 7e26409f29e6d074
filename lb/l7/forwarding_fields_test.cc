#include "lb/l7/forwarding_fields.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lb/http/message_reader.h"

namespace ballast::l7 {
namespace {

using List = ForwardingFields::List;

// The fields after Host once the request has passed.
std::string Passed(const ForwardingFields& settings, absl::string_view fields,
                   const Client& client) {
  http::RequestReader reader(http::Limits{});
  reader.Begin();
  const std::string stream =
      absl::StrCat("GET / HTTP/1.1\r\nHost: h:8080\r\n", fields, "\r\n");
  absl::string_view input = stream;
  EXPECT_EQ(reader.Next(&input), http::Read::kHead);
  AddForwardingFields(settings, client, &reader.head());
  std::string out;
  for (size_t i = 1; i < reader.head().fields.size(); ++i) {
    const http::Field field = reader.head().fields[i];
    absl::StrAppend(&out, field.name, ": ", field.value, "\n");
  }
  return out;
}

const Client kV4{.address = {Address::V4(0xc0000201), 1234}};
const Client kV6{.address = {*Address::Parse("2001:db8::1"), 1234},
                 .tls = true};

TEST(ForwardingFieldsTest, OffTouchesNothing) {
  EXPECT_EQ(Passed({}, "X-Forwarded-For: a\r\nVia: b\r\n", kV4),
            "X-Forwarded-For: a\nVia: b\n");
}

TEST(ForwardingFieldsTest, XForwardedFor) {
  EXPECT_EQ(Passed({.x_forwarded_for = List::kAppend}, "", kV4),
            "X-Forwarded-For: 192.0.2.1\n");
  EXPECT_EQ(Passed({.x_forwarded_for = List::kAppend}, "", kV6),
            "X-Forwarded-For: 2001:db8::1\n");
  EXPECT_EQ(
      Passed({.x_forwarded_for = List::kAppend},
             "x-forwarded-for: a, b\r\nY: z\r\nX-Forwarded-For: c\r\n", kV4),
      "x-forwarded-for: a, b, c, 192.0.2.1\nY: z\n");
  EXPECT_EQ(
      Passed({.x_forwarded_for = List::kReplace},
             "x-forwarded-for: a, b\r\nY: z\r\nX-Forwarded-For: c\r\n", kV4),
      "x-forwarded-for: 192.0.2.1\nY: z\n");
}

TEST(ForwardingFieldsTest, ProtoAndHostReplace) {
  EXPECT_EQ(Passed({.x_forwarded_proto = true, .x_forwarded_host = true},
                   "X-Forwarded-Proto: ftp\r\nX-Forwarded-Host: evil\r\n", kV6),
            "X-Forwarded-Proto: https\nX-Forwarded-Host: h:8080\n");
}

// RFC 7239 §4, §6.1 (IPv6 in brackets and quotes).
TEST(ForwardingFieldsTest, Forwarded) {
  EXPECT_EQ(Passed({.forwarded = List::kAppend}, "Forwarded: for=a\r\n", kV4),
            "Forwarded: for=a, for=192.0.2.1;proto=http;host=\"h:8080\"\n");
  EXPECT_EQ(Passed({.forwarded = List::kReplace}, "Forwarded: for=a\r\n", kV6),
            "Forwarded: for=\"[2001:db8::1]\";proto=https;host=\"h:8080\"\n");
}

// RFC 9110 §7.6.3
TEST(ForwardingFieldsTest, ViaIsAppended) {
  EXPECT_EQ(Passed({.via = "ballast"}, "Via: 1.0 fred\r\n", kV4),
            "Via: 1.0 fred\nVia: 1.1 ballast\n");
}

}  // namespace
}  // namespace ballast::l7
