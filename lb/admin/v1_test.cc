#include "lb/admin/v1.h"

#include <google/protobuf/util/json_util.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lb/admin/example_backend.h"
#include "lb/admin/slot_shares.h"
#include "lb/admin/statistics_example.h"
#include "lb/admin/v1.pb.h"
#include "lb/admin/v1_status.h"

namespace ballast::admin {
namespace {

using config::proto::User;
using ::testing::HasSubstr;

constexpr absl::Time kNow = absl::FromUnixSeconds(1700000000);

// Five servers of the default weight under schedule SH, and an L7 service.
constexpr char kConfig[] = R"(
    interfaces { name: "lan0" }
    disabled_servers: "192.0.2.25"
    virtual_services { name: "shop" address: "192.0.2.10" port: 80 schedule: SH
      real_servers { address: "192.0.2.21" }
      real_servers { address: "192.0.2.22" port: 8080 }
      real_servers { address: "192.0.2.23" }
      real_servers { address: "192.0.2.24" }
      real_servers { address: "192.0.2.25" } }
    virtual_services { address: "2001:DB8::1" port: 443 l7 {
      sub_services { name: "images" matches { path_prefix: "/i" }
        real_servers { address: "2001:db8::21" port: 80 } }
      sub_services { name: "rest" matches { path_prefix: "/" }
        real_servers { address: "2001:db8::21" port: 80 } } } })";

class V1Test : public ::testing::Test {
 protected:
  V1Reply Get(absl::string_view path) {
    return AnswerV1(kNow,
                    {.path = path, .author = {.user = "eye", .from = "::1"}},
                    &backend_);
  }
  V1Request Order(absl::string_view path, absl::string_view body) {
    return {.post = true,
            .path = path,
            .body = body,
            .content_type = "application/json",
            .ballast_request = "1",
            .role = User::ADMIN,
            .author = {.user = "bal", .from = "192.0.2.7"}};
  }
  V1Reply Post(absl::string_view path, absl::string_view body) {
    return AnswerV1(kNow, Order(path, body), &backend_);
  }
  const config::proto::RealServer& Server(int place) {
    return backend_.configuration().virtual_services(0).real_servers(place);
  }

  ExampleBackend backend_{kConfig};
};

TEST_F(V1Test, StatusIsJsonWithEveryFieldByTheNamesOfTheProto) {
  const V1Reply reply = Get("/v1/status");
  EXPECT_EQ(reply.status, 200);
  proto::Status status;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(reply.json, &status).ok());
  EXPECT_EQ(status.user(), "eye");
  EXPECT_EQ(status.services(0).id(), "192.0.2.10:80/tcp");
  EXPECT_THAT(reply.json, HasSubstr("\"role\":\"VIEWER\""));
  EXPECT_THAT(reply.json, HasSubstr("\"kernel_receive_dropped\":\"13\""));
  EXPECT_THAT(reply.json, HasSubstr("\"layer7\":false"));
}

TEST_F(V1Test, BothUnitsIconsHaveTheirReasons) {
  const proto::Status status =
      StatusOf(kNow, backend_.configuration(), ExampleStatistics());
  EXPECT_EQ(status.pair().icon(), proto::GREEN_A);
  EXPECT_EQ(status.pair().icon_reason(), "active: the partner fell silent");
  EXPECT_EQ(status.pair().partner_icon(), proto::RED);
  EXPECT_EQ(status.pair().partner_icon_reason(), "not heard");
  // Newest first, by the clock: `date -u -d @1699999970`.
  ASSERT_EQ(status.pair().last_role_changes_size(), 2);
  EXPECT_EQ(status.pair().last_role_changes(0).time(),
            "2023-11-14T22:12:50.000Z");
  EXPECT_TRUE(status.pair().last_role_changes(0).incomplete());
}

