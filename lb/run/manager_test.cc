#include "lb/run/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "io/base/status_matchers.h"
#include "lb/config/load.h"
#include "lb/config/shared_part.h"
#include "lb/run/fake_balancer.h"

namespace ballast::run {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const admin::Author kAdmin{"admin", "192.0.2.7"};

class ManagerTest : public ::testing::Test {
 protected:
  ManagerTest()
      : folder_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())),
        path_(folder_ + "/ballast.textproto"),
        state_(folder_ + "/state") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  void WriteFile(const std::string& text) { std::ofstream(path_) << text; }
  static std::string ReadText(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string File() const { return ReadText(path_); }
  // A file made by hand.
  std::string Text(const std::string& more = "") const {
    return absl::StrCat(
        "# by hand\nstate_dir: '", state_,
        "'\ninterfaces { name: 'eth0' }\nconnection_timeout_s: 100\n", more);
  }

  absl::Status TryOpen() {
    manager_.reset();
    Manager::Options options;
    options.path = path_;
    options.balancer.log = [this](const LogRecord& record) {
      absl::StrAppend(&log_, record.message, "\n");
    };
    options.create = [this](Balancer::Options options)
        -> absl::StatusOr<std::unique_ptr<Balancer>> {
      auto balancer = std::make_unique<FakeBalancer>(std::move(options));
      balancer_ = balancer.get();
      return balancer;
    };
    auto manager = Manager::Open(std::move(options));
    if (!manager.ok()) return manager.status();
    manager_ = *std::move(manager);
    return absl::OkStatus();
  }
  void Open(const std::string& text) {
    WriteFile(text);
    ASSERT_THAT(TryOpen(), IsOk());
  }

  absl::Status ChangeTimeout(uint32_t seconds) {
    config::proto::Config next = manager_->configuration();
    next.set_connection_timeout_s(seconds);
    return manager_->Change(next, absl::StrCat("timeout ", seconds), kAdmin);
  }
  uint32_t TimeoutOf(uint64_t generation) const {
    const auto config = manager_->ConfigurationOf(generation);
    return config.ok() ? config->connection_timeout_s() : 0;
  }
  std::vector<std::string> Whats() const {
    std::vector<std::string> whats;
    for (const admin::Revision& revision : manager_->History()) {
      whats.push_back(absl::StrCat(revision.generation, " ",
                                   revision.author.user, " ", revision.what));
    }
    return whats;
  }
  std::vector<std::string> AuditLines() const {
    return absl::StrSplit(manager_->AuditTail(1000), '\n', absl::SkipEmpty());
  }

  const std::string folder_, path_, state_;
  std::string log_;
  FakeBalancer* balancer_ = nullptr;  // The manager's.
  std::unique_ptr<Manager> manager_;
};

TEST_F(ManagerTest, AChangeIsWrittenAppliedAndKept) {
  Open(Text());
  EXPECT_EQ(manager_->generation(), 1u);
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  EXPECT_EQ(manager_->generation(), 2u);
  EXPECT_EQ(balancer_->model().connection_timeout, absl::Seconds(200));
  EXPECT_EQ(balancer_->model().generation, 2u);
  const auto written = config::ParseConfig(File());
  ASSERT_THAT(written, IsOk());
  EXPECT_EQ(written->connection_timeout_s(), 200u);
  EXPECT_EQ(written->generation(), 2u);
  EXPECT_THAT(File(), StartsWith("# ballast {\"generation\":\"2\""));
  EXPECT_THAT(File(), AllOf(HasSubstr(R"("user":"admin","from":"192.0.2.7")"),
                            HasSubstr(R"("what":"timeout 200")")));
  EXPECT_THAT(Whats(), ElementsAre("2 admin timeout 200",
                                   "1 start as found at the start"));
  EXPECT_EQ(TimeoutOf(1), 100u);
  EXPECT_EQ(TimeoutOf(2), 200u);
  EXPECT_THAT(manager_->ConfigurationOf(3),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("generation 3")));
  EXPECT_THAT(manager_->Compare(1, 2),
              IsOkAndHolds("~ connection_timeout_s: 100 -> 200\n"));
  EXPECT_THAT(AuditLines(),
              ElementsAre(HasSubstr(R"("what":"start")"),
                          AllOf(HasSubstr(R"("generation":"2")"),
                                HasSubstr(R"("from":"192.0.2.7")"),
                                HasSubstr(R"("what":"timeout 200"})"))));
  // Hand-made comments are where the history has the file.
  EXPECT_THAT(File(), Not(HasSubstr("by hand")));
  EXPECT_THAT(ReadText(state_ + "/history/000000000001.textproto"),
              HasSubstr(Text()));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".before"));
}

