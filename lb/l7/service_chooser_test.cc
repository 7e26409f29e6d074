// LoadMaster behaviour §4.2, §4.5, §4.6, §4.9, §4.12, §5.2, §5.5.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/http/message_reader.h"
#include "lb/l7/service_chooser_rig.h"

namespace ballast::l7 {
namespace {

using ::testing::ElementsAre;

TEST_F(ServiceChooserTest, RequestsOfOneConnectionGoRoundTheServers) {
  Apply();
  Visit visit(*this, "198.51.100.1");
  EXPECT_EQ(visit.Get("/"), 1);
  EXPECT_EQ(visit.Get("/"), 2);
  EXPECT_EQ(visit.Get("/"), 3);
  EXPECT_EQ(visit.last.server.ToString(), "10.0.0.3:8000");
}

// -- Persistence --------------------------------------------------------------

TEST_F(ServiceChooserTest, ByAddressUntilTheTimeout) {
  Persist(config::PersistenceMode::kSourceIp);
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  EXPECT_EQ(Get("198.51.100.2", "/"), 2);
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  now_ = kNow + absl::Minutes(6) - absl::Nanoseconds(1);
  EXPECT_EQ(Get("198.51.100.2", "/"), 2);  // Begins it anew.
  now_ = kNow + absl::Minutes(6);
  EXPECT_EQ(Get("198.51.100.1", "/"), 3);
  EXPECT_EQ(Get("198.51.100.2", "/"), 2);
}

TEST_F(ServiceChooserTest, AServerThatIsDownLosesItsEntries) {
  Persist(config::PersistenceMode::kSourceIp);
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  service_.SetHealthy(now_, 1, false);
  EXPECT_EQ(Get("198.51.100.1", "/"), 2);
  service_.SetHealthy(now_, 1, true);
  EXPECT_EQ(Get("198.51.100.1", "/"), 2);
}

TEST_F(ServiceChooserTest, ADrainingServerKeepsItsClientsForItsTime) {
  Persist(config::PersistenceMode::kSourceIp);
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  plan_.config.servers[0].state = config::AdminState::kDraining;
  plan_.config.servers[0].drain_time = absl::Seconds(60);
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  EXPECT_NE(Get("198.51.100.2", "/"), 1);
  now_ = kNow + absl::Seconds(60);
  EXPECT_NE(Get("198.51.100.1", "/"), 1);
}

TEST_F(ServiceChooserTest, AFullServersClientGoesElsewhereOnceAndComesBack) {
  Persist(config::PersistenceMode::kSourceIp);
  plan_.config.servers[0].connection_limit = 1;
  Apply();
  Visit holds(*this, "198.51.100.9");
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  // Another client's request is under way there.
  http::RequestReader reader{http::Limits()};
  plan_.config.schedule = config::Schedule::kFixed;
  Apply();
  absl::string_view input = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  reader.Begin();
  ASSERT_EQ(reader.Next(&input), http::Read::kHead);
  const auto held = holds.chooser.Choose(now_, holds.client, 0, &reader.head());
  ASSERT_EQ(static_cast<uint32_t>(std::get<ServerChoice>(held).tag), 1u);
  EXPECT_NE(Get("198.51.100.1", "/"), 1);
  holds.chooser.OnEnd(now_, std::get<ServerChoice>(held), Outcome::kAnswered);
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
}

TEST_F(ServiceChooserTest, AServersCookieIsLearned) {
  Persist(config::PersistenceMode::kServerCookie, "sid");
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/", "", "Set-Cookie: sid=abc; Path=/\r\n"), 1);
  EXPECT_EQ(Get("198.51.100.2", "/", "Cookie: sid=abc\r\n"), 1);
  EXPECT_EQ(Get("198.51.100.2", "/", "Cookie: sid=abd\r\n"), 2);
  EXPECT_EQ(Get("198.51.100.2", "/"), 3);
}

TEST_F(ServiceChooserTest, AnActiveCookieIsGivenAndFollowed) {
  Persist(config::PersistenceMode::kActiveCookie, "LB");
  Apply();
  Visit first(*this, "198.51.100.1");
  EXPECT_EQ(first.Get("/"), 1);
  ASSERT_TRUE(absl::StartsWith(first.set_cookie, "LB=")) << first.set_cookie;
  const std::string cookie =
      absl::StrCat("Cookie: a=b; ", first.set_cookie.substr(0, 3 + 32), "\r\n");
  // From elsewhere, and no other is given.
  Visit again(*this, "203.0.113.5");
  EXPECT_EQ(again.Get("/", cookie), 1);
  EXPECT_EQ(again.set_cookie, "");
  // One that we did not make is none.
  Visit forged(*this, "203.0.113.6");
  EXPECT_EQ(forged.Get(
                "/", absl::StrCat("Cookie: LB=", std::string(32, '0'), "\r\n")),
            2);
  EXPECT_NE(forged.set_cookie, "");
  // One that has expired is replaced.
  now_ = kNow + absl::Minutes(6);
  Visit late(*this, "198.51.100.1");
  late.Get("/", cookie);
  EXPECT_NE(late.set_cookie, "");
  EXPECT_FALSE(absl::StrContains(cookie, late.set_cookie.substr(0, 35)));
}

TEST_F(ServiceChooserTest, ACookieOfALaterResponseIsLearnedToo) {
  Persist(config::PersistenceMode::kServerCookie, "sid");
  Apply();
  Visit visit(*this, "198.51.100.1");
  const int server = visit.Get("/");
  EXPECT_EQ(visit.Get("/login", "", "Set-Cookie: sid=new\r\n"), server);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Get("198.51.100.2", "/", "Cookie: sid=new\r\n"), server);
  }
}

