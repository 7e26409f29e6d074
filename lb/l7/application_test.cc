// What application.h promises, asked through the chooser that calls it.
#include "lb/l7/application.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lb/http/message_reader.h"
#include "lb/l7/service_chooser.h"
#include "persist/key_store.h"

namespace ballast::l7 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

// -- FieldEditor --------------------------------------------------------------

TEST(FieldEditorTest, ChangesFields) {
  http::Fields fields;
  FieldEditor editor(&fields);
  editor.Add("X-A", "1");
  editor.Add("x-a", "2");
  editor.Add("X-B", "");
  editor.Set("X-A", "tab\tand blank");
  editor.Remove("x-b");
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields[0].name, "X-A");
  EXPECT_EQ(fields[0].value, "tab\tand blank");
  EXPECT_EQ(editor.error(), "");
}

// RFC 9110 §7.6.1 (hop by hop), §8.6, §10.1.1; RFC 9112 §6; RFC 7540 §3.2.1.
TEST(FieldEditorTest, LeavesWhatFramesAndRoutesAlone) {
  for (const char* name : {"Connection", "CONTENT-LENGTH", "Expect", "host",
                           "HTTP2-Settings", "Keep-Alive", "Proxy-Connection",
                           "te", "Trailer", "Transfer-Encoding", "Upgrade"}) {
    for (int edit = 0; edit < 3; ++edit) {
      http::Fields fields;
      fields.Add(name, "before");
      FieldEditor editor(&fields);
      if (edit == 0) editor.Add(name, "chunked");
      if (edit == 1) editor.Set(name, "chunked");
      if (edit == 2) editor.Remove(name);
      ASSERT_EQ(fields.size(), 1u) << name;
      EXPECT_EQ(fields[0].value, "before");
      EXPECT_EQ(editor.error(), absl::StrCat(name, ": must not be changed"));
    }
  }
}

