// LoadMaster behaviour §4.2, §4.5, §4.6, §4.9, §4.12, §5.2, §5.5.
#include "lb/l7/service_chooser.h"

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

namespace ballast::l7 {
namespace {

using ::testing::ElementsAre;

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

Address Ip(const char* text) { return *Address::Parse(text); }

class ServiceChooserTest : public ::testing::Test {
 protected:
  ServiceChooserTest() {
    plan_.config.address = Ip("192.0.2.1");
    plan_.config.port = 80;
    plan_.config.l7.emplace();
    AddServers(plan_.config, 3, 0);
    plan_.ids = {{1, 2, 3}};
    plan_.tables = {1};
    plan_.secret = {1, 2};
    plan_.cookie_secrets = {{3, 4}};
    plan_.store = *persist::KeyStore::Create({.limit = 1000});
    plan_.is_local = [](const Address& address) {
      return address.is_v4() && address < Ip("10.0.1.0") &&
             Ip("10.0.0.0") < address;
    };
  }
  static void AddServers(config::ServerPool& pool, uint32_t count,
                         uint32_t from) {
    for (uint32_t i = 1; i <= count; ++i) {
      pool.servers.emplace_back().endpoint = {
          Address::V4(0x0a000000 + from + i), 8000};
    }
  }
  void Persist(config::PersistenceMode mode, const std::string& name = "") {
    plan_.config.persistence = {.enabled = true,
                                .mode = mode,
                                .name = name,
                                .timeout = absl::Minutes(6)};
  }
  void Apply() {
    service_.Apply(now_, std::make_shared<const ServicePlan>(plan_));
  }

  // One connection of a client.
  struct Visit {
    Visit(ServiceChooserTest& t, const char* client)
        : test(t),
          client{{Ip(client), 40000}, {Ip("192.0.2.1"), 80}, false},
          chooser(t.service_, 77) {}

    // The server's number, 0 the sorry server, or the negative status. Its
    // answer has `response_fields`.
    int Get(const std::string& target, const std::string& fields = "",
            const std::string& response_fields = "") {
      const std::string text =
          absl::StrCat("GET ", target, " HTTP/1.1\r\n",
                       absl::StrContains(fields, "Host:") ? "" : "Host: h\r\n",
                       fields, "\r\n");
      absl::string_view input = text;
      http::RequestReader reader{http::Limits()};
      reader.Begin();
      EXPECT_EQ(reader.Next(&input), http::Read::kHead) << text;
      auto answer = chooser.Choose(test.now_, client, attempt, &reader.head());
      if (const auto* denial = std::get_if<Denial>(&answer)) {
        last_denial = *denial;
        return -denial->status;
      }
      last = std::get<ServerChoice>(answer);
      const std::string reply =
          absl::StrCat("HTTP/1.1 204 No Content\r\n", response_fields, "\r\n");
      absl::string_view output = reply;
      http::ResponseReader response{http::Limits()};
      response.Begin(http::Method::kGet);
      EXPECT_EQ(response.Next(&output), http::Read::kHead) << reply;
      chooser.OnResponse(test.now_, client, last, reader.head(),
                         &response.head());
      set_cookie =
          std::string(response.head().fields.Find("Set-Cookie").value_or(""));
      chooser.OnEnd(test.now_, last, outcome);
      return static_cast<int>(last.tag);
    }

    ServiceChooserTest& test;
    Client client;
    ConnectionChooser chooser;
    ServerChoice last;
    Denial last_denial;
    std::string set_cookie;
    Outcome outcome = Outcome::kAnswered;
    uint32_t attempt = 0;
  };
  int Get(const char* client, const std::string& target,
          const std::string& fields = "",
          const std::string& response_fields = "") {
    return Visit(*this, client).Get(target, fields, response_fields);
  }

