// A test fixture: a service with three servers, 10.0.0.1 to 3, and clients that
// visit it.
#ifndef LB_L7_SERVICE_CHOOSER_RIG_H_
#define LB_L7_SERVICE_CHOOSER_RIG_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lb/http/message_reader.h"
#include "lb/l7/service_chooser.h"

namespace ballast::l7 {

inline constexpr Instant kNow = Instant::FromNanos(1'000'000'000'000);

inline Address Ip(const char* text) { return *Address::Parse(text); }

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
        : Visit(t, client, t.service_) {}
    Visit(ServiceChooserTest& t, const char* client, ServiceChooser& service)
        : test(t),
          client{{Ip(client), 40000}, {Ip("192.0.2.1"), 80}, false},
          chooser(service, 77) {}

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
      return static_cast<int>(static_cast<uint32_t>(last.tag));
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

}  // namespace ballast::l7

#endif  // LB_L7_SERVICE_CHOOSER_RIG_H_
