// The examples an operator starts from are valid, and raise no warning.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "ha/advert.h"
#include "io/base/status_matchers.h"
#include "lb/config/ballast.pb.h"
#include "lb/config/load.h"
#include "lb/config/shared_part.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

std::string single_path;
std::string pair_path;
std::string plain_path;

proto::Config Load(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  const auto config = ParseConfig(text.str());
  EXPECT_THAT(config, IsOk());
  return config.value_or(proto::Config());
}

TEST(ExampleTest, IsValidWithoutWarning) {
  const Validated validated = Validate(Load(single_path), 1);
  EXPECT_EQ(Report(validated), "");
  ASSERT_NE(validated.model, nullptr);
  EXPECT_GT(validated.model->services.size(), 1u);
}

TEST(ExampleTest, PairIsValidOnBothUnitsWithoutWarning) {
  const proto::Config first = Load(pair_path);
  // As the file tells the operator to change it.
  proto::Config second = first;
  second.mutable_ha()->set_mode(proto::HighAvailability::SECOND);
  for (proto::HaLink& link : *second.mutable_ha()->mutable_links()) {
    std::string own = link.own_address();
    const std::string length = own.substr(own.find('/'));
    own.resize(own.size() - length.size());
    link.set_own_address(link.partner_address() + length);
    link.set_partner_address(own);
  }
  for (const proto::Config& unit : {first, second}) {
    const Validated validated = Validate(unit, 1);
    EXPECT_EQ(Report(validated), "");
    ASSERT_NE(validated.model, nullptr);
    EXPECT_NE(validated.model->ha.mode, ha::Mode::kNone);
    EXPECT_TRUE(validated.model->ha.l4_updates);
    EXPECT_FALSE(validated.model->services.empty());
  }
  EXPECT_EQ(SharedDigest(first), SharedDigest(second));
}

TEST(ExampleTest, PairWithAnotherMakeIsValidByCarpAndByCommand) {
  const proto::Config carp = Load(plain_path);
  // As the file tells the operator to change it.
  proto::Config by_command = carp;
  by_command.mutable_ha()->clear_timeout_s();
  by_command.mutable_ha()->clear_plain();
  by_command.mutable_ha()->mutable_plain()->set_election(
      proto::PlainPeer::BY_COMMAND);
  for (const proto::Config& unit : {carp, by_command}) {
    const Validated validated = Validate(unit, 1);
    EXPECT_EQ(Report(validated), "");
    ASSERT_NE(validated.model, nullptr);
    EXPECT_TRUE(validated.model->ha.plain.has_value());
  }
}

}  // namespace
}  // namespace ballast::config

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 4) return 2;
  ballast::config::single_path = argv[1];
  ballast::config::pair_path = argv[2];
  ballast::config::plain_path = argv[3];
  return RUN_ALL_TESTS();
}
