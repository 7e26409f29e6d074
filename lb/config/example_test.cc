// The example an operator starts from is valid, and raises no warning.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "io/base/status_matchers.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

std::string example_path;

TEST(ExampleTest, IsValidWithoutWarning) {
  std::ifstream file(example_path);
  ASSERT_TRUE(file) << example_path;
  std::stringstream text;
  text << file.rdbuf();
  const auto config = ParseConfig(text.str());
  ASSERT_THAT(config, IsOk());
  const Validated validated = Validate(*config, 1);
  EXPECT_EQ(Report(validated), "");
  ASSERT_NE(validated.model, nullptr);
  EXPECT_GT(validated.model->services.size(), 1u);
}

}  // namespace
}  // namespace ballast::config

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  ballast::config::example_path = argv[1];
  return RUN_ALL_TESTS();
}
