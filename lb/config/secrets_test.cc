#include "lb/config/secrets.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "io/base/status_matchers.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

// ballast.proto as protoc understood it, comments included.
std::string descriptor_path;

proto::Config Parse(const std::string& text) {
  const auto config = ParseConfig(text);
  EXPECT_THAT(config, IsOk());
  return config.value_or(proto::Config());
}

constexpr char kText[] = R"pb(
  hash_key: "sesame1"
  l7 { secrets: "sesame2" secrets: "sesame3" }
  ha {
    keys: "sesame2"
    plain { password: "sesame4" }
  }
  virtual_services {
    address: "192.0.2.1"
    port: 443
    persistence {}
    l7 { tls { certificates { chain: "public" key: "sesame5" } } }
  }
)pb";

TEST(SecretsTest, AreCleared) {
  proto::Config config = Parse(kText);
  ClearSecrets(config);
  EXPECT_EQ(config.DebugString(),
            Parse(R"pb(
              l7 {}
              ha { plain {} }
              virtual_services {
                address: "192.0.2.1"
                port: 443
                persistence {}
                l7 { tls { certificates { chain: "public" } } }
              }
            )pb")
                .DebugString());
}

TEST(SecretsTest, AreFilledInWhereTheyWere) {
  proto::Config config = Parse(kText);
  ClearSecrets(config);
  // Another service before it, and a certificate that is new.
  proto::Config next = Parse("virtual_services { address: '192.0.2.9' }");
  next.MergeFrom(config);
  auto& tls = *next.mutable_virtual_services(1)->mutable_l7()->mutable_tls();
  *tls.add_certificates() = tls.certificates(0);
  tls.mutable_certificates(0)->set_chain("another");
  FillSecrets(next, Parse(kText));
  EXPECT_EQ(next.hash_key(), "sesame1");
  EXPECT_EQ(next.l7().secrets_size(), 2);
  EXPECT_EQ(next.ha().keys(0), "sesame2");
  EXPECT_EQ(next.ha().plain().password(), "sesame4");
  EXPECT_EQ(tls.certificates(0).key(), "");
  EXPECT_EQ(tls.certificates(1).key(), "sesame5");
  FillSecrets(config, Parse(kText));
  EXPECT_EQ(config.DebugString(), Parse(kText).DebugString());
}

TEST(SecretsTest, MaskedOnesAreToldApartAndNotSeen) {
  proto::Config one = Parse(kText), two = Parse(kText);
  two.set_hash_key("sesame6");
  proto::Config* const both[] = {&one, &two};
  MaskSecrets(both);
  EXPECT_THAT(one.DebugString() + two.DebugString(), Not(HasSubstr("sesame")));
  EXPECT_EQ(one.ha().keys(0), one.l7().secrets(0));
  EXPECT_NE(one.l7().secrets(0), one.l7().secrets(1));
  EXPECT_NE(one.hash_key(), two.hash_key());
  EXPECT_EQ(one.ha().plain().password(), two.ha().plain().password());
}

// The operator's manual and the code say the same.
TEST(SecretsTest, AreTheFieldsWhoseCommentSaysSo) {
  std::ifstream file(descriptor_path, std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromIstream(&file)) << descriptor_path;
  google::protobuf::DescriptorPool pool;
  const google::protobuf::FileDescriptor* proto = pool.BuildFile(set.file(0));
  ASSERT_NE(proto, nullptr);
  std::vector<std::string> secrets;
  for (int i = 0; i < proto->message_type_count(); ++i) {
    const google::protobuf::Descriptor& message = *proto->message_type(i);
    for (int k = 0; k < message.field_count(); ++k) {
      google::protobuf::SourceLocation location;
      ASSERT_TRUE(message.field(k)->GetSourceLocation(&location));
      if (absl::StrContains(absl::AsciiStrToLower(location.leading_comments),
                            "secret")) {
        secrets.push_back(message.field(k)->full_name());
      }
    }
  }
  const auto fields = SecretFields();
  EXPECT_THAT(secrets, UnorderedElementsAreArray(fields.begin(), fields.end()));
}

}  // namespace
}  // namespace ballast::config

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  ballast::config::descriptor_path = argv[1];
  return RUN_ALL_TESTS();
}