// LoadMaster behaviour, source IP hash: with five servers of the default
// weight 1000 the last one gets 96 slots.
TEST_F(V1Test, OfFiveDefaultsTheLastIsStarved) {
  Statistics statistics = backend_.GetStatistics();
  ServiceStatistics& shop = statistics.services[0];
  shop.servers[4].state = config::AdminState::kEnabled;
  const auto shown = [&](int server) {
    return StatusOf(kNow, backend_.configuration(), statistics)
        .services(0)
        .servers(server)
        .slots();
  };
  EXPECT_EQ(shown(0).slots(), 1000u);
  EXPECT_FALSE(shown(0).starved());
  EXPECT_EQ(shown(4).slots(), 96u);
  EXPECT_EQ(shown(4).fair_slots(), 819u);  // 4096 / 5
  EXPECT_TRUE(shown(4).starved());
  // Of four the first takes the rest: 1096, 1000, 1000, 1000.
  shop.servers[4].state = config::AdminState::kDraining;
  EXPECT_EQ(shown(0).slots(), 1096u);
  EXPECT_EQ(shown(4).slots(), 0u);
  EXPECT_FALSE(shown(4).starved());
  shop.servers[0].up = false;
  EXPECT_EQ(shown(0).slots(), 0u);
  // Runs of 1000 for three, and 1000 and 96 again.
  EXPECT_EQ(shown(1).slots(), 2000u);
  EXPECT_EQ(shown(2).slots(), 1096u);
  EXPECT_EQ(shown(3).slots(), 1000u);
}

TEST_F(V1Test, ADrainIsAChangeWithItsAuthor) {
  const V1Reply reply = Post("/v1/server", R"({"service": "192.0.2.10:80/tcp",
      "server": "192.0.2.22:8080", "state": "drain", "weight": 7})");
  EXPECT_EQ(reply.status, 200) << reply.json;
  EXPECT_EQ(reply.json, "{}");
  EXPECT_EQ(Server(1).state(), config::proto::DRAINING);
  EXPECT_EQ(Server(1).weight(), 7u);
  EXPECT_EQ(Server(0).state(), config::proto::ENABLED);
  EXPECT_FALSE(Server(0).has_weight());
  const Revision revision = backend_.History()[0];
  EXPECT_EQ(revision.author.user, "bal");
  EXPECT_EQ(revision.what,
            "drain, weight 7: server 192.0.2.22:8080 of 192.0.2.10:80/tcp");
  EXPECT_THAT(Get("/v1/history").json, HasSubstr(R"("user":"bal")"));
}

// It is shown with the port that connections go to.
TEST_F(V1Test, AServerWithoutAPortHasItsServices) {
  EXPECT_EQ(Post("/v1/server", R"({"service": "192.0.2.10:80/tcp",
      "server": "192.0.2.23:80", "state": "disable"})")
                .status,
            200);
  EXPECT_EQ(Server(2).state(), config::proto::DISABLED);
}

TEST_F(V1Test, AServerOfASubServiceIsNotItsNamesakeOfAnother) {
  EXPECT_EQ(Post("/v1/server", R"({"service": "[2001:db8::1]:443/tcp",
      "sub_service": "rest", "server": "[2001:db8::21]:80", "weight": 0})")
                .status,
            200);
  const auto& l7 = backend_.configuration().virtual_services(1).l7();
  EXPECT_FALSE(l7.sub_services(0).real_servers(0).has_weight());
  EXPECT_TRUE(l7.sub_services(1).real_servers(0).has_weight());
  EXPECT_EQ(l7.sub_services(1).real_servers(0).weight(), 0u);
}

struct Refusal {
  const char* what;
  const char* body;
  uint16_t status;
  const char* text;
};