// RFC 9110 §5.1, §5.5.
TEST(FieldEditorTest, MakesNoTwoFieldsOfOne) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", "v"},
      {"a b", "v"},
      {"a:", "v"},
      {"a\r\nb", "v"},
      {"a", "v\r\nb: c"},
      {"a", "v\n"},
      {"a", " v"},
      {"a", "v\t"},
      {"a", std::string("v\0w", 3)},
      {std::string(70'000, 'a'), "v"}};
  for (const auto& [name, value] : kCases) {
    http::Fields fields;
    FieldEditor editor(&fields);
    editor.Add(name, value);
    editor.Set(name, value);
    EXPECT_EQ(fields.size(), 0u) << name << value;
    EXPECT_NE(editor.error(), "");
    EXPECT_LT(editor.error().size(), 500u);
  }
}

TEST(FieldEditorTest, TellsTheFirstError) {
  http::Fields fields;
  FieldEditor editor(&fields);
  editor.Add("Host", "a");
  editor.Add("TE", "a");
  EXPECT_EQ(editor.error(), "Host: must not be changed");
}

// -- The chooser's calls ------------------------------------------------------

struct Scripted : Application {
  std::optional<Denial> OnRequest(const Asked& asked,
                                  FieldEditor& fields) override {
    calls.push_back(absl::StrCat("request ", asked.service, " ",
                                 asked.client.address.address.ToString(), " ",
                                 asked.request.target()));
    return on_request ? on_request(asked, fields) : std::nullopt;
  }
  std::optional<size_t> Pick(const Asked& asked,
                             std::span<const Candidate> servers) override {
    calls.push_back(absl::StrCat("pick ", asked.attempt));
    seen.clear();
    for (const Candidate& server : servers) {
      seen.push_back(absl::StrCat(server.name, " ", server.endpoint.ToString(),
                                  " weight ", server.weight, " open ",
                                  server.open, server.available ? "" : " no"));
    }
    return picks;
  }
  void OnResponse(const Asked&, const Endpoint& server,
                  const http::ResponseHead& response,
                  FieldEditor& fields) override {
    calls.push_back(
        absl::StrCat("response ", server.ToString(), " ", response.status));
    if (on_response) on_response(response, fields);
  }

  std::function<std::optional<Denial>(const Asked&, FieldEditor&)> on_request;
  std::function<void(const http::ResponseHead&, FieldEditor&)> on_response;
  std::optional<size_t> picks;
  std::vector<std::string> calls;
  std::vector<std::string> seen;
};

class ApplicationTest : public ::testing::Test {
 protected:
  ApplicationTest() {
    plan_.config.name = "web";
    plan_.config.l7.emplace();
    for (uint32_t i = 1; i <= 3; ++i) {
      config::RealServer& server = plan_.config.servers.emplace_back();
      server.name = absl::StrCat("s", i);
      server.endpoint = {Address::V4(0x0a000000 + i), 80};
      server.weight = 100 * i;
    }
    plan_.ids = {{1, 2, 3}};
    plan_.tables = {1};
    plan_.cookie_secrets = {{3, 4}};
    plan_.store = *persist::KeyStore::Create({.limit = 1000});
  }
  void Persist(config::PersistenceMode mode, const std::string& name = "") {
    plan_.config.persistence = {.enabled = true,
                                .mode = mode,
                                .name = name,
                                .timeout = absl::Minutes(6)};
  }
  void Apply() {
    service_.Apply(kNow, std::make_shared<const ServicePlan>(plan_));
  }
  ApplicationStatistics counted() { return service_.application(); }

  // One request of a connection of its own, up to its answer.
  struct Visit {
    explicit Visit(ApplicationTest& t, const std::string& fields = "")
        : test(t), chooser(t.service_, 77) {
      text = absl::StrCat("GET /x HTTP/1.1\r\nHost: h\r\n", fields, "\r\n");
      absl::string_view input = text;
      reader.Begin();
      EXPECT_EQ(reader.Next(&input), http::Read::kHead) << text;
    }
    // The server's number, or the negative status.
    int Choose(uint32_t attempt = 0) {
      auto answer = chooser.Choose(kNow, client, attempt, &reader.head());
      if (const auto* given = std::get_if<Denial>(&answer)) {
        denial = *given;
        return -denial.status;
      }
      choice = std::get<ServerChoice>(answer);
      return static_cast<int>(choice.tag);
    }
    bool Respond() {
      absl::string_view output = "HTTP/1.1 204 No Content\r\n\r\n";
      response.Begin(http::Method::kGet);
      EXPECT_EQ(response.Next(&output), http::Read::kHead);
      return chooser.OnResponse(kNow, client, choice, reader.head(),
                                &response.head());
    }
    void End(Outcome outcome) { chooser.OnEnd(kNow, choice, outcome); }

    ApplicationTest& test;
    Client client{{Address::V4(0xc6336407), 40000}, {}, false};
    ConnectionChooser chooser;
    std::string text;
    http::RequestReader reader{http::Limits()};
    http::ResponseReader response{http::Limits()};
    ServerChoice choice;
    Denial denial;
  };
  int Get(const std::string& fields = "") {
    Visit visit(*this, fields);
    const int server = visit.Choose();
    if (server > 0) {
      EXPECT_TRUE(visit.Respond());
      visit.End(Outcome::kAnswered);
    }
    return server;
  }

  Scripted application_;
  ServicePlan plan_;
  ServiceChooser service_{&application_};
};

TEST_F(ApplicationTest, IsAskedInOrder) {
  Apply();
  EXPECT_EQ(Get(), 1);
  EXPECT_THAT(application_.calls,
              ElementsAre("request web 198.51.100.7 /x", "pick 0",
                          "response 10.0.0.1:80 204"));
  EXPECT_EQ(counted().answered, 0u);
  EXPECT_EQ(counted().picked, 0u);
  EXPECT_EQ(counted().errors, 0u);
}

TEST_F(ApplicationTest, WhatItSetsCountsForPersistenceAndSubServices) {
  application_.on_request = [](const Asked& asked, FieldEditor& fields) {
    fields.Set("X-Tenant", std::string(*asked.request.fields.Find("X-From")));
    return std::nullopt;
  };
  Persist(config::PersistenceMode::kSelectedHeader, "X-Tenant");
  Apply();
  EXPECT_EQ(Get("X-From: a\r\n"), 1);
  EXPECT_EQ(Get("X-From: b\r\n"), 2);
  EXPECT_EQ(Get("X-From: a\r\n"), 1);
  // A client's own does not count.
  EXPECT_EQ(Get("X-From: b\r\nX-Tenant: a\r\n"), 2);

  plan_.config.persistence = {};
  auto& subs = plan_.config.l7->sub_services;
  subs.resize(2);
  subs[0].name = "a";
  subs[0].servers = {plan_.config.servers[0]};
  subs[0].matches = {{.header = "X-Tenant", .header_value = "a"}};
  subs[1].name = "rest";
  subs[1].servers = {plan_.config.servers[2]};
  plan_.config.servers.clear();
  plan_.ids = {{1}, {3}};
  plan_.tables = {1, 2};
  Apply();
  EXPECT_EQ(Get("X-From: b\r\n"), 3);
  EXPECT_EQ(Get("X-From: a\r\n"), 1);
  EXPECT_THAT(application_.seen,
              ElementsAre("s1 10.0.0.1:80 weight 100 open 0"));
}

TEST_F(ApplicationTest, AnswersByItself) {
  Denial answer{.status = 401, .body = "who?", .content_type = "text/plain"};
  answer.fields = {{"WWW-Authenticate", "Basic realm=\"x\""}};
  application_.on_request = [&](const Asked&, FieldEditor&) { return answer; };
  Apply();
  Visit visit(*this);
  EXPECT_EQ(visit.Choose(), -401);
  EXPECT_EQ(visit.denial.body, "who?");
  EXPECT_EQ(visit.denial.fields, answer.fields);
  EXPECT_EQ(application_.calls.size(), 1u);
  EXPECT_EQ(counted().answered, 1u);
  answer.status = 0;
  EXPECT_EQ(Get(), 0);
}

TEST_F(ApplicationTest, ForbiddenChangesAndAnswersAre500) {
  Apply();
  Denial answer{.status = 200};
  const auto refused = [&](const char* why) {
    const uint64_t before = counted().errors;
    Visit visit(*this);
    EXPECT_EQ(visit.Choose(), -500) << why;
    EXPECT_EQ(counted().errors, before + 1);
    EXPECT_THAT(counted().last_error, HasSubstr(why));
  };
  application_.on_request = [](const Asked&, FieldEditor& fields) {
    fields.Set("Content-Length", "0");
    return std::nullopt;
  };
  refused("OnRequest: Content-Length: must not be changed");
  application_.on_request = [&](const Asked&, FieldEditor&) { return answer; };
  answer.status = 199;
  refused("status 199");
  answer.status = 600;
  refused("status 600");
  answer = {.status = 302, .location = "/\r\nSet-Cookie: a"};
  refused("Location");
  answer = {.status = 200, .body = "b", .content_type = "a\r\n"};
  refused("Content-Type");
  answer = {.status = 200};
  answer.fields = {{"Transfer-Encoding", "chunked"}};
  refused("Transfer-Encoding");
  answer.fields = {{"content-type", "text/css"}};
  refused("content-type");
  EXPECT_EQ(counted().answered, 0u);
}

TEST_F(ApplicationTest, PicksAmongWhatIsAvailable) {
  plan_.config.servers[1].connection_limit = 1;
  Apply();
  application_.picks = 1;
  Visit holds(*this);
  EXPECT_EQ(holds.Choose(), 2);
  service_.SetHealthy(kNow, 3, false);
  // Full, then down, then no server at all: the schedule decides.
  for (const size_t place : {size_t{1}, size_t{2}, size_t{3}}) {
    application_.picks = place;
    EXPECT_EQ(Get(), 1);
  }
  EXPECT_THAT(application_.seen,
              ElementsAre("s1 10.0.0.1:80 weight 100 open 0",
                          "s2 10.0.0.2:80 weight 200 open 1 no",
                          "s3 10.0.0.3:80 weight 300 open 0 no"));
  EXPECT_EQ(counted().picked, 1u);
  EXPECT_EQ(counted().picks_refused, 3u);
  holds.End(Outcome::kAnswered);
  application_.picks = 1;
  EXPECT_EQ(Get(), 2);
}

TEST_F(ApplicationTest, PersistenceWinsAndKeepsWhatWasPicked) {
  Persist(config::PersistenceMode::kSelectedHeader, "X-User");
  Apply();
  application_.picks = 2;
  EXPECT_EQ(Get("X-User: a\r\n"), 3);
  application_.picks = 0;
  application_.calls.clear();
  EXPECT_EQ(Get("X-User: a\r\n"), 3);
  EXPECT_EQ(application_.calls.size(), 2u);  // No pick.
  EXPECT_EQ(Get("X-User: b\r\n"), 1);
}

TEST_F(ApplicationTest, IsAskedAgainForARetry) {
  Apply();
  application_.picks = 2;
  Visit visit(*this);
  EXPECT_EQ(visit.Choose(), 3);
  visit.End(Outcome::kConnectFailed);
  application_.picks = 1;
  EXPECT_EQ(visit.Choose(1), 2);
  EXPECT_THAT(application_.calls,
              ElementsAre("request web 198.51.100.7 /x", "pick 0", "pick 1"));
  EXPECT_EQ(application_.seen.back(), "s3 10.0.0.3:80 weight 300 open 0 no");
}

TEST_F(ApplicationTest, DoesNotPickForTheSorryServer) {
  plan_.config.servers_min = 3;
  plan_.config.sorry_server.emplace().endpoint =
      *Endpoint::Parse("10.0.0.9:80");
  Apply();
  service_.SetHealthy(kNow, 1, false);
  application_.picks = 1;
  Visit visit(*this);
  EXPECT_EQ(visit.Choose(), 0);
  EXPECT_EQ(visit.choice.server.ToString(), "10.0.0.9:80");
  EXPECT_TRUE(visit.Respond());
  EXPECT_THAT(application_.calls, ElementsAre("request web 198.51.100.7 /x",
                                              "response 10.0.0.9:80 204"));
}

TEST_F(ApplicationTest, SeesAndChangesTheResponse) {
  Persist(config::PersistenceMode::kActiveCookie, "LB");
  Apply();
  application_.on_response = [](const http::ResponseHead& response,
                                FieldEditor& fields) {
    EXPECT_TRUE(response.fields.Find("Set-Cookie").has_value());
    fields.Add("X-Own", "1");
  };
  Visit visit(*this);
  visit.Choose();
  EXPECT_TRUE(visit.Respond());
  EXPECT_EQ(visit.response.head().fields.Find("X-Own"), "1");
  application_.on_response = [](const http::ResponseHead&,
                                FieldEditor& fields) {
    fields.Remove("Connection");
  };
  EXPECT_FALSE(visit.Respond());
  EXPECT_EQ(counted().errors, 1u);
  EXPECT_EQ(counted().last_error,
            "OnResponse: Connection: must not be changed");
}

TEST_F(ApplicationTest, HasNoPartInStreams) {
  Apply();
  ConnectionChooser chooser(service_, 1);
  auto answer = chooser.Choose(kNow, Client{}, 0, absl::string_view("hello"));
  EXPECT_TRUE(std::holds_alternative<ServerChoice>(answer));
  EXPECT_TRUE(application_.calls.empty());
}

}  // namespace
}  // namespace ballast::l7
