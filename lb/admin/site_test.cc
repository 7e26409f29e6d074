#include "lb/admin/site.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lb/admin/exposition.h"
#include "lb/admin/password.h"
#include "lb/admin/rig.h"

namespace ballast::admin {
namespace {

using ::testing::HasSubstr;

constexpr char kService[] =
    "virtual_services { address: \"192.0.2.10\" port: 80 "
    "real_servers { address: \"192.0.2.21\" } } ";

class SiteTest : public ::testing::Test {
 protected:
  // As `user` of the rig; empty: nobody.
  Request As(absl::string_view user, absl::string_view path) {
    rig_.user = std::string(user);
    Request request = rig_.V1("");
    request.path = std::string(path);
    return request;
  }
  Reply Get(absl::string_view user, absl::string_view path) {
    return rig_.Ask(As(user, path));
  }
  Reply Post(absl::string_view user, absl::string_view path,
             absl::string_view body) {
    Request request = As(user, path);
    request.method = Method::kPost;
    request.content_type = "application/json";
    request.ballast_request = "1";
    request.body = std::string(body);
    return rig_.Ask(request);
  }

  // The LoadMaster's API may be off.
  Rig rig_{kService, "enable_api: false"};
};

TEST_F(SiteTest, NobodySeesAnythingWithoutSayingWhoHeIs) {
  for (const char* path : {"/", "/page/page.js", "/metrics", "/v1/status"}) {
    const Reply reply = Get("", path);
    EXPECT_EQ(reply.status, 401) << path;
    EXPECT_THAT(reply.fields,
                ::testing::Contains(::testing::Pair("WWW-Authenticate",
                                                    HasSubstr("Basic realm="))))
        << path;
    EXPECT_LT(reply.body.size(), 100u) << path;
  }
}

TEST_F(SiteTest, AViewerSeesPageMetricsAndStatus) {
  const Reply page = Get("eye", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.fields,
              ::testing::Contains(::testing::Pair(
                  "Content-Security-Policy", HasSubstr("default-src 'none'"))));
  EXPECT_EQ(Get("eye", "/page/style.css").status, 200);
  EXPECT_EQ(Get("eye", "/page/secret").status, 404);

  const Reply metrics = Get("eye", "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_EQ(metrics.content_type, kExpositionType);
  EXPECT_THAT(metrics.body, HasSubstr("\nballast_active 0\n"));

  const Reply status = Get("eye", "/v1/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(status.content_type, "application/json");
  EXPECT_THAT(status.body, HasSubstr(R"("user":"eye","role":"VIEWER")"));
}

TEST_F(SiteTest, AnOrderIsForWhoMayGiveIt) {
  constexpr char kDrain[] = R"({"service": "192.0.2.10:80/tcp",
      "server": "192.0.2.21:80", "state": "drain"})";
  EXPECT_EQ(Post("eye", "/v1/server", kDrain).status, 403);
  EXPECT_TRUE(rig_.backend.History().empty());
  EXPECT_EQ(Post("op", "/v1/server", kDrain).status, 200);
  EXPECT_EQ(rig_.backend.History()[0].author.user, "op");
  EXPECT_EQ(rig_.backend.History()[0].author.from, "192.0.2.7");
  EXPECT_EQ(Post("op", "/v1/switchover", "{}").status, 403);
  EXPECT_EQ(Post("bal", "/v1/switchover", "{}").status, 200);
}

// Programs have a key: Prometheus says it as `Bearer`.
TEST_F(SiteTest, AnApiKeyOpensEverythingItsUserMay) {
  config::proto::Config config = rig_.backend.configuration();
  for (auto& user : *config.mutable_management()->mutable_users()) {
    auto& key = *user.add_api_keys();
    key.set_id("00000000");
    key.set_sha256(Sha256Hex("of " + user.name()));
  }
  ASSERT_TRUE(rig_.backend.Change(config, "keys", {}).ok());
  const auto as = [&](absl::string_view key, absl::string_view path) {
    Request request = As("", path);
    request.authorization = absl::StrCat("Bearer ", key);
    return request;
  };
  for (const char* path : {"/", "/metrics", "/v1/status", "/v1/history"}) {
    EXPECT_EQ(rig_.Ask(as("of eye", path)).status, 200) << path;
    EXPECT_EQ(rig_.Ask(as("of", path)).status, 401) << path;
  }
  Request order = as("of eye", "/v1/server");
  order.method = Method::kPost;
  order.content_type = "application/json";
  order.ballast_request = "1";
  order.body = R"({"service": "192.0.2.10:80/tcp",
      "server": "192.0.2.21:80", "state": "drain"})";
  EXPECT_EQ(rig_.Ask(order).status, 403);
  order.authorization = "Bearer of op";
  EXPECT_EQ(rig_.Ask(order).status, 200);
  EXPECT_EQ(rig_.backend.History()[0].author.user, "op (api key 00000000)");
  // No password was verified for it.
  EXPECT_EQ(rig_.verified, 0);
}

TEST_F(SiteTest, ALinkToThePageIsFollowedNothingElseFromAnotherSite) {
  for (const auto& [path, status] : {std::pair{"/", 200},
                                     {"/metrics", 403},
                                     {"/v1/status", 403},
                                     {"/page/page.js", 403}}) {
    Request request = As("eye", path);
    request.fetch_site = "cross-site";
    EXPECT_EQ(rig_.Ask(request).status, status) << path;
  }
}

TEST_F(SiteTest, PathsAreWhole) {
  for (const char* path : {"/metrics/", "/metricsx", "/v1", "/index.html"}) {
    EXPECT_EQ(Get("eye", path).status, 404) << path;
  }
  EXPECT_EQ(Post("bal", "/", "{}").status, 405);
  EXPECT_EQ(Post("bal", "/metrics", "{}").status, 405);
}

}  // namespace
}  // namespace ballast::admin