TEST_F(V1Test, WhatIsWrongIsNamedAndChangesNothing) {
  const std::string before = backend_.configuration().SerializeAsString();
  for (const Refusal& wrong : {
           Refusal{"no JSON", "state=drain", 400, "body: "},
           Refusal{"no ASCII", "{\"state\": \"\xff\"}", 400, "ASCII"},
           Refusal{"a field that is unknown", R"({"sevrer": "x"})", 400,
                   "sevrer"},
           Refusal{"nothing to do", R"({"service": "192.0.2.10:80/tcp",
               "server": "192.0.2.21:80"})",
                   400, "neither state nor weight"},
           Refusal{"no such state", R"({"service": "192.0.2.10:80/tcp",
               "server": "192.0.2.21:80", "state": "off"})",
                   400, "state: must be"},
           Refusal{"too great a weight", R"({"service": "192.0.2.10:80/tcp",
               "server": "192.0.2.21:80", "weight": 65536})",
                   400, "weight: 65536, must be 0 to 65535"},
           Refusal{"no such service", R"({"service": "192.0.2.11:80/tcp",
               "server": "192.0.2.21:80", "weight": 1})",
                   404, "192.0.2.11:80/tcp"},
           Refusal{"no such server", R"({"service": "192.0.2.10:80/tcp",
               "server": "192.0.2.22:80", "weight": 1})",
                   404, "192.0.2.22:80"},
           Refusal{"no such sub service", R"({"service": "192.0.2.10:80/tcp",
               "sub_service": "a", "server": "192.0.2.21:80", "weight": 1})",
                   404, "sub_service"},
           Refusal{"disabled in every service",
                   R"({"service": "192.0.2.10:80/tcp",
               "server": "192.0.2.25:80", "state": "enable"})",
                   409, "disabled_servers"},
       }) {
    const V1Reply reply = Post("/v1/server", wrong.body);
    EXPECT_EQ(reply.status, wrong.status) << wrong.what << ": " << reply.json;
    EXPECT_THAT(reply.json, HasSubstr(wrong.text)) << wrong.what;
    EXPECT_EQ(backend_.configuration().SerializeAsString(), before)
        << wrong.what;
  }
  EXPECT_EQ(Post("/v1/server", std::string(kV1BodyMax + 1, ' ')).status, 413);
}

TEST_F(V1Test, RolesHaveWhatIsTheirs) {
  V1Request drain = Order("/v1/server", R"({"service": "192.0.2.10:80/tcp",
      "server": "192.0.2.21:80", "state": "drain"})");
  drain.role = User::VIEWER;
  EXPECT_EQ(AnswerV1(kNow, drain, &backend_).status, 403);
  EXPECT_EQ(Server(0).state(), config::proto::ENABLED);
  drain.role = User::OPERATOR;
  EXPECT_EQ(AnswerV1(kNow, drain, &backend_).status, 200);

  for (const char* path : {"/v1/switchover", "/v1/force-update"}) {
    V1Request request = Order(path, "{}");
    request.role = User::OPERATOR;
    EXPECT_EQ(AnswerV1(kNow, request, &backend_).status, 403) << path;
  }
  EXPECT_EQ(Post("/v1/force-update", "{}").status, 200);
  const V1Reply refused = Post("/v1/switchover", "{}");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.json, R"({"error":"the partner is not there"})");
}

// What a form or a script of another site can have a browser send: Fetch
// standard, "CORS-safelisted request-header".
TEST_F(V1Test, NoPageOfAnotherSiteGivesOrders) {
  const V1Request own = Order("/v1/force-update", "{}");
  V1Request form = own;
  form.content_type = "text/plain";
  V1Request script = own;
  script.ballast_request = "";
  V1Request other = own;
  other.fetch_site = "same-site";
  for (const V1Request& request : {form, script, other}) {
    EXPECT_EQ(AnswerV1(kNow, request, &backend_).status, 403);
  }
  EXPECT_TRUE(backend_.History().empty());
  V1Request page = own;
  page.content_type = "application/json; charset=utf-8";
  page.fetch_site = "same-origin";
  EXPECT_EQ(AnswerV1(kNow, page, &backend_).status, 200);
}

TEST_F(V1Test, PathsAndMethodsAreExact) {
  EXPECT_EQ(Get("/v1/stat").status, 404);
  EXPECT_EQ(Get("/v1/status/").status, 404);
  EXPECT_EQ(Get("/v1/server").status, 405);
  EXPECT_EQ(Post("/v1/status", "{}").status, 405);
  EXPECT_EQ(Post("/v1/switchover", "{\"now\": 1}").status, 400);
}

}  // namespace
}  // namespace ballast::admin