// Each connection begins the time anew, a later request of one does not; an
// active cookie that has expired is not entered again.
TEST_F(ServiceChooserTest, TheClockStartsWithAConnection) {
  Persist(config::PersistenceMode::kSelectedHeader, "X-User");
  plan_.persistence.check_frequency =
      persist::CheckFrequency::kEveryRequestAndStore;
  Apply();
  Visit visit(*this, "198.51.100.1");
  EXPECT_EQ(visit.Get("/", "X-User: a\r\n"), 1);
  now_ = kNow + absl::Minutes(5);
  EXPECT_EQ(visit.Get("/", "X-User: a\r\n"), 1);
  now_ = kNow + absl::Minutes(6);
  EXPECT_EQ(Get("198.51.100.1", "/", "X-User: a\r\n"), 2);
}

TEST_F(ServiceChooserTest, AnExpiredActiveCookieIsNotEnteredAgain) {
  Persist(config::PersistenceMode::kActiveCookie);
  Apply();
  Visit first(*this, "198.51.100.1");
  first.Get("/");
  const std::string cookie =
      absl::StrCat("Cookie: ", first.set_cookie.substr(0, 10 + 32), "\r\n");
  now_ = kNow + absl::Minutes(6);
  Visit late(*this, "198.51.100.1");
  late.Get("/", cookie);
  EXPECT_NE(late.set_cookie, "");
  Visit later(*this, "198.51.100.1");
  later.Get("/", cookie);
  EXPECT_NE(later.set_cookie, "");
}

TEST_F(ServiceChooserTest, AnUnreachableServerIsNoEntry) {
  Persist(config::PersistenceMode::kSourceIp);
  Apply();
  Visit visit(*this, "198.51.100.1");
  visit.outcome = Outcome::kConnectFailed;
  // As its connection never came, neither did a response; but for the entry
  // that was claimed.
  EXPECT_EQ(visit.Get("/"), 1);
  EXPECT_NE(Get("198.51.100.1", "/"), 1);
}

// always_persist 0, 1 and 2 (§4.6).
TEST_F(ServiceChooserTest,
       OnlyTheFirstRequestOfAConnectionIsLookedAtByDefault) {
  Persist(config::PersistenceMode::kSelectedHeader, "X-User");
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/", "X-User: a\r\n"), 1);
  EXPECT_EQ(Get("198.51.100.1", "/", "X-User: b\r\n"), 2);
  Visit visit(*this, "198.51.100.1");
  EXPECT_EQ(visit.Get("/", "X-User: a\r\n"), 1);
  EXPECT_EQ(visit.Get("/", "X-User: b\r\n"), 1);
  plan_.persistence.check_frequency = persist::CheckFrequency::kEveryRequest;
  Apply();
  EXPECT_EQ(visit.Get("/", "X-User: b\r\n"), 2);
  EXPECT_EQ(visit.Get("/", "X-User: a\r\n"), 1);
}

TEST_F(ServiceChooserTest, WhatARequestUnderWayChangesIsStoredWithMode2Alone) {
  Persist(config::PersistenceMode::kSelectedHeader, "X-User");
  for (const auto& [frequency, stored] :
       {std::pair(persist::CheckFrequency::kEveryRequest, false),
        std::pair(persist::CheckFrequency::kEveryRequestAndStore, true)}) {
    plan_.persistence.check_frequency = frequency;
    plan_.store = *persist::KeyStore::Create({.limit = 1000});
    Apply();
    Visit visit(*this, "198.51.100.1");
    visit.Get("/", "X-User: a\r\n");
    visit.Get("/", "X-User: b\r\n");
    EXPECT_EQ(plan_.store->size(), stored ? 2u : 1u);
  }
}

