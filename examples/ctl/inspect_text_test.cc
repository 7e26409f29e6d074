#include "examples/ctl/inspect_text.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace ballast::ctl {
namespace {

TEST(InspectTextTest, Connections) {
  admin::proto::Connections connections;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(connections { client: "198.51.100.7:4000"
           destination: "192.0.2.10:80" server: "192.0.2.21:80"
           state: "ESTABLISHED" idle_seconds: 12 service: "192.0.2.10:80/tcp" }
         connections { client: "198.51.100.8:4000"
           destination: "192.0.2.10:80" state: "wait\ning"
           service: "192.0.2.10:80/tcp" }
         more: true)",
      &connections));
  EXPECT_EQ(ConnectionsText(connections),
            "CLIENT             DESTINATION    SERVER         STATE        IDLE"
            "  SERVICE\n"
            "198.51.100.7:4000  192.0.2.10:80  192.0.2.21:80  ESTABLISHED   12s"
            "  192.0.2.10:80/tcp\n"
            "198.51.100.8:4000  192.0.2.10:80  -              wait?ing       0s"
            "  192.0.2.10:80/tcp\n"
            "there are more\n");
}

TEST(InspectTextTest, PersistenceEntries) {
  admin::proto::PersistenceEntries entries;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(entries { service: "192.0.2.10:80/tcp" mode: "src"
                   key: "198.51.100.7" server: "192.0.2.21:80"
                   expires_in: 299 })",
      &entries));
  EXPECT_EQ(PersistenceText(entries),
            "SERVICE            MODE  KEY           SERVER         EXPIRES\n"
            "192.0.2.10:80/tcp  src   198.51.100.7  192.0.2.21:80     299s\n");
}

TEST(InspectTextTest, AnExplanation) {
  admin::proto::Explanation explanation;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(service: "192.0.2.10:80/tcp" schedule: "SH" server: "192.0.2.21:80"
         reason: "persistence" steps: "one" steps: "two")",
      &explanation));
  EXPECT_EQ(ExplanationText(explanation),
            "192.0.2.21:80: persistence\n"
            "service 192.0.2.10:80/tcp, schedule SH\n"
            "  one\n"
            "  two\n");
  explanation.Clear();
  explanation.set_reason("no_service");
  EXPECT_EQ(ExplanationText(explanation), "refused: no_service\n");
}

}  // namespace
}  // namespace ballast::ctl
