// Expected values: `openssl x509 -noout -subject -issuer -dates -fingerprint
// -sha256 -nameopt RFC2253` of testdata's certificates.
#include "lb/tls/certificate_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "io/base/status_matchers.h"
#include "lb/tls/tls_testing.h"

namespace ballast::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

absl::Time Year(int year) {
  return absl::FromCivil(absl::CivilDay(year, 1, 1), absl::UTCTimeZone());
}

TEST(CertificateInfoTest, SaysWhatOpensslSays) {
  const auto info = DescribeCertificate(TestFile("one.pem"));
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->subject, "CN=one.test");
  EXPECT_EQ(info->issuer, "O=Ballast tests,CN=Test CA");
  EXPECT_THAT(info->names, ElementsAre("one.test", "www.one.test"));
  EXPECT_EQ(info->not_before, Year(2020));
  EXPECT_EQ(info->not_after, Year(2120));
  EXPECT_EQ(info->sha256,
            "2192acb76820a7f308a26bb29ff55e433428601cde1510731078dee32f9f1ee3");
  const auto expired = DescribeCertificate(TestFile("expired.pem"));
  ASSERT_THAT(expired, IsOk());
  EXPECT_EQ(expired->not_after, Year(2021));
  EXPECT_THAT(DescribeCertificate("nothing"),
              StatusIs(kInvalid, HasSubstr("")));
}

TEST(SplitPemTest, InAnyOrderWithAnythingBetween) {
  const Certificate deep = TestCertificate("deep");
  for (const std::string& pem :
       {absl::StrCat(deep.chain, deep.key),
        absl::StrCat("Bag Attributes\n", deep.key, "a line\n", deep.chain),
        // As curl -F sends two files.
        absl::StrCat("--1f3a\r\nContent-Disposition: form-data\r\n\r\n",
                     absl::StrReplaceAll(deep.chain, {{"\n", "\r\n"}}),
                     "\r\n--1f3a\r\n\r\n", deep.key, "\r\n--1f3a--\r\n")}) {
    const auto split = SplitPem(pem);
    ASSERT_THAT(split, IsOk());
    EXPECT_EQ(split->chain, deep.chain);
    EXPECT_EQ(split->key, deep.key);
    EXPECT_THAT(CheckCertificate(*split), IsOk());
  }
}

TEST(SplitPemTest, WhatIsNotOneCertificateWithItsKey) {
  const Certificate one = TestCertificate("one");
  EXPECT_THAT(SplitPem(""), StatusIs(kInvalid, HasSubstr("no certificate")));
  EXPECT_THAT(SplitPem(one.chain),
              StatusIs(kInvalid, HasSubstr("no private key")));
  EXPECT_THAT(SplitPem(one.key),
              StatusIs(kInvalid, HasSubstr("no certificate")));
  EXPECT_THAT(SplitPem(absl::StrCat(one.chain, one.key, one.key)),
              StatusIs(kInvalid, HasSubstr("more than one private key")));
  std::string many = one.key;
  for (int i = 0; i < 17; ++i) absl::StrAppend(&many, one.chain);
  EXPECT_THAT(SplitPem(many),
              StatusIs(kInvalid, HasSubstr("more than 16 certificates")));
  EXPECT_THAT(
      SplitPem(absl::StrCat(one.chain, one.key.substr(0, one.key.size() - 30))),
      StatusIs(kInvalid, HasSubstr("no proper PEM")));
}

TEST(CheckCertificateTest, KeyAndCertificateBelongTogether) {
  const Certificate one = TestCertificate("one");
  const Certificate wild = TestCertificate("wild");
  EXPECT_THAT(CheckCertificate(one), IsOk());
  const absl::Status mixed =
      CheckCertificate({.chain = one.chain, .key = wild.key});
  EXPECT_THAT(mixed, StatusIs(kInvalid, HasSubstr("key")));
  EXPECT_FALSE(absl::StrContains(mixed.message(), wild.key.substr(40, 20)));
  EXPECT_THAT(CheckCertificate(TestCertificate("weak")),
              StatusIs(kInvalid, HasSubstr("bits")));
  EXPECT_THAT(CheckCertificate(
                  {.chain = one.chain, .key = TestFile("encrypted.key.pem")}),
              StatusIs(kInvalid, HasSubstr("encrypted")));
}

}  // namespace
}  // namespace ballast::tls