TEST_F(ManagerTest, WhatIsNotValidLeavesNothing) {
  Open(Text());
  config::proto::Config next = manager_->configuration();
  next.set_threads(65);
  next.set_slow_start_s(601);
  EXPECT_THAT(manager_->Change(next, "too much", kAdmin),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "slow_start_s: 601, must be 0 to 600\n"
                       "threads: 65, must be 0 or 1 to 64"));
  EXPECT_EQ(File(), Text());
  EXPECT_EQ(manager_->generation(), 1u);
  EXPECT_EQ(balancer_->applied, 0);
  EXPECT_EQ(Whats().size(), 1u);
  EXPECT_THAT(AuditLines().back(),
              AllOf(HasSubstr(R"("generation":"1")"),
                    HasSubstr(R"("refused":"slow_start_s: 601)")));
}

TEST_F(ManagerTest, WhatTheBalancerWouldRefuseIsNotWritten) {
  Open(Text());
  balancer_->check_status = absl::FailedPreconditionError(
      "this unit is standby: change the configuration on the active unit, "
      "FIRST at 192.0.2.2");
  EXPECT_THAT(ChangeTimeout(200),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("FIRST at 192.0.2.2")));
  EXPECT_EQ(File(), Text());
  EXPECT_EQ(balancer_->applied, 0);
  WriteFile(Text("slow_start_s: 1"));
  EXPECT_THAT(manager_->Reload({"SIGHUP", ""}),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_THAT(log_, HasSubstr("reload refused: this unit is standby"));
  EXPECT_EQ(AuditLines().size(), 3u);
}

TEST_F(ManagerTest, WhatTheBalancerDoesNotTakeIsRestored) {
  Open(Text());
  balancer_->apply_status = absl::NotFoundError("/cert.pem: no such file");
  EXPECT_THAT(ChangeTimeout(200),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/cert.pem")));
  EXPECT_EQ(File(), Text());
  EXPECT_EQ(Whats().size(), 1u);
  EXPECT_EQ(manager_->configuration().connection_timeout_s(), 100u);
  // Applied in part: the former one is applied again.
  balancer_->half = true;
  balancer_->apply_status = absl::UnavailableError("packet thread 1");
  EXPECT_THAT(ChangeTimeout(300), StatusIs(absl::StatusCode::kUnavailable, _));
  EXPECT_EQ(balancer_->model().connection_timeout, absl::Seconds(100));
  EXPECT_EQ(File(), Text());
  // And the next one has the number.
  EXPECT_THAT(ChangeTimeout(400), IsOk());
  EXPECT_EQ(manager_->generation(), 2u);
  EXPECT_EQ(TimeoutOf(2), 400u);
}

TEST_F(ManagerTest, WhatTheDiskDoesNotTakeIsRefused) {
  Open(Text());
  std::filesystem::create_directory(path_ + ".new");
  EXPECT_THAT(ChangeTimeout(200),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(".new")));
  std::filesystem::remove(path_ + ".new");
  const std::string revision = state_ + "/history/000000000002.textproto.new";
  std::filesystem::create_directory(revision);
  EXPECT_THAT(ChangeTimeout(200),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(revision)));
  EXPECT_EQ(File(), Text());
  EXPECT_EQ(balancer_->applied, 0);
  EXPECT_EQ(manager_->generation(), 1u);
  std::filesystem::remove(revision);
  EXPECT_THAT(ChangeTimeout(200), IsOk());
}

