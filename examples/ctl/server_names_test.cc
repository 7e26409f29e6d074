#include "examples/ctl/server_names.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "io/base/status_matchers.h"

namespace ballast::ctl {
namespace {

using ::testing::HasSubstr;

class ServerNamesTest : public ::testing::Test {
 protected:
  ServerNamesTest() {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"(services { id: "192.0.2.10:80/tcp" name: "web"
             servers { id: "192.0.2.21:80" kind: "real" name: "one" }
             servers { id: "192.0.2.22:80" kind: "real" }
             servers { id: "192.0.2.23:80" kind: "sorry" }
             servers { id: "192.0.2.24:80" kind: "removed" } }
           services { id: "192.0.2.10:53/tcp" }
           services { id: "192.0.2.10:53/udp" }
           services { id: "[2001:db8::1]:443/tcp"
             servers { id: "[2001:db8::21]:80" kind: "real"
                       sub_service: "images" }
             servers { id: "[2001:db8::21]:80" kind: "real"
                       sub_service: "rest" }
             servers { id: "[2001:db8::22]:80" kind: "real"
                       sub_service: "rest" } })",
        &status_));
  }
  admin::proto::Status status_;
};

TEST_F(ServerNamesTest, AServiceByIdNameOrWithoutItsProtocol) {
  for (const char* name : {"192.0.2.10:80/tcp", "192.0.2.10:80", "web"}) {
    const auto found = FindService(status_, name);
    ASSERT_THAT(found, IsOk()) << name;
    EXPECT_EQ((*found)->id(), "192.0.2.10:80/tcp");
  }
  EXPECT_EQ((*FindService(status_, "192.0.2.10:53/udp"))->id(),
            "192.0.2.10:53/udp");
  EXPECT_THAT(FindService(status_, "192.0.2.10:53"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("192.0.2.10:53/tcp, 192.0.2.10:53/udp")));
  EXPECT_THAT(FindService(status_, ""),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("there is 192.0.2.10:80/tcp, ")));
}

TEST_F(ServerNamesTest, AServerByIdNameOrSubService) {
  for (const char* name : {"192.0.2.21:80", "one"}) {
    const auto order = OrderFor(status_, "web", name);
    ASSERT_THAT(order, IsOk()) << name;
    EXPECT_EQ(order->service(), "192.0.2.10:80/tcp");
    EXPECT_EQ(order->server(), "192.0.2.21:80");
    EXPECT_EQ(order->sub_service(), "");
  }
  // A sorry server, one that is gone, and none.
  for (const char* name : {"192.0.2.23:80", "192.0.2.24:80", ""}) {
    EXPECT_THAT(OrderFor(status_, "web", name),
                StatusIs(absl::StatusCode::kNotFound,
                         HasSubstr("there is 192.0.2.21:80, 192.0.2.22:80")));
  }
  const char* const six = "[2001:db8::1]:443";
  EXPECT_THAT(OrderFor(status_, six, "[2001:db8::21]:80"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("images/[2001:db8::21]:80, rest/")));
  EXPECT_EQ(OrderFor(status_, six, "images/[2001:db8::21]:80")->sub_service(),
            "images");
  EXPECT_EQ(OrderFor(status_, six, "[2001:db8::22]:80")->sub_service(), "rest");
}

}  // namespace
}  // namespace ballast::ctl
