#include "lb/tls/self_signed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "io/base/status_matchers.h"
#include "lb/tls/certificate_info.h"
#include "lb/tls/tls_testing.h"

namespace ballast::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Certificate Made(const std::vector<std::string>& names, absl::Time now) {
  const auto made = MakeSelfSigned(names, now);
  BALLAST_CHECK(made.ok());
  return *made;
}

// What a client says of it that knows it and asks for `name`.
SessionError Verdict(const Certificate& certificate, const std::string& name,
                     absl::Time now) {
  const auto client =
      Session::Client(MakeClient({.ca = certificate.chain}), name);
  const auto server =
      Session::Server(MakeServer({.certificates = {certificate}}));
  Wire wire{.client = client.get(),
            .server = server.get(),
            .at_client = {},
            .at_server = {},
            .now = now};
  wire.Run();
  return client->error();
}

TEST(SelfSignedTest, IsGoodForItsNamesToWhoKnowsIt) {
  const Certificate made = Made({"unit-1", "127.0.0.1", "::1"}, kNow);
  for (const char* name : {"unit-1", "127.0.0.1", "::1"}) {
    EXPECT_EQ(Verdict(made, name, kNow), SessionError::kNone) << name;
  }
  EXPECT_EQ(Verdict(made, "unit-2", kNow), SessionError::kCertificateHost);
  EXPECT_EQ(Verdict(made, "127.0.0.2", kNow), SessionError::kCertificateHost);
}

TEST(SelfSignedTest, ForTenYearsFromADayBefore) {
  const Certificate made = Made({"unit-1"}, kNow);
  const auto info = DescribeCertificate(made.chain);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->subject, "CN=unit-1");
  EXPECT_EQ(info->issuer, info->subject);
  EXPECT_THAT(info->names, ElementsAre("unit-1"));
  EXPECT_EQ(info->key_type, "EC");
  EXPECT_EQ(info->not_before, kNow - absl::Hours(24));
  EXPECT_EQ(info->not_after, kNow + absl::Hours(24 * 3650));
  EXPECT_EQ(Verdict(made, "unit-1", kNow - absl::Hours(25)),
            SessionError::kCertificateExpired);
  EXPECT_EQ(Verdict(made, "unit-1", kNow + absl::Hours(24 * 3651)),
            SessionError::kCertificateExpired);
}

TEST(SelfSignedTest, EachIsAnother) {
  const Certificate one = Made({"unit-1"}, kNow);
  const Certificate other = Made({"unit-1"}, kNow);
  EXPECT_NE(one.key, other.key);
  EXPECT_FALSE(CheckCertificate({.chain = one.chain, .key = other.key}).ok());
}

TEST(SelfSignedTest, NamesThatCannotBe) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(MakeSelfSigned({}, kNow),
              StatusIs(kInvalid, HasSubstr("no name")));
  for (const char* name : {"a,DNS:b", "a\nb"}) {
    EXPECT_THAT(MakeSelfSigned(std::vector<std::string>{name}, kNow),
                StatusIs(kInvalid, HasSubstr("")))
        << name;
  }
}

}  // namespace
}  // namespace ballast::tls
