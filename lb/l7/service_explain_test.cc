// What ExplainService() says is what the next request then gets, and asking
// changes nothing.
#include "lb/l7/service_explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "lb/http/message_reader.h"
#include "lb/l7/service_chooser_rig.h"

namespace ballast::l7 {
namespace {

using ::testing::Contains;

class ServiceExplainTest : public ServiceChooserTest {
 protected:
  Explanation Explain(const char* client, const std::string& target,
                      const std::string& fields = "") {
    const std::string text = absl::StrCat("GET ", target, " HTTP/1.1\r\n",
                                          "Host: h\r\n", fields, "\r\n");
    absl::string_view input = text;
    http::RequestReader reader{http::Limits()};
    reader.Begin();
    EXPECT_EQ(reader.Next(&input), http::Read::kHead) << text;
    Explanation explanation;
    ExplainService(now_, service_,
                   {{Ip(client), 40000}, {Ip("192.0.2.1"), 80}, false},
                   &reader.head(), &explanation);
    return explanation;
  }
  // The server, or "".
  static std::string Server(const Explanation& explanation) {
    return explanation.server ? explanation.server->ToString() : "";
  }
};

TEST_F(ServiceExplainTest, TheEntryOfAClientIsShown) {
  Persist(config::PersistenceMode::kSourceIp);
  Apply();
  EXPECT_FALSE(Explain("198.51.100.7", "/").persistence.has_value());
  EXPECT_EQ(Get("198.51.100.7", "/"), 1);
  now_ += absl::Minutes(1);
  const Explanation explanation = Explain("198.51.100.7", "/");
  EXPECT_EQ(Server(explanation), "10.0.0.1:8000");
  EXPECT_EQ(explanation.reason, "persistence");
  ASSERT_TRUE(explanation.persistence.has_value());
  EXPECT_EQ(explanation.persistence->mode, "src");
  EXPECT_EQ(explanation.persistence->key.size(), 32u);
  EXPECT_EQ(explanation.persistence->expires_in, absl::Minutes(5));
  // The server is down: the entry will go, and is still there.
  service_.SetHealthy(now_, 1, false);
  const Explanation anew = Explain("198.51.100.7", "/");
  EXPECT_EQ(anew.reason, "schedule");
  ASSERT_TRUE(anew.persistence.has_value());
  EXPECT_FALSE(anew.persistence->followed);
  EXPECT_THAT(anew.steps, Contains("server 10.0.0.1:8000: down"));
  EXPECT_EQ(plan_.store->size(), 1u);
}

TEST_F(ServiceExplainTest, WhyThereIsNoServer) {
  Apply();
  for (uint32_t id = 1; id <= 3; ++id) service_.SetHealthy(now_, id, false);
  const Explanation explanation = Explain("198.51.100.7", "/");
  EXPECT_EQ(Server(explanation), "");
  EXPECT_EQ(explanation.reason, "no_server");
  EXPECT_THAT(explanation.steps, Contains("the answer is 503"));
}

// Random services, entries, servers that come and go: whatever request comes
// next, the answer was right.
TEST_F(ServiceExplainTest, TheAnswerIsWhatTheNextRequestGets) {
  using config::Schedule;
  constexpr Schedule kSchedules[] = {
      Schedule::kRoundRobin,      Schedule::kWeightedRoundRobin,
      Schedule::kLeastConnection, Schedule::kWeightedLeastConnection,
      Schedule::kFixed,           Schedule::kUrlHash,
      Schedule::kResponseTime};
  constexpr config::PersistenceMode kModes[] = {
      config::PersistenceMode::kSourceIp, config::PersistenceMode::kUrlHash,
      config::PersistenceMode::kServerCookie,
      config::PersistenceMode::kServerCookieOrSourceIp,
      config::PersistenceMode::kSelectedHeader};
  std::map<std::string, int> reasons;
  for (uint32_t seed = 0; seed < 150; ++seed) {
    std::mt19937_64 prng(seed);
    const auto random = [&](uint32_t below) {
      return static_cast<uint32_t>(prng() % below);
    };
    const bool with_subs = random(2) == 0;
    plan_.config = {};
    plan_.config.l7.emplace();
    plan_.config.schedule = kSchedules[random(std::size(kSchedules))];
    plan_.ids.clear();
    plan_.tables.clear();
    const auto fill = [&](config::ServerPool& pool, uint32_t from) {
      pool.schedule = kSchedules[random(std::size(kSchedules))];
      AddServers(pool, 3, from);
      for (config::RealServer& server : pool.servers) {
        server.weight = random(6) == 0 ? 0 : 1 + random(3) * 1000;
        if (random(4) == 0) server.connection_limit = 1 + random(2);
        if (random(10) == 0) server.state = config::AdminState::kDisabled;
      }
      if (random(2) == 0) {
        const auto mode = kModes[random(std::size(kModes))];
        pool.persistence = {.enabled = true,
                            .mode = mode,
                            .name = "n",
                            .timeout = absl::Minutes(2)};
      }
      if (random(4) == 0) {
        pool.sorry_server =
            config::SorryServer{{Address::V4(0x0a000063), 8000}};
      }
      plan_.ids.push_back({from + 1, from + 2, from + 3});
      plan_.tables.push_back(from + 1);
    };
    if (with_subs) {
      for (uint32_t i = 0; i < 3; ++i) {
        auto& sub = plan_.config.l7->sub_services.emplace_back();
        sub.name = absl::StrCat("sub", i);
        fill(sub, 3 * i);
        sub.weight = random(8) == 0 ? 0 : 1000;
        sub.enabled = random(8) != 0;
        if (random(2) == 0) {
          sub.matches.emplace_back().path_prefix = absl::StrCat("/", i);
        }
      }
    } else {
      fill(plan_.config, 0);
    }
    plan_.store = *persist::KeyStore::Create({.limit = 1000});
    ServiceChooser service;
    service.Apply(now_, std::make_shared<const ServicePlan>(plan_));
    std::vector<ServerChoice> open;  // Never ended: limits are reached.
    for (int i = 0; i < 60; ++i) {
      if (random(8) == 0) {
        service.SetHealthy(now_, 1 + random(9), random(2) == 0);
        continue;
      }
      if (random(8) == 0) {
        now_ += absl::Seconds(random(60));
        continue;
      }
      const std::string client = absl::StrCat("198.51.100.", random(6));
      const std::string text = absl::StrCat(
          "GET /", random(4), " HTTP/1.1\r\nHost: h\r\n",
          random(2) == 0 ? absl::StrCat("Cookie: n=", random(4), "\r\n") : "",
          random(2) == 0 ? absl::StrCat("n: ", random(4), "\r\n") : "", "\r\n");
      const Client who = {
          {Ip(client.c_str()), 40000}, {Ip("192.0.2.1"), 80}, false};
      const auto read = [&](http::RequestReader& reader) {
        absl::string_view input = text;
        reader.Begin();
        ASSERT_EQ(reader.Next(&input), http::Read::kHead) << text;
      };
      Explanation first;
      Explanation again;
      for (Explanation* one : {&first, &again}) {
        http::RequestReader reader{http::Limits()};
        read(reader);
        ExplainService(now_, service, who, &reader.head(), one);
      }
      ASSERT_EQ(first.steps, again.steps) << "seed " << seed;
      const uint32_t entries = plan_.store->size();
      const uint64_t requests = service.stats().requests.value();
      ASSERT_EQ(plan_.store->size(), entries);
      http::RequestReader reader{http::Limits()};
      read(reader);
      ConnectionChooser chooser(service, 77);
      const auto answer = chooser.Choose(now_, who, 0, &reader.head());
      ASSERT_EQ(service.stats().requests.value(), requests + 1);
      const auto* choice = std::get_if<ServerChoice>(&answer);
      ASSERT_EQ(Server(first),
                choice == nullptr ? "" : choice->server.ToString())
          << "seed " << seed << ", " << i << "\n"
          << ::testing::PrintToString(first.steps);
      ++reasons[first.reason];
      if (choice == nullptr) continue;
      http::ResponseHead response;
      if (random(2) == 0) {
        response.fields.Add("Set-Cookie", absl::StrCat("n=", random(4)));
      }
      chooser.OnResponse(now_, who, *choice, reader.head(), &response);
      if (random(2) == 0) {
        chooser.OnEnd(
            now_, *choice,
            random(8) == 0 ? Outcome::kConnectFailed : Outcome::kAnswered);
      }
    }
  }
  for (const char* reason : {"persistence", "schedule", "sorry_server",
                             "no_server", "no_sub_service"}) {
    EXPECT_GT(reasons[reason], 0) << reason;
  }
}

}  // namespace
}  // namespace ballast::l7
