#include "persist/sip_field.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ballast::persist {
namespace {

std::optional<std::string> FieldOf(absl::string_view message,
                                   absl::string_view name) {
  std::string scratch = "left over";
  const auto value = SipField(
      {reinterpret_cast<const uint8_t*>(message.data()), message.size()}, name,
      scratch);
  if (!value.has_value()) return std::nullopt;
  return std::string(*value);
}

// The messages of RFC 4475, as printed there.
std::string Torture(const char* name) {
  std::ifstream file(absl::StrCat("persist/testdata/sip_", name, ".bin"),
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(SipFieldTest, AShortTortuousInvite) {
  const std::string message = Torture("wsinv");  // RFC 4475 §3.1.1.1
  EXPECT_EQ(FieldOf(message, "Call-ID"), "wsinv.ndaksdj@192.0.2.1");
  EXPECT_EQ(FieldOf(message, "i"), "wsinv.ndaksdj@192.0.2.1");
  EXPECT_EQ(FieldOf(message, "to"),
            "sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
  EXPECT_EQ(FieldOf(message, "From"),
            "\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com> ; "
            "tag = 98asjd8");
  EXPECT_EQ(FieldOf(message, "CSEQ"), "0009 INVITE");
  EXPECT_EQ(FieldOf(message, "Max-Forwards"), "0068");
  EXPECT_EQ(FieldOf(message, "Via"),
            "SIP  /   2.0 /UDP 192.0.2.2;branch=390skdjuw");
  EXPECT_EQ(FieldOf(message, "Subject"), "");
  EXPECT_EQ(FieldOf(message, "newfangledheader"),
            "newfangled value continued newfangled value");
  EXPECT_EQ(FieldOf(message, "Route"),
            "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>");
  EXPECT_EQ(FieldOf(message, "Contact"),
            "\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam = "
            "newvalue ; secondparam ; q = 0.33");
  EXPECT_EQ(FieldOf(message, "o"), std::nullopt);  // In the body.
}

TEST(SipFieldTest, AWideRangeOfValidCharacters) {
  const std::string message = Torture("intmeth");  // §3.1.1.2
  EXPECT_EQ(FieldOf(message, "Call-ID"),
            "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
  EXPECT_EQ(FieldOf(message, "extensionHeader-!.%*+_`'~"),
            "\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb");
  constexpr char kTo[] =
      "\"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:1_unusual.URI~(to-be!sure)"
      "&isn't+it$/crazy?,/;;*@example.com>";
  EXPECT_EQ(FieldOf(message, "t"), std::string(kTo, sizeof kTo - 1));
}

TEST(SipFieldTest, PercentSignsAreLeftAlone) {
  EXPECT_EQ(FieldOf(Torture("esc01"), "Call-ID"),  // §3.1.1.3
            "esc01.239409asdfakjkn23onasd0-3234");
  EXPECT_EQ(FieldOf(Torture("esc01"), "Contact"),
            "<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>");
  // §3.1.1.5: "C%6Fntact" is another header field.
  EXPECT_EQ(FieldOf(Torture("esc02"), "m"), "<sip:alias1@host1.example.com>");
  EXPECT_EQ(FieldOf(Torture("esc02"), "C%6Fntact"),
            "<sip:alias2@host2.example.com>");
}

TEST(SipFieldTest, MessagesThatAServerHasToRefuseReachOne) {
  EXPECT_EQ(FieldOf(Torture("badvers"), "Call-ID"),  // §3.1.2.16
            "badvers.31417@c.example.com");
}

TEST(SipFieldTest, Responses) {
  EXPECT_EQ(FieldOf(Torture("unreason"), "Call-ID"),  // §3.1.1.12
            "unreason.1234ksdfak3j2erwedfsASdf");
}

// RFC 3261 §7.3.3 and §20.
TEST(SipFieldTest, CompactFormsBothWays) {
  struct Form {
    const char* compact;
    const char* name;
  };
  for (const Form& form : {
           Form{"i", "Call-ID"},
           Form{"m", "Contact"},
           Form{"e", "Content-Encoding"},
           Form{"l", "Content-Length"},
           Form{"c", "Content-Type"},
           Form{"f", "From"},
           Form{"s", "Subject"},
           Form{"k", "Supported"},
           Form{"t", "To"},
           Form{"v", "Via"},
           Form{"o", "Event"},            // RFC 6665
           Form{"u", "Allow-Events"},     // RFC 6665
           Form{"r", "Refer-To"},         // RFC 3515
           Form{"b", "Referred-By"},      // RFC 3892
           Form{"x", "Session-Expires"},  // RFC 4028
           Form{"a", "Accept-Contact"},   // RFC 3841
           Form{"j", "Reject-Contact"},
           Form{"d", "Request-Disposition"},
           Form{"y", "Identity"},  // RFC 4474
           Form{"n", "Identity-Info"},
       }) {
    const auto message = [](absl::string_view name) {
      return absl::StrCat("ACK sip:a@b SIP/2.0\r\nx-y: 0\r\n", name,
                          ": 1\r\n\r\n");
    };
    EXPECT_EQ(FieldOf(message(form.compact), form.name), "1") << form.name;
    EXPECT_EQ(FieldOf(message(form.name), form.compact), "1") << form.name;
    EXPECT_EQ(FieldOf(message(form.compact), form.compact), "1");
    EXPECT_EQ(FieldOf(message(form.name), form.name), "1");
  }
  EXPECT_EQ(FieldOf("ACK sip:a@b SIP/2.0\r\nI: 1\r\n\r\n", "call-id"), "1");
  EXPECT_EQ(FieldOf("ACK sip:a@b SIP/2.0\r\nq: 1\r\n\r\n", "Q"), "1");
}

TEST(SipFieldTest, TheFirstOfSeveralCounts) {
  EXPECT_EQ(FieldOf("ACK sip:a@b SIP/2.0\r\nv: 1\r\nVia: 2\r\n\r\n", "Via"),
            "1");
}

// "SHOULD ignore any CRLF appearing before the start-line" (RFC 3261 §7.5).
TEST(SipFieldTest, EmptyLinesBeforeTheMessageAreIgnored) {
  EXPECT_EQ(FieldOf("\r\n\r\nACK sip:a@b SIP/2.0\r\ni: 1\r\n\r\n", "i"), "1");
}

TEST(SipFieldTest, WhatIsMalformedHasNoAnswer) {
  for (const absl::string_view message : {
           absl::string_view(""),
           absl::string_view("\r\n\r\n"),  // A keep-alive.
           absl::string_view("ACK sip:a@b SIP/2.0"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\ni: 1"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\n\r\ni: 1\r\n\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\ni: 1\n\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\nx: 1\ni: 2\r\n\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\nx: 1\ri: 2\r\ni: 3\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\n i: 1\r\n\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\nno field\r\ni: 1\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\n: 0\r\ni: 1\r\n\r\n"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\ni: 1\r\n 2"),
           absl::string_view("ACK sip:a@b SIP/2.0\r\ni: 1\r\n 2\n3\r\n\r\n"),
           absl::string_view("GET / HTTP/1.1\r\ni: 1\r\n\r\n"),
           absl::string_view("i: 1\r\ni: 1\r\n\r\n"),
       }) {
    EXPECT_EQ(FieldOf(message, "i"), std::nullopt) << message;
  }
}

TEST(SipFieldTest, BoundsAreKept) {
  const auto message = [](size_t fields, size_t bytes) {
    std::string text = "ACK sip:a@b SIP/2.0\r\n";
    for (size_t i = 0; i < fields; ++i) absl::StrAppend(&text, "q:\r\n");
    absl::StrAppend(&text, "q:", std::string(bytes, 'x'), "\r\n");
    return text + "i: 1\r\n\r\n";
  };
  EXPECT_EQ(FieldOf(message(kSipFieldsMax - 2, 0), "i"), "1");
  EXPECT_EQ(FieldOf(message(kSipFieldsMax - 1, 0), "i"), std::nullopt);
  EXPECT_EQ(FieldOf(message(0, kSipHeaderMax - 100), "i"), "1");
  EXPECT_EQ(FieldOf(message(0, kSipHeaderMax), "i"), std::nullopt);
  // A fold without end.
  std::string folds = "ACK sip:a@b SIP/2.0\r\ni: 1\r\n";
  while (folds.size() < 2 * kSipHeaderMax) folds += " 2\r\n";
  EXPECT_EQ(FieldOf(folds, "i"), std::nullopt);
}

}  // namespace
}  // namespace ballast::persist
