// Properties: whatever the order, a reply that is JSON comes out; and unless it
// is 200 the configuration is as it was.
#include <google/protobuf/util/json_util.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "io/base/check.h"
#include "lb/admin/example_backend.h"
#include "lb/admin/v1.h"
#include "lb/admin/v1.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::admin;  // NOLINT: as if in it.
  ExampleBackend backend(R"(
      interfaces { name: "lan0" }
      virtual_services { address: "192.0.2.10" port: 80
        real_servers { address: "192.0.2.21" } })");
  const std::string before = backend.configuration().SerializeAsString();
  const V1Reply reply = AnswerV1(
      absl::UnixEpoch(),
      {.post = true,
       .path = "/v1/server",
       .body = absl::string_view(reinterpret_cast<const char*>(data), size),
       .content_type = "application/json",
       .ballast_request = "1",
       .role = ballast::config::proto::User::OPERATOR},
      &backend);
  const bool done = reply.status == 200;
  BALLAST_CHECK(done || (reply.status >= 400 && reply.status < 500));
  BALLAST_CHECK(done || backend.configuration().SerializeAsString() == before);
  proto::Error error;
  BALLAST_CHECK(
      google::protobuf::util::JsonStringToMessage(reply.json, &error).ok());
  BALLAST_CHECK(done == error.error().empty());
  return 0;
}
