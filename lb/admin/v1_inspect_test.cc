#include "lb/admin/v1_inspect.h"

#include <google/protobuf/util/json_util.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lb/admin/example_backend.h"
#include "lb/admin/v1.h"
#include "lb/admin/v1.pb.h"

namespace ballast::admin {
namespace {

using config::proto::User;
using ::testing::HasSubstr;

class V1InspectTest : public ::testing::Test {
 protected:
  V1Reply Post(absl::string_view path, absl::string_view body,
               User::Role role = User::VIEWER) {
    return AnswerV1(absl::UnixEpoch(),
                    {.post = true,
                     .path = path,
                     .body = body,
                     .content_type = "application/json",
                     .ballast_request = "1",
                     .role = role,
                     .author = {.user = "eye", .from = "192.0.2.7"}},
                    &backend_);
  }
  // "400 limit: ..."
  std::string Outcome(absl::string_view path, absl::string_view body,
                      User::Role role = User::VIEWER) {
    const V1Reply reply = Post(path, body, role);
    proto::Error error;
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    EXPECT_TRUE(
        google::protobuf::util::JsonStringToMessage(reply.json, &error, options)
            .ok())
        << reply.json;
    return absl::StrCat(reply.status, " ", error.error());
  }
  static Endpoint At(const char* text) { return *Endpoint::Parse(text); }

  ExampleBackend backend_{R"(
      interfaces { name: "lan0" }
      virtual_services { address: "192.0.2.10" port: 80
        real_servers { address: "192.0.2.21" } })"};
};

TEST_F(V1InspectTest, ConnectionsAreAskedForByTheirEnds) {
  backend_.connections->connections = {{.client = At("198.51.100.7:4000"),
                                        .destination = At("192.0.2.10:80"),
                                        .service = At("192.0.2.10:80"),
                                        .server = At("192.0.2.21:80"),
                                        .state = "ESTABLISHED",
                                        .idle = absl::Milliseconds(3999),
                                        .client_packets = 17},
                                       {.layer7 = true,
                                        .client = At("[2001:db8::7]:4000"),
                                        .destination = At("[2001:db8::1]:443"),
                                        .service = At("[2001:db8::1]:443"),
                                        .sub_service = "images",
                                        .server = At("[2001:db8::21]:80"),
                                        .source = At("[2001:db8::1]:40001"),
                                        .state = "open"}};
  backend_.connections->more = true;
  const V1Reply reply = Post("/v1/connections", R"({
      "service": "192.0.2.10:80/tcp", "client": "198.51.100.7",
      "server": "192.0.2.21:80", "limit": 2})");
  ASSERT_EQ(reply.status, 200) << reply.json;
  EXPECT_EQ(reply.json,
            R"({"connections":[)"
            R"({"layer7":false,"protocol":"tcp","client":"198.51.100.7:4000",)"
            R"("destination":"192.0.2.10:80","service":"192.0.2.10:80/tcp",)"
            R"("sub_service":"","server":"192.0.2.21:80","source":"",)"
            R"("direct_return":false,"state":"ESTABLISHED","idle_seconds":3,)"
            R"("client_packets":17,"synced":false},)"
            R"({"layer7":true,"protocol":"tcp","client":"[2001:db8::7]:4000",)"
            R"("destination":"[2001:db8::1]:443",)"
            R"("service":"[2001:db8::1]:443/tcp","sub_service":"images",)"
            R"("server":"[2001:db8::21]:80","source":"[2001:db8::1]:40001",)"
            R"("direct_return":false,"state":"open","idle_seconds":0,)"
            R"("client_packets":0,"synced":false}],"more":true})");
  const ConnectionQuery& asked = backend_.connection_query;
  EXPECT_EQ(asked.service,
            (ServiceAddress{At("192.0.2.10:80"), Protocol::kTcp}));
  EXPECT_EQ(asked.client, At("198.51.100.7:0"));
  EXPECT_EQ(asked.server, At("192.0.2.21:80"));
  EXPECT_EQ(asked.limit, 2u);
}

TEST_F(V1InspectTest, AnEmptyQueryIsForTheFirstHundred) {
  ASSERT_EQ(Post("/v1/connections", "{}").status, 200);
  const ConnectionQuery& asked = backend_.connection_query;
  EXPECT_FALSE(asked.service || asked.client || asked.server);
  EXPECT_EQ(asked.limit, 100u);
}

TEST_F(V1InspectTest, AnExplanationSaysServerReasonAndSteps) {
  backend_.explanation = Explanation{
      .service = ServiceAddress{At("192.0.2.10:80"), Protocol::kTcp},
      .persistence = ExplainedEntry{.mode = "src",
                                    .key = "198.51.100.7",
                                    .server = At("192.0.2.21:80"),
                                    .expires_in = absl::Seconds(299),
                                    .followed = true},
      .server = At("192.0.2.21:80"),
      .reason = "persistence",
      .steps = {"one", "two"}};
  const V1Reply reply = Post("/v1/explain", R"({
      "client": "198.51.100.7:4000", "destination": "192.0.2.10:80",
      "request": {"method": "PUT", "target": "/a", "host": "h",
                  "header": ["Cookie: a=b", "X: y"]}})");
  ASSERT_EQ(reply.status, 200) << reply.json;
  EXPECT_EQ(reply.json,
            R"({"service":"192.0.2.10:80/tcp","layer7":false,)"
            R"("sub_service":"","schedule":"RR",)"
            R"("persistence":{"mode":"src","key":"198.51.100.7",)"
            R"("server":"192.0.2.21:80","expires_in":299,"followed":true},)"
            R"("slot":-1,"server":"192.0.2.21:80","source":"",)"
            R"("reason":"persistence","steps":["one","two"]})");
  const ExplainOrder& asked = backend_.explain_order;
  EXPECT_EQ(asked.client, At("198.51.100.7:4000"));
  EXPECT_EQ(asked.destination, At("192.0.2.10:80"));
  EXPECT_EQ(asked.protocol, Protocol::kTcp);
  ASSERT_TRUE(asked.request.has_value());
  EXPECT_EQ(asked.request->method, "PUT");
  EXPECT_EQ(asked.request->fields,
            (std::vector<std::string>{"Cookie: a=b", "X: y"}));

