// Ranges, defaults and refusals: LoadMaster behaviour, section 3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "lb/config/load.h"
#include "lb/config/model.h"
#include "lb/config/validate.h"

namespace ballast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGood[] =
    "enable: true interface: 'sync0' local: '10.0.0.101/24' "
    "peer: '10.0.0.102/24'";

Validated Check(const std::string& sync, const std::string& rest = "") {
  const auto config = ParseConfig(
      absl::StrCat("interfaces { name: 'eth0' } virtual_services { address: "
                   "'192.0.2.1' port: 80 real_servers { address: '10.1.0.1' } "
                   "} connection_sync { ",
                   sync, " } ", rest),
      Format::kTextproto);
  if (!config.ok()) {
    ADD_FAILURE() << config.status();
    return {};
  }
  return Validate(*config, 1);
}
std::vector<std::string> Texts(const std::vector<Problem>& problems) {
  std::vector<std::string> texts;
  for (const Problem& problem : problems) texts.push_back(problem.ToString());
  return texts;
}
std::vector<std::string> Errors(const std::string& sync,
                                const std::string& rest = "") {
  return Texts(Check(sync, rest).errors);
}
std::vector<std::string> Warnings(const std::string& sync) {
  const Validated validated = Check(sync);
  EXPECT_THAT(validated.errors, IsEmpty());
  return Texts(validated.warnings);
}

TEST(ValidateConnectionSyncTest, OffByDefault) {
  const Validated validated = Check("");
  ASSERT_NE(validated.model, nullptr);
  EXPECT_FALSE(validated.model->connection_sync.has_value());
  EXPECT_FALSE(Check("interface: 'sync0' local: '10.0.0.101/24'")
                   .model->connection_sync);
}

TEST(ValidateConnectionSyncTest, Defaults) {
  const Validated validated = Check(kGood);
  ASSERT_NE(validated.model, nullptr);
  EXPECT_THAT(validated.warnings, IsEmpty());
  ConnectionSync expected;
  expected.interface = "sync0";
  expected.local = *Prefix::Parse("10.0.0.101/24");
  expected.peer = *Prefix::Parse("10.0.0.102/24");
  EXPECT_EQ(validated.model->connection_sync, expected);
  EXPECT_EQ(expected.mode, ConnectionSyncMode::kFtfw);
  EXPECT_EQ(expected.port, 3780);
  EXPECT_EQ(expected.send_buffer, 65536u);
  EXPECT_EQ(expected.receive_buffer, 65536u);
}

TEST(ValidateConnectionSyncTest, Everything) {
  const Validated validated = Check(
      "enable: true mode: ALARM interface: 'sync0' local: 'fd00::1/64' "
      "peer: 'fd00::2/64' port: 1 send_buffer: 2147483647 "
      "receive_buffer: 2147483647");
  ASSERT_NE(validated.model, nullptr);
  const ConnectionSync& sync = *validated.model->connection_sync;
  EXPECT_EQ(sync.mode, ConnectionSyncMode::kAlarm);
  EXPECT_EQ(sync.local, *Prefix::Parse("fd00::1/64"));
  EXPECT_EQ(sync.port, 1);
  EXPECT_EQ(sync.send_buffer, 2147483647u);
  EXPECT_EQ(sync.receive_buffer, 2147483647u);
}

TEST(ValidateConnectionSyncTest, EnablingNeedsTheLink) {
  EXPECT_THAT(Errors("enable: true"),
              ElementsAre("connection_sync.interface: is required",
                          "connection_sync.local: is required",
                          "connection_sync.peer: is required"));
}

TEST(ValidateConnectionSyncTest, EveryProblemIsToldAtOnce) {
  const std::vector<std::string> errors = Errors(
      "enable: true mode: 7 interface: 'a/b' local: '10.0.0.1' "
      "peer: 'nobody/24' port: 65536 send_buffer: 2147483648 "
      "receive_buffer: 4294967295");
  EXPECT_THAT(
      errors,
      ElementsAre(
          "connection_sync.mode: 7, is none of its names",
          HasSubstr("connection_sync.interface: \"a/b\", must be the name"),
          HasSubstr("connection_sync.local: \"10.0.0.1\", must be an address "
                    "and the length of its prefix"),
          HasSubstr("connection_sync.peer: \"nobody/24\""),
          "connection_sync.port: 65536, must be 0 or 1 to 65535",
          "connection_sync.send_buffer: 2147483648, must be 0 or 1 to "
          "2147483647",
          "connection_sync.receive_buffer: 4294967295, must be 0 or 1 to "
          "2147483647"));
}