// -- Nobody -------------------------------------------------------------------

TEST_F(ServiceChooserTest, NobodyAvailableIsTheConfiguredAnswer) {
  plan_.config.l7->error_code = 302;
  plan_.config.l7->error_url = "https://sorry.example/";
  Apply();
  for (const uint32_t id : {1, 2, 3}) service_.SetHealthy(now_, id, false);
  Visit visit(*this, "198.51.100.1");
  EXPECT_EQ(visit.Get("/"), -302);
  EXPECT_EQ(visit.last_denial.location, "https://sorry.example/");
  plan_.config.sorry_server = {.endpoint = {Ip("10.0.0.9"), 80}};
  Apply();
  EXPECT_EQ(visit.Get("/"), 0);
  EXPECT_EQ(visit.last.server.ToString(), "10.0.0.9:80");
}

TEST_F(ServiceChooserTest, AnUnreachableServerIsNotAskedAgainAtOnce) {
  Apply();
  Visit visit(*this, "198.51.100.1");
  visit.outcome = Outcome::kConnectFailed;
  EXPECT_EQ(visit.Get("/"), 1);
  visit.outcome = Outcome::kAnswered;
  EXPECT_EQ(visit.Get("/"), 2);
  EXPECT_EQ(visit.Get("/"), 3);
  EXPECT_EQ(visit.Get("/"), 2);
}

TEST_F(ServiceChooserTest, AClientsNamesHaveNoServerAvoided) {  // V6
  for (const auto schedule :
       {config::Schedule::kRoundRobin, config::Schedule::kLeastConnection,
        config::Schedule::kUrlHash}) {
    SCOPED_TRACE(static_cast<int>(schedule));
    plan_.config.schedule = schedule;
    Apply();
    Visit visit(*this, "198.51.100.1");
    visit.outcome = Outcome::kTlsNameFailed;
    std::set<int> tried;
    for (visit.attempt = 0; visit.attempt < 3; ++visit.attempt) {
      tried.insert(visit.Get("/"));
    }
    EXPECT_THAT(tried, ElementsAre(1, 2, 3));
    // When all have failed, there is still an answer.
    EXPECT_GT(visit.Get("/"), 0);
    // Others', and this client's next request, go wherever they would.
    std::set<int> again;
    for (int i = 0; i < 60; ++i) {
      Visit other(*this, "198.51.100.2");
      again.insert(other.Get(absl::StrCat("/", i)));
    }
    if (schedule != config::Schedule::kLeastConnection) {
      EXPECT_THAT(again, ElementsAre(1, 2, 3));
    }
  }
}

TEST_F(ServiceChooserTest, AServerWithoutTlsIsAvoidedLikeOneThatIsNotThere) {
  Apply();
  Visit visit(*this, "198.51.100.1");
  visit.outcome = Outcome::kTlsFailed;
  EXPECT_EQ(visit.Get("/"), 1);
  visit.outcome = Outcome::kAnswered;
  EXPECT_EQ(visit.Get("/"), 2);
  EXPECT_EQ(visit.Get("/"), 3);
  EXPECT_EQ(visit.Get("/"), 2);
}

TEST_F(ServiceChooserTest, AnEntryLeadsToNoServerWhoseNameIsWrong) {
  Persist(config::PersistenceMode::kSourceIp);
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/"), 1);
  Visit visit(*this, "198.51.100.1");
  visit.outcome = Outcome::kTlsNameFailed;
  EXPECT_EQ(visit.Get("/"), 1);
  visit.outcome = Outcome::kAnswered;
  visit.attempt = 1;
  const int other = visit.Get("/");
  EXPECT_NE(other, 1);
  EXPECT_EQ(Get("198.51.100.1", "/"), other);
}

TEST_F(ServiceChooserTest, UrlHashIsOfHostAndPathWithoutTheQuery) {
  plan_.config.schedule = config::Schedule::kUrlHash;
  Apply();
  const int home = Get("198.51.100.1", "/object");
  EXPECT_EQ(Get("198.51.100.2", "/object?v=2"), home);
  EXPECT_EQ(Get("198.51.100.3", "/object", "Host: H\r\n"), home);
  bool moved = false;  // By its host or its path.
  for (int i = 0; i < 20; ++i) {
    moved |= Get("198.51.100.1", absl::StrCat("/object", i)) != home;
  }
  EXPECT_TRUE(moved);
  moved = false;
  for (int i = 0; i < 20; ++i) {
    moved |= Get("198.51.100.1", "/object",
                 absl::StrCat("Host: bucket", i, "\r\n")) != home;
  }
  EXPECT_TRUE(moved);
}