  const auto explain = [&](absl::string_view body) {
    return Outcome("/v1/explain", body);
  };
  EXPECT_EQ(explain(R"({"client": "198.51.100.7"})"),
            "400 client: \"198.51.100.7\", must be an address and a port");
  EXPECT_EQ(explain(R"({"client": "198.51.100.7:1", "protocol": "sctp",
                        "destination": "192.0.2.10:80"})"),
            "400 protocol: \"sctp\", must be \"tcp\" or \"udp\"");
}

TEST_F(V1InspectTest, PersistenceEntriesAreShownAndDeleted) {
  backend_.persistence->entries = {
      {.service = {At("192.0.2.10:80"), Protocol::kTcp},
       .mode = "src",
       .key = "198.51.100.7",
       .server = At("192.0.2.21:80"),
       .expires_in = absl::Seconds(299)}};
  const absl::string_view query = R"({"service": "192.0.2.10:80/tcp",
      "client": "198.51.100.7", "limit": 7,
      "key": "000102030405060708090a0b0c0d0e0f"})";
  const absl::string_view answer =
      R"({"entries":[{"service":"192.0.2.10:80/tcp","layer7":false,)"
      R"("sub_service":"","mode":"src","key":"198.51.100.7",)"
      R"("server":"192.0.2.21:80","expires_in":299}],"more":false})";
  EXPECT_EQ(Post("/v1/persistence", query).json, answer);
  const PersistenceQuery& asked = backend_.persistence_query;
  EXPECT_EQ(asked.service,
            (ServiceAddress{At("192.0.2.10:80"), Protocol::kTcp}));
  EXPECT_EQ(asked.client, At("198.51.100.7:1").address);
  EXPECT_EQ(asked.key, "000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(asked.limit, 7u);

  constexpr absl::string_view kDelete = "/v1/persistence/delete";
  EXPECT_EQ(Outcome(kDelete, query), "403 needs role OPERATOR, not VIEWER");
  EXPECT_EQ(backend_.deletes, 0);
  EXPECT_EQ(Post(kDelete, query, User::OPERATOR).json, answer);
  EXPECT_EQ(backend_.deletes, 1);
  EXPECT_EQ(Outcome(kDelete, R"({"limit": 9})", User::OPERATOR),
            "400 service, client, key: none is there");
  EXPECT_EQ(Outcome(kDelete, R"({"key": "xyz"})", User::OPERATOR),
            "400 key: \"xyz\", must be 32 hex digits");
  EXPECT_EQ(Outcome(kDelete, R"({"client": "a:1"})", User::OPERATOR),
            "400 client: \"a:1\", must be an address");
  EXPECT_EQ(backend_.deletes, 1);
}

TEST_F(V1InspectTest, AQueryThatIsWrongIsToldWhereAndWhy) {
  const auto connections = [&](absl::string_view body) {
    return Outcome("/v1/connections", body);
  };
  EXPECT_EQ(connections(R"({"limit": 1001})"),
            "400 limit: 1001, must be 1 to 1000, or 0 for 100");
  EXPECT_EQ(connections(R"({"client": "elsewhere"})"),
            "400 client: \"elsewhere\", must be an address, or an address and "
            "a port");
  EXPECT_EQ(connections(R"({"service": "192.0.2.10:80"})"),
            "400 service: \"192.0.2.10:80\", must be as "
            "\"192.0.2.10:80/tcp\"");
  EXPECT_EQ(connections(R"({"service": "192.0.2.10:80/sctp"})").substr(0, 3),
            "400");
  EXPECT_THAT(connections(R"({"servers": ""})"), HasSubstr("400 body: "));
  backend_.connections = absl::NotFoundError("service: no tcp 192.0.2.9:80");
  EXPECT_EQ(connections(R"({"service": "192.0.2.9:80/tcp"})"),
            "404 service: no tcp 192.0.2.9:80");
}

}  // namespace
}  // namespace ballast::admin
