// A balancer of proxies on the host's own addresses, with an application's
// part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "io/socket_address.h"
#include "io/tcp_socket.h"
#include "lb/balancer.h"
#include "lb/config/load.h"
#include "lb/config/validate.h"

namespace ballast::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// On a port of the loopback that was free a moment ago.
std::shared_ptr<const config::Model> MakeModel(int threads) {
  const UniqueFd taken = ListenTcp(*Endpoint::Parse("127.0.0.1:0")).value();
  const auto parsed = config::ParseConfig(absl::StrCat(
      "threads: ", threads, " virtual_services { address: '127.0.0.1' port: ",
      SocketAddress::Local(taken.get()).endpoint().port,
      " l7 { host_address: true } health_check { type: NONE }"
      " real_servers { address: '127.0.0.1' port: 9 } }"));
  EXPECT_THAT(parsed, IsOk());
  const config::Validated validated = config::Validate(*parsed, 1);
  EXPECT_NE(validated.model, nullptr) << config::Report(validated);
  return validated.model;
}

struct Counted : l7::Application {
  explicit Counted(int* alive) : alive(alive) { ++*alive; }
  ~Counted() override { --*alive; }
  int* alive;
};

TEST(UnitApplicationTest, EachProxyThreadHasAnApplicationOfItsOwn) {
  std::vector<int> threads;
  int alive = 0;
  auto balancer =
      Balancer::Create({.model = MakeModel(3),
                        .log = [](const LogRecord&) {},
                        .application =
                            [&](int thread) {
                              threads.push_back(thread);
                              return std::make_unique<Counted>(&alive);
                            }});
  ASSERT_THAT(balancer, IsOk());
  EXPECT_THAT(threads, ElementsAre(0, 1, 2));
  EXPECT_EQ(alive, 3);
  EXPECT_THAT((*balancer)->Apply(MakeModel(3)), IsOk());
  EXPECT_EQ(threads.size(), 3u);  // They stay over configurations.
  balancer->reset();
  EXPECT_EQ(alive, 0);
}

TEST(UnitApplicationTest, AnApplicationThatIsNotMadeIsAnError) {
  const auto balancer =
      Balancer::Create({.model = MakeModel(1),
                        .log = [](const LogRecord&) {},
                        .application = [](int) { return nullptr; }});
  EXPECT_TRUE(absl::IsInvalidArgument(balancer.status()));
  EXPECT_THAT(balancer.status().message(), HasSubstr("application"));
}

}  // namespace
}  // namespace ballast::run
