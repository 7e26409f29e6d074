#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/config/load.h"
#include "lb/config/model.h"
#include "lb/config/password_hash.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;

// Python: hashlib.scrypt(b"correct horse", salt=b"saltsaltsaltsalt", n=1024,
// r=8, p=1, dklen=32).
constexpr char kHash[] =
    "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
    "A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI";

// What is reported of `text`.
std::string ReportOf(absl::string_view text) {
  const auto config = ParseConfig(text);
  EXPECT_TRUE(config.ok()) << config.status();
  return Report(Validate(*config, 1));
}

TEST(ValidateManagementTest, WholeMessageIsValid) {
  std::string text = R"pb(
    state_dir: "/s"
    management {
      enable_api: true
      flood_guard: true
      address: "::"
      port: 443
      users { name: "bal" role: ADMIN password_hash: "HASH" }
      users {
        name: "t"
        api_keys {
          id: "0123abcd"
          sha256: "00112233445566778899aabbccddeeff"
                  "00112233445566778899aabbccddeeff"
        }
      }
    }
  )pb";
  EXPECT_EQ(ReportOf(absl::StrReplaceAll(text, {{"HASH", kHash}})), "");
}

TEST(ValidateManagementTest, EachMistakeIsNamed) {
  const std::string report = ReportOf(R"pb(
    management {
      address: "224.0.0.1"
      port: 65536
      certificate_file: "c.pem"
      users { password_hash: "secret" }
      users {
        name: "a"
        api_keys { id: "x" sha256: "y" }
      }
      users { name: "a" }
    }
  )pb");
  for (const char* line :
       {"error: management.users[0].name: is required",
        "error: management.users[0].password_hash: is no hash of kind scrypt",
        "error: management.users[1].api_keys[0].id: must be 8 hex digits",
        "error: management.users[1].api_keys[0].sha256: must be 64 hex digits",
        "error: management.users[2].name: \"a\", is already the name of "
        "management.users[1]",
        "warning: management.users[2]: has neither",
        "error: management.address: \"224.0.0.1\", must be an address",
        "error: management.port: 65536, must be 0 to 65535",
        "error: management.certificate_file: \"c.pem\", must be an absolute",
        "error: management.key_file: is required"}) {
    EXPECT_THAT(report, HasSubstr(line));
  }
  // A password that was put where its hash belongs is not repeated.
  EXPECT_THAT(report, Not(HasSubstr("secret")));
}

TEST(ValidateManagementTest, IndicesAreOnes) {
  const std::string report = ReportOf(R"pb(
    virtual_services {
      address: "192.0.2.1"
      port: 80
      index: 7
      real_servers { address: "192.0.2.21" index: 1 }
      real_servers { address: "192.0.2.22" index: 1 }
    }
    virtual_services {
      address: "192.0.2.1"
      port: 81
      index: 2147483648
      l7 {
        sub_services {
          name: "s"
          index: 7
          real_servers { address: "192.0.2.21" index: 7 }
        }
      }
    }
  )pb");
  EXPECT_THAT(report, HasSubstr("virtual_services[0].real_servers[1].index: 1, "
                                "is already that of "
                                "virtual_services[0].real_servers[0]\n"));
  EXPECT_THAT(report, HasSubstr("virtual_services[1].index: 2147483648, must "
                                "be 0 to 2147483647"));
  EXPECT_THAT(report,
              HasSubstr("virtual_services[1].l7.sub_services[0].index: 7, is "
                        "already that of virtual_services[0]\n"));
}

TEST(ValidateManagementTest, ServerDisabledEverywhere) {
  const auto config = ParseConfig(R"pb(
    interfaces { name: "eth0" }
    disabled_servers: "192.0.2.21"
    disabled_servers: "192.0.2.22:81"
    virtual_services {
      address: "192.0.2.1"
      port: 80
      real_servers { address: "192.0.2.21" }
      real_servers { address: "192.0.2.22" }
      real_servers { address: "192.0.2.22" port: 81 }
    }
    virtual_services {
      address: "192.0.2.1"
      port: 81
      l7 {}
      real_servers { address: "192.0.2.21" port: 3 }
      real_servers { address: "192.0.2.22" }
    }
  )pb");
  ASSERT_TRUE(config.ok()) << config.status();
  const Validated valid = Validate(*config, 1);
  ASSERT_NE(valid.model, nullptr) << Report(valid);
  const auto& layer4 = valid.model->services[0].servers;
  EXPECT_EQ(layer4[0].state, AdminState::kDisabled);
  EXPECT_EQ(layer4[1].state, AdminState::kEnabled);
  EXPECT_EQ(layer4[2].state, AdminState::kDisabled);
  const auto& layer7 = valid.model->services[1].servers;
  EXPECT_EQ(layer7[0].state, AdminState::kDraining);
  EXPECT_EQ(layer7[1].state, AdminState::kDraining);
  EXPECT_THAT(ReportOf("disabled_servers: \"x\""),
              HasSubstr("disabled_servers[0]: \"x\", must be an address"));
}

TEST(PasswordHashTest, FormatsBack) {
  const auto hash = ParsePasswordHash(kHash);
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_EQ(hash->ln, 10u);
  EXPECT_EQ(hash->salt, "saltsaltsaltsalt");
  EXPECT_EQ(FormatPasswordHash(*hash), kHash);
}

TEST(PasswordHashTest, CostIsBounded) {
  const auto with = [](absl::string_view cost) {
    return ParsePasswordHash(
               absl::StrCat("$scrypt$", cost,
                            "$c2FsdHNhbHRzYWx0$MDEyMzQ1Njc4OWFiY2RlZg"))
        .ok();
  };
  EXPECT_TRUE(with("ln=16,r=8,p=4"));
  EXPECT_FALSE(with("ln=17,r=8,p=1"));  // 128 MiB.
  EXPECT_FALSE(with("ln=9,r=8,p=1"));
  EXPECT_FALSE(with("ln=16,r=0,p=1"));
  EXPECT_FALSE(with("ln=16,r=8,p=5"));
  EXPECT_FALSE(with("ln=16,r=8"));
}

}  // namespace
}  // namespace ballast::config