TEST_F(ManagerTest, RollbackIsAChange) {
  Open(Text());
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  ASSERT_THAT(ChangeTimeout(300), IsOk());
  ASSERT_THAT(manager_->Rollback(1, kAdmin), IsOk());
  EXPECT_EQ(manager_->generation(), 4u);
  EXPECT_EQ(manager_->configuration().connection_timeout_s(), 100u);
  EXPECT_EQ(Whats()[0], "4 admin rollback to 1");
  EXPECT_THAT(manager_->Rollback(9, kAdmin),
              StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(AuditLines().back(), HasSubstr(R"("refused":"generation 9)"));
  // The same again is none.
  ASSERT_THAT(manager_->Rollback(1, kAdmin), IsOk());
  EXPECT_EQ(manager_->generation(), 4u);
  EXPECT_EQ(Whats().size(), 4u);
}

TEST_F(ManagerTest, AnEditedFileIsARevisionWhenItIsReloaded) {
  Open(Text());
  const std::string edited = Text("# why\nslow_start_s: 5\n");
  WriteFile(edited);
  ASSERT_THAT(manager_->Reload({"SIGHUP", ""}), IsOk());
  EXPECT_THAT(log_, HasSubstr("reloaded: generation 2"));
  EXPECT_EQ(File(), edited);
  EXPECT_EQ(Whats()[0], "2 SIGHUP reload");
  ASSERT_THAT(manager_->Reload({"SIGHUP", ""}), IsOk());
  EXPECT_EQ(manager_->generation(), 2u);
  EXPECT_EQ(Whats().size(), 2u);
  EXPECT_EQ(balancer_->applied, 2);  // Files it names are read anew.
  WriteFile("nonsense: 1");
  EXPECT_THAT(manager_->Reload({"SIGHUP", ""}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path_)));
  // What nobody has read is written over, and kept.
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  EXPECT_EQ(ReadText(path_ + ".before"), "nonsense: 1");
  EXPECT_THAT(log_, HasSubstr("was edited and not read again"));
}

TEST_F(ManagerTest, GenerationsGoOnOverRestarts) {
  Open(Text());
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  WriteFile(Text("slow_start_s: 5"));  // Has no generation.
  ASSERT_THAT(manager_->Reload({"SIGHUP", ""}), IsOk());
  ASSERT_THAT(TryOpen(), IsOk());
  EXPECT_EQ(manager_->generation(), 3u);
  EXPECT_EQ(Whats().size(), 3u);
  // Edited meanwhile.
  manager_.reset();
  Open(Text("slow_start_s: 6"));
  EXPECT_EQ(manager_->generation(), 4u);
  EXPECT_EQ(Whats()[0], "4 start as found at the start");
  // Only its comments.
  manager_.reset();
  Open(Text("slow_start_s: 6 # six"));
  EXPECT_EQ(manager_->generation(), 4u);
  EXPECT_EQ(balancer_->model().generation, 4u);
}

TEST_F(ManagerTest, ARevisionThatWasNotWrittenIsMadeOfTheFile) {
  Open(Text());
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  manager_.reset();
  std::filesystem::remove(state_ + "/history/000000000002.textproto");
  ASSERT_THAT(TryOpen(), IsOk());
  EXPECT_EQ(manager_->generation(), 2u);
  EXPECT_EQ(Whats()[0], "2 admin timeout 200");
}

TEST_F(ManagerTest, TheHistoryIsBounded) {
  Open(Text("history { revisions: 3 }"));
  for (uint32_t i = 0; i < 5; ++i) ASSERT_THAT(ChangeTimeout(200 + i), IsOk());
  EXPECT_THAT(Whats(), ElementsAre("6 admin timeout 204", "5 admin timeout 203",
                                   "4 admin timeout 202"));
  EXPECT_THAT(manager_->ConfigurationOf(3),
              StatusIs(absl::StatusCode::kNotFound, _));
  ASSERT_THAT(TryOpen(), IsOk());
  EXPECT_EQ(Whats().size(), 3u);
  // A new bound holds at once.
  config::proto::Config next = manager_->configuration();
  next.mutable_history()->set_revisions(2);
  ASSERT_THAT(manager_->Change(next, "less", kAdmin), IsOk());
  EXPECT_EQ(Whats().size(), 2u);
}

TEST_F(ManagerTest, WithoutStateDirMemoryHasIt) {
  const std::string text =
      "# by hand\ninterfaces { name: 'eth0' } connection_timeout_s: 100\n";
  Open(text);
  EXPECT_THAT(log_, HasSubstr("state_dir: none"));
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  ASSERT_THAT(ChangeTimeout(300), IsOk());
  EXPECT_EQ(TimeoutOf(2), 200u);
  EXPECT_EQ(AuditLines().size(), 3u);
  // The comments must be somewhere when the process has ended.
  EXPECT_EQ(ReadText(path_ + ".before"), text);
  ASSERT_THAT(manager_->Rollback(1, kAdmin), IsOk());
  EXPECT_EQ(manager_->generation(), 4u);
}

TEST_F(ManagerTest, ABackupIsAFileToStartFrom) {
  const std::string key(32, 'a'), other(32, 'b');
  Open(Text(absl::StrCat("hash_key: '", key, "'")));
  const std::string whole = folder_ + "/whole", bare = folder_ + "/bare";
  ASSERT_THAT(manager_->Backup(whole, /*secrets=*/true, kAdmin), IsOk());
  ASSERT_THAT(manager_->Backup(bare, /*secrets=*/false, kAdmin), IsOk());
  EXPECT_THAT(ReadText(whole), HasSubstr(key));
  EXPECT_THAT(ReadText(bare), Not(HasSubstr(key)));
  struct stat info;
  ASSERT_EQ(stat(whole.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  config::proto::Config next = manager_->configuration();
  next.set_hash_key(other);
  next.set_connection_timeout_s(200);
  ASSERT_THAT(manager_->Change(next, "key", kAdmin), IsOk());
  // Secrets that it does not have stay as they are.
  ASSERT_THAT(manager_->Restore(bare, kAdmin), IsOk());
  EXPECT_EQ(manager_->configuration().connection_timeout_s(), 100u);
  EXPECT_EQ(manager_->configuration().hash_key(), other);
  ASSERT_THAT(manager_->Restore(whole, kAdmin), IsOk());
  EXPECT_EQ(manager_->configuration().hash_key(), key);
  EXPECT_EQ(manager_->generation(), 4u);
  EXPECT_THAT(manager_->Restore(folder_ + "/none", kAdmin),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(AuditLines().back(), HasSubstr("restore from"));
  // And by itself.
  std::filesystem::copy_file(whole, path_,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_THAT(TryOpen(), IsOk());
}

TEST_F(ManagerTest, ActionsAreInTheAudit) {
  Open(Text());
  EXPECT_THAT(manager_->Switchover(kAdmin), IsOk());
  balancer_->act_status = absl::FailedPreconditionError("no partner");
  EXPECT_FALSE(manager_->Resync(kAdmin).ok());
  EXPECT_FALSE(manager_->ForceUpdate(kAdmin).ok());
  EXPECT_THAT(manager_->Reboot(kAdmin),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("ha.reboot_command")));
  const auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[1], HasSubstr(R"("what":"switchover"})"));
  EXPECT_THAT(lines[2], HasSubstr(R"("what":"resync","refused":"no partner")"));
  EXPECT_THAT(lines[3], HasSubstr(R"("refused":"no pair is configured")"));
  EXPECT_THAT(lines[4], HasSubstr(R"("what":"reboot","refused":)"));
}

TEST_F(ManagerTest, TheRebootCommandRuns) {
  const std::string mark = folder_ + "/rebooted";
  Open(
      Text(absl::StrCat("ha { reboot_command: '/usr/bin/touch' "
                        "reboot_command: '",
                        mark, "' }")));
  ASSERT_THAT(manager_->Reboot(kAdmin), IsOk());
  for (int i = 0; i < 1000 && !std::filesystem::exists(mark); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(std::filesystem::exists(mark));
}

// -- Of a pair ----------------------------------------------------------------

class ManagerPairTest : public ManagerTest {
 protected:
  std::string PairText(const std::string& more = "") const {
    return Text(absl::StrCat(
        "ha { mode: SECOND links { interface: 'lo' own_address: '192.0.2.3/24' "
        "partner_address: '192.0.2.2' } virtual_id: 7 keys: '",
        std::string(64, 'a'), "' pacify_starts: 0 }\n", more));
  }
  absl::Status Give(uint64_t generation, const std::string& text) {
    const auto config = config::ParseConfig(text);
    EXPECT_THAT(config, IsOk());
    const std::string bytes = config::SerializeShared(*config);
    return balancer_->options
        .on_partner_config(
            generation,
            {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()})
        .status();
  }
};

TEST_F(ManagerPairTest, AChangeIsOfferedToThePartner) {
  Open(PairText());
  ASSERT_EQ(balancer_->offered.size(), 1u);
  ASSERT_THAT(ChangeTimeout(200), IsOk());
  ASSERT_EQ(balancer_->offered.size(), 2u);
  EXPECT_EQ(balancer_->offered[1].first, 2u);
  const auto& bytes = balancer_->offered[1].second;
  const auto shared = config::ParseShared(
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  ASSERT_THAT(shared, IsOk());
  EXPECT_EQ(shared->connection_timeout_s(), 200u);
}

TEST_F(ManagerPairTest, WhatThePartnerGivesReplacesAllButTheUnitsOwn) {
  Open(PairText());
  balancer_->role = "standby";
  const std::string given =
      "connection_timeout_s: 300 slow_start_s: 3 threads: 9 ha { virtual_id: 7 "
      "pacify_starts: 0 }";
  ASSERT_THAT(Give(31, given), IsOk());
  EXPECT_EQ(manager_->generation(), 31u);
  EXPECT_EQ(manager_->configuration().state_dir(), state_);
  EXPECT_EQ(manager_->configuration().threads(), 0u);
  EXPECT_THAT(File(), AllOf(HasSubstr("connection_timeout_s: 300"),
                            HasSubstr("mode: SECOND"),
                            HasSubstr(R"("user":"partner")")));
  EXPECT_EQ(Whats()[0], "31 partner configuration of the active unit");
  EXPECT_THAT(AuditLines().back(), AllOf(HasSubstr(R"("generation":"31")"),
                                         HasSubstr(R"("from":"192.0.2.2")")));
  EXPECT_THAT(log_, HasSubstr("configuration 31 taken from the partner"));
  // The same again is nothing; a lower number is the partner's to have.
  ASSERT_THAT(Give(12, given), IsOk());
  EXPECT_EQ(manager_->generation(), 12u);
  EXPECT_EQ(Whats().size(), 2u);
  // What does not go with the unit's own part is refused, and told once.
  const size_t lines = AuditLines().size();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Give(32,
                     "floating_addresses { address: '192.0.2.9' interface: "
                     "'eth7' } ha { virtual_id: 7 }"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("floating_addresses")));
  }
  EXPECT_EQ(AuditLines().size(), lines + 1);
  EXPECT_EQ(manager_->generation(), 12u);
}

TEST_F(ManagerPairTest, AStandbysOwnPartHasNoGeneration) {
  Open(PairText());
  balancer_->role = "standby";
  WriteFile(PairText("statistics_period_s: 7\n"));
  ASSERT_THAT(manager_->Reload({"SIGHUP", ""}), IsOk());
  EXPECT_EQ(manager_->generation(), 1u);
  EXPECT_EQ(Whats().size(), 2u);
  EXPECT_EQ(manager_->ConfigurationOf(1)->statistics_period_s(), 7u);
  ASSERT_THAT(TryOpen(), IsOk());
  EXPECT_EQ(manager_->generation(), 1u);
  balancer_->role = "active";
  WriteFile(PairText("statistics_period_s: 8\n"));
  ASSERT_THAT(manager_->Reload({"SIGHUP", ""}), IsOk());
  EXPECT_EQ(manager_->generation(), 2u);
}

}  // namespace
}  // namespace ballast::run
