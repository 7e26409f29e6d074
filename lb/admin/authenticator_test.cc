#include "lb/admin/authenticator.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "absl/strings/match.h"
#include "lb/admin/password.h"
#include "lb/config/password_hash.h"

namespace ballast::admin {
namespace {

using config::proto::Management;
using config::proto::User;
using Verdict = Authenticator::Verdict;

constexpr absl::Time kNow = absl::FromUnixSeconds(1700000000);

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() {
    User& user = *management_.add_users();
    user.set_name("bal");
    user.set_role(User::ADMIN);
    user.set_password_hash("hash");
    auto& key = *user.add_api_keys();
    key.set_id("abc");
    key.set_sha256(Sha256Hex("abc"));
  }

  Authenticator::Decision Decide(absl::string_view user,
                                 absl::string_view password) {
    return authenticator_.Decide(now_, peer_, Of(user, password), management_);
  }
  Authenticator::Decision Verified(absl::string_view user,
                                   absl::string_view password, bool right) {
    return authenticator_.Verified(now_, peer_, Of(user, password), management_,
                                   "hash", right);
  }
  static Credentials Of(absl::string_view user, absl::string_view password) {
    return {.user = std::string(user), .password = std::string(password)};
  }
  // A wrong password, heard and verified or not.
  void Guess() {
    if (Decide("bal", "wrong").verdict == Verdict::kVerify) {
      EXPECT_EQ(Verified("bal", "wrong", false).verdict, Verdict::kRefused);
    }
  }
  bool Heard() { return Decide("bal", "right").verdict == Verdict::kVerify; }

  absl::Time now_ = kNow;
  Address peer_ = Address::V4(0xc0000201);
  Management management_;
  Authenticator authenticator_{SipKey{1, 2}};
};

TEST_F(AuthenticatorTest, RightPasswordIsVerifiedOnceAndRemembered) {
  const auto decision = Decide("bal", "right");
  ASSERT_EQ(decision.verdict, Verdict::kVerify);
  EXPECT_EQ(decision.hash, "hash");
  const auto granted = Verified("bal", "right", true);
  ASSERT_EQ(granted.verdict, Verdict::kGranted);
  EXPECT_EQ(granted.who.role, User::ADMIN);
  EXPECT_EQ(Decide("bal", "right").verdict, Verdict::kGranted);
  EXPECT_EQ(Decide("bal", "other").verdict, Verdict::kVerify);
  now_ += Authenticator::kRemembered;
  EXPECT_EQ(Decide("bal", "right").verdict, Verdict::kVerify);
}

TEST_F(AuthenticatorTest, ChangedPasswordAndRemovedUserCountAtOnce) {
  Verified("bal", "right", true);
  management_.mutable_users(0)->set_password_hash("other");
  EXPECT_EQ(Decide("bal", "right").verdict, Verdict::kVerify);
  // Verified against what it was before.
  EXPECT_EQ(Verified("bal", "right", true).verdict, Verdict::kRefused);
  management_.mutable_users(0)->set_password_hash("hash");
  EXPECT_EQ(Decide("bal", "right").verdict, Verdict::kGranted);
  management_.clear_users();
  EXPECT_NE(Decide("bal", "right").verdict, Verdict::kGranted);
}

// Nobody learns from the time it takes who is there.
TEST_F(AuthenticatorTest, UnknownUserCostsAsMuch) {
  const auto decision = Decide("nobody", "x");
  ASSERT_EQ(decision.verdict, Verdict::kVerify);
  const auto hash = config::ParsePasswordHash(decision.hash);
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_EQ(hash->ln, config::PasswordHash().ln);
  // Even if it were right.
  EXPECT_EQ(Verified("nobody", "x", true).verdict, Verdict::kRefused);
  // A user with keys only is none by password.
  management_.mutable_users(0)->clear_password_hash();
  EXPECT_EQ(Decide("bal", "").hash, decision.hash);
}

TEST_F(AuthenticatorTest, ApiKey) {
  Credentials key{.user = "nobody", .password = "x", .api_key = "abc"};
  const auto granted = authenticator_.Decide(now_, peer_, key, management_);
  ASSERT_EQ(granted.verdict, Verdict::kGranted);
  EXPECT_EQ(granted.who.user, "bal");
  EXPECT_EQ(granted.who.by, "api key abc");
  key.api_key = "abd";
  EXPECT_EQ(authenticator_.Decide(now_, peer_, key, management_).verdict,
            Verdict::kRefused);
}

TEST_F(AuthenticatorTest, GuesserWaitsLongerEachTime) {
  for (int i = 0; i < Authenticator::kFreeFailures; ++i) {
    EXPECT_TRUE(Heard());
    Guess();
  }
  EXPECT_TRUE(Heard());
  for (const int wait_s : {1, 2, 4, 8, 16, 32, 60, 60}) {
    Guess();
    now_ += absl::Seconds(wait_s) - absl::Milliseconds(1);
    EXPECT_FALSE(Heard()) << wait_s;
    now_ += absl::Milliseconds(1);
    EXPECT_TRUE(Heard()) << wait_s;
  }
  EXPECT_EQ(authenticator_.stats().damped, 8u);
}

TEST_F(AuthenticatorTest, OthersAreHeardMeanwhile) {
  for (int i = 0; i <= Authenticator::kFreeFailures; ++i) Guess();
  EXPECT_FALSE(Heard());
  EXPECT_EQ(Decide("eve", "x").verdict, Verdict::kVerify);
  peer_ = Address::V4(0xc0000202);
  EXPECT_TRUE(Heard());
}

TEST_F(AuthenticatorTest, FailuresAreForgottenInTime) {
  for (int i = 0; i <= Authenticator::kFreeFailures; ++i) Guess();
  now_ += Authenticator::kForgotten;
  for (int i = 0; i < Authenticator::kFreeFailures; ++i) {
    EXPECT_TRUE(Heard());
    Guess();
  }
  EXPECT_TRUE(Heard());
}

// An IPv6 host has more addresses than could be counted.
TEST_F(AuthenticatorTest, Ipv6CountsByNetwork) {
  for (int i = 0; i <= Authenticator::kFreeFailures; ++i) {
    peer_ = *Address::Parse("2001:db8:1:2::" + std::to_string(i + 1));
    Guess();
  }
  peer_ = *Address::Parse("2001:db8:1:2:ffff::1");
  EXPECT_FALSE(Heard());
  peer_ = *Address::Parse("2001:db8:1:3::1");
  EXPECT_TRUE(Heard());
}

TEST_F(AuthenticatorTest, AskingWithoutCredentialsIsNoGuess) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Decide("", "").verdict, Verdict::kRefused);
  }
  EXPECT_TRUE(Heard());
}