// -- Source addresses (§4.2)
// ----------------------------------------------------

class SourceTest : public ServiceChooserTest {
 protected:
  std::string SourceFor(const char* client) {
    Apply();
    Visit visit(*this, client);
    visit.Get("/");
    const Address& source = visit.last.source.address;
    return source.is_unspecified() ? "" : source.ToString();
  }
  void SetUp() override {
    service_.SetNetworks(std::make_shared<const LocalNetworks>(
        std::vector<Prefix>{*Prefix::Parse("10.0.0.254/24")},
        std::vector<Address>{Ip("10.0.0.254")}));
  }
};

TEST_F(SourceTest, A1AlternateAddressesInTurn) {
  plan_.config.l7->alternate_sources = {Ip("10.0.0.101"), Ip("2001:db8::1"),
                                        Ip("10.0.0.102")};
  EXPECT_EQ(SourceFor("198.51.100.1"), "10.0.0.101");
  EXPECT_EQ(SourceFor("198.51.100.1"), "10.0.0.102");
  EXPECT_EQ(SourceFor("198.51.100.1"), "10.0.0.101");
}

TEST_F(SourceTest, A3TheClientsUnlessItIsLocal) {
  plan_.config.l7->transparent = true;
  plan_.config.l7->alternate_sources = {Ip("10.0.0.101")};
  EXPECT_EQ(SourceFor("198.51.100.1"), "198.51.100.1");
  EXPECT_EQ(SourceFor("10.0.0.77"), "");
  plan_.config.l7->subnet_originating = false;
  EXPECT_EQ(SourceFor("10.0.0.77"), "192.0.2.1");
}

TEST_F(SourceTest, A3FollowsTheUnitsNetworks) {
  plan_.config.l7->transparent = true;
  EXPECT_EQ(SourceFor("10.0.0.77"), "");
  service_.SetNetworks(std::make_shared<const LocalNetworks>());
  EXPECT_EQ(SourceFor("10.0.0.77"), "10.0.0.77");
}

TEST_F(SourceTest, A3AServerThatIsAClientIsLocalIfTheySayso) {
  plan_.config.l7->transparent = true;
  service_.SetNetworks(nullptr);
  EXPECT_EQ(SourceFor("10.0.0.2"), "10.0.0.2");
  plan_.real_servers_are_local = true;
  EXPECT_EQ(SourceFor("10.0.0.2"), "");
  EXPECT_EQ(SourceFor("198.51.100.1"), "198.51.100.1");
}

TEST_F(SourceTest, A4ToA6TheKernelsChoiceOrTheVirtualAddress) {
  EXPECT_EQ(SourceFor("198.51.100.1"), "");
  plan_.config.l7->subnet_originating = false;
  EXPECT_EQ(SourceFor("198.51.100.1"), "192.0.2.1");
}

// §4.11: of the sub service, or as the client's packets have it.
TEST_F(ServiceChooserTest, TosIsTheServicesTheSubServicesOrTheClients) {
  Apply();
  Visit visit(*this, "198.51.100.1");
  visit.client.tos = 0xb8;
  visit.Get("/");
  EXPECT_EQ(visit.last.tos, 0);
  plan_.config.l7->qos.tos = 0x10;
  Apply();
  visit.Get("/");
  EXPECT_EQ(visit.last.tos, 0x10);
  plan_.config.l7->qos = {.pass_through = true};
  Apply();
  visit.Get("/");
  EXPECT_EQ(visit.last.tos, 0xb8);
}

TEST_F(ServiceChooserTest, TosOfASubServiceIsItsOwn) {
  auto& subs = plan_.config.l7->sub_services;
  subs.resize(2);
  subs[0].name = "images";
  subs[0].matches = {{.path_prefix = "/img/"}};
  subs[0].qos.tos = 0x08;
  subs[1].name = "rest";
  AddServers(subs[0], 1, 0);
  AddServers(subs[1], 1, 1);
  plan_.config.servers.clear();
  plan_.config.l7->qos.tos = 0x02;  // The parent's, of what it says itself.
  plan_.ids = {{1}, {2}};
  plan_.tables = {1, 2};
  Apply();
  Visit visit(*this, "198.51.100.1");
  visit.Get("/img/a");
  EXPECT_EQ(visit.last.tos, 0x08);
  visit.Get("/b");
  EXPECT_EQ(visit.last.tos, 0);
}

}  // namespace
}  // namespace ballast::l7
