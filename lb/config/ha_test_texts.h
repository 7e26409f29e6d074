// Configurations of a unit of a pair, for tests to change one thing in.
#ifndef LB_CONFIG_HA_TEST_TEXTS_H_
#define LB_CONFIG_HA_TEST_TEXTS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::config {

inline constexpr char kKey[] =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

inline Validated Check(const std::string& text) {
  const auto config = ParseConfig(text, Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status() << "\n" << text;
    return {};
  }
  return Validate(*config, 1);
}

inline constexpr char kLink[] =
    "links { interface: 'eth0' own_address: '192.0.2.2/24' "
    "partner_address: '192.0.2.3' } ";
inline constexpr char kRest[] = "shared_address: '192.0.2.7' l4_updates: true ";

// A unit of a pair, which nothing is wrong with.
inline std::string Around(const std::string& ha) {
  return absl::StrCat("interfaces { name: 'eth0' } state_dir: '/s' ha { ", ha,
                      " }");
}
inline std::string Pair(const std::string& more) {
  return Around(
      absl::StrCat("mode: FIRST ", kLink, kRest, "keys: '", kKey, "' ", more));
}
inline std::string Plain(const std::string& more) {
  return Around(absl::StrCat("mode: FIRST ", kLink, kRest,
                             "wire: PLAIN plain { password: 'kemp-secret' ",
                             more, " }"));
}
inline std::string ByCommand(const std::string& more) {
  return Around(absl::StrCat("mode: FIRST ", kLink,
                             "virtual_id: 7 l4_updates: true wire: PLAIN "
                             "plain { election: BY_COMMAND ",
                             more, " }"));
}

// The errors alone, as Report() shows them.
inline std::string Errors(const std::string& text) {
  return Report({nullptr, Check(text).errors, {}});
}

// What is made of a text that nothing is wrong with.
inline HighAvailability Good(const std::string& text) {
  const Validated validated = Check(text);
  EXPECT_EQ(Report(validated), "") << text;
  return validated.model ? validated.model->ha : HighAvailability{};
}

inline std::string Replaced(std::string text, const std::string& what,
                            const std::string& with) {
  EXPECT_THAT(text, ::testing::HasSubstr(what));
  return absl::StrReplaceAll(text, {{what, with}});
}
}  // namespace ballast::config

#endif  // LB_CONFIG_HA_TEST_TEXTS_H_