TEST(BasicTest, Rfc7617) {
  Credentials credentials;
  // The example of section 2.
  ASSERT_TRUE(
      ReadAuthorization("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &credentials));
  EXPECT_EQ(credentials.user, "Aladdin");
  EXPECT_EQ(credentials.password, "open sesame");
  EXPECT_FALSE(ReadAuthorization("Basic !", &credentials));
  EXPECT_FALSE(ReadAuthorization("Basic QWxhZGRpbg==", &credentials));
}

// RFC 6750 §2.1's own example.
TEST(ReadAuthorizationTest, BearerIsAnApiKey) {
  Credentials credentials;
  ASSERT_TRUE(ReadAuthorization("Bearer mF_9.B5f-4.1JqM", &credentials));
  EXPECT_EQ(credentials.api_key, "mF_9.B5f-4.1JqM");
  EXPECT_EQ(credentials.user, "");
  // One that is there has precedence.
  EXPECT_TRUE(ReadAuthorization("bearer other", &credentials));
  EXPECT_EQ(credentials.api_key, "mF_9.B5f-4.1JqM");
  Credentials none;
  EXPECT_FALSE(ReadAuthorization("Bearer ", &none));
  EXPECT_FALSE(ReadAuthorization("Bearer " + std::string(5000, 'a'), &none));
  EXPECT_FALSE(ReadAuthorization("Digest abc", &none));
  EXPECT_EQ(none.api_key, "");
}

// RFC 7914, section 12: scrypt of "pleaseletmein" and "SodiumChloride" with
// N=16384, r=8, p=1.
TEST(PasswordTest, Rfc7914) {
  const std::string hash =
      "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
      "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr5"
      "5h6F3A1lHkDfzwF7RVdYhw";
  EXPECT_TRUE(VerifyPassword("pleaseletmein", hash));
  EXPECT_FALSE(VerifyPassword("pleaseletmeIn", hash));
  EXPECT_FALSE(VerifyPassword("pleaseletmein", "no hash"));
}

TEST(PasswordTest, HashVerifies) {
  const std::array<uint8_t, kSaltSize> salt{1, 2, 3};
  const std::string hash = HashPassword("a b\xc3\xa4", salt);
  EXPECT_TRUE(absl::StartsWith(hash, "$scrypt$ln=15,r=8,p=1$")) << hash;
  EXPECT_TRUE(VerifyPassword("a b\xc3\xa4", hash));
  EXPECT_FALSE(VerifyPassword("a b", hash));
  EXPECT_FALSE(VerifyPassword(std::string(kPasswordMax + 1, 'x'), hash));
}

// FIPS 180-2, B.1.
TEST(PasswordTest, Sha256) {
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace ballast::admin