TEST(ValidateConnectionSyncTest, WhatIsWrongIsToldWhileItIsOff) {
  EXPECT_THAT(Errors("local: '10.0.0.0/24'"),
              ElementsAre(HasSubstr("connection_sync.local")));
  EXPECT_THAT(Errors("interface: 'sixteen-letters!'"),
              ElementsAre(HasSubstr("connection_sync.interface")));
}

// Errors with these two addresses.
std::vector<std::string> Pair(const std::string& local,
                              const std::string& peer) {
  return Errors(absl::StrCat("enable: true interface: 'sync0' local: '", local,
                             "' peer: '", peer, "'"));
}

TEST(ValidateConnectionSyncTest, ThePeerIsAnotherHostOfTheSameNetwork) {
  const auto wrong = [](const std::string& what) {
    return ElementsAre(HasSubstr(what));
  };
  EXPECT_THAT(Pair("10.0.0.1/31", "10.0.0.0/31"), IsEmpty());
  EXPECT_THAT(Pair("10.0.0.1/24", "10.0.1.2/24"), wrong("in the network of"));
  EXPECT_THAT(Pair("10.0.0.1/24", "10.0.0.2/25"), wrong("in the network of"));
  EXPECT_THAT(Pair("10.0.0.1/24", "10.0.0.1/24"), wrong("must not be local"));
  EXPECT_THAT(Pair("10.0.0.1/24", "fd00::2/24"), wrong("must be IPv4 like"));
  EXPECT_THAT(Pair("fd00::1/24", "10.0.0.1/24"), wrong("must be IPv6 like"));
  EXPECT_THAT(Pair("10.0.0.1/24", "10.0.0.255/24"),
              wrong("not its network's or broadcast"));
  EXPECT_THAT(Pair("10.0.0.0/24", "10.0.0.1/24"),
              wrong("not its network's or broadcast"));
}

TEST(ValidateConnectionSyncTest, AFloatingAddressIsNotTheHosts) {
  EXPECT_THAT(
      Pair("192.0.2.1/24", "192.0.2.2/24"),
      ElementsAre("connection_sync.local: \"192.0.2.1/24\", must not be "
                  "a floating address"));
}

TEST(ValidateConnectionSyncTest, UnequalBuffersAndASharedLinkAreWarnings) {
  EXPECT_THAT(Warnings(absl::StrCat(kGood, " receive_buffer: 131072")),
              ElementsAre("connection_sync.receive_buffer: 131072, should be "
                          "send_buffer's 65536, here and at the peer"));
  EXPECT_THAT(
      Warnings("enable: true interface: 'eth0' local: '10.0.0.101/24' "
               "peer: '10.0.0.102/24'"),
      ElementsAre(HasSubstr("connection_sync.interface: \"eth0\", carries")));
}

TEST(ValidateConnectionSyncTest, APairThatTellsItsConnectionsExcludesIt) {
  const std::string pair =
      "ha { mode: FIRST virtual_id: 1 shared_address: '10.9.0.9' links { "
      "interface: 'eth1' own_address: '10.9.0.1/24' partner_address: "
      "'10.9.0.2' } ";
  const auto excluded =
      ElementsAre(HasSubstr("connection_sync.enable: true, must be false"));
  const std::string key(64, 'a');
  EXPECT_THAT(Errors(kGood, absl::StrCat(pair, "keys: '", key, "' }")),
              excluded);
  const std::string plain = "wire: PLAIN plain { password: 'x' }";
  EXPECT_THAT(Errors(kGood, absl::StrCat(pair, plain, " l4_updates: true }")),
              excluded);
  EXPECT_THAT(Errors(kGood, absl::StrCat(pair, plain, " }")), IsEmpty());
}

}  // namespace
}  // namespace ballast::config