  ServicePlan plan_;
  ServiceChooser service_;
  Instant now_ = kNow;
};

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
  ASSERT_EQ(std::get<ServerChoice>(held).tag, 1u);
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

// -- Sub services -------------------------------------------------------------

class SubServicesTest : public ServiceChooserTest {
 protected:
  SubServicesTest() {
    plan_.config.servers.clear();
    auto& subs = plan_.config.l7->sub_services;
    subs.resize(3);
    subs[0].name = "shop";
    subs[0].matches = {{.path_prefix = "/shop"}};
    subs[1].name = "rest 1";
    subs[2].name = "rest 2";
    for (uint32_t i = 0; i < 3; ++i) AddServers(subs[i], 1, 10 * (i + 1));
    plan_.ids = {{1}, {2}, {3}};
    plan_.tables = {1, 2, 3};
  }
};

TEST_F(SubServicesTest, TheFirstMatchTakesIt) {
  Apply();
  EXPECT_EQ(Get("198.51.100.1", "/shop/a"), 1);
  EXPECT_EQ(Get("198.51.100.1", "/a"), 2);
  EXPECT_EQ(Get("198.51.100.1", "/a"), 3);
  EXPECT_EQ(Get("198.51.100.1", "/shop"), 1);
}

TEST_F(SubServicesTest, OneThatIsDownIsPassedOver) {
  Apply();
  service_.SetHealthy(now_, 1, false);
  service_.SetHealthy(now_, 2, false);
  EXPECT_EQ(Get("198.51.100.1", "/shop"), 3);
  EXPECT_EQ(Get("198.51.100.1", "/"), 3);
  service_.SetHealthy(now_, 3, false);
  EXPECT_EQ(Get("198.51.100.1", "/"), -503);
  EXPECT_FALSE(service_.up());
}

TEST_F(SubServicesTest, ACriticalOneTakesTheServiceDown) {
  plan_.config.l7->sub_services[0].critical = true;
  Apply();
  EXPECT_TRUE(service_.up());
  service_.SetHealthy(now_, 1, false);
  EXPECT_FALSE(service_.up());
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
    single_use_ = visit.last.single_use;
    const Address& source = visit.last.source.address;
    return source.is_unspecified() ? "" : source.ToString();
  }
  bool single_use_ = false;
};

TEST_F(SourceTest, A1AlternateAddressesInTurn) {
  plan_.config.l7->alternate_sources = {Ip("10.0.0.101"), Ip("2001:db8::1"),
                                        Ip("10.0.0.102")};
  EXPECT_EQ(SourceFor("198.51.100.1"), "10.0.0.101");
  EXPECT_EQ(SourceFor("198.51.100.1"), "10.0.0.102");
  EXPECT_EQ(SourceFor("198.51.100.1"), "10.0.0.101");
  EXPECT_FALSE(single_use_);
}

TEST_F(SourceTest, A3TheClientsUnlessItIsLocal) {
  plan_.config.l7->transparent = true;
  plan_.config.l7->alternate_sources = {Ip("10.0.0.101")};
  EXPECT_EQ(SourceFor("198.51.100.1"), "198.51.100.1");
  EXPECT_TRUE(single_use_);
  EXPECT_EQ(SourceFor("10.0.0.77"), "");
  EXPECT_FALSE(single_use_);
}

TEST_F(SourceTest, A3AServerThatIsAClientIsLocalIfTheySayso) {
  plan_.config.l7->transparent = true;
  plan_.is_local = [](const Address&) { return false; };
  EXPECT_EQ(SourceFor("10.0.0.2"), "10.0.0.2");
  plan_.real_servers_are_local = true;
  EXPECT_EQ(SourceFor("10.0.0.2"), "");
}

TEST_F(SourceTest, A4ToA6TheKernelsChoiceOrTheVirtualAddress) {
  EXPECT_EQ(SourceFor("198.51.100.1"), "");
  plan_.config.l7->subnet_originating = false;
  EXPECT_EQ(SourceFor("198.51.100.1"), "192.0.2.1");
}

}  // namespace
}  // namespace ballast::l7
