// Properties: whatever the order, to whatever path, a reply that is JSON comes
// out; unless it is 200 it is an error, and the configuration is as it was.
#include <google/protobuf/util/json_util.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
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
      certificates { name: "one" chain: "x" key: "x" }
      virtual_services { address: "192.0.2.10" port: 80
        real_servers { address: "192.0.2.21" } })");
  const std::string before = backend.configuration().SerializeAsString();
  // The first digit is the path's; an order begins with a brace: a server's.
  constexpr absl::string_view kPaths[] = {"/v1/server",
                                          "/v1/connections",
                                          "/v1/explain",
                                          "/v1/certificates",
                                          "/v1/delete-certificate",
                                          "/v1/persistence",
                                          "/v1/persistence/delete"};
  absl::string_view body(reinterpret_cast<const char*>(data), size);
  size_t path = 0;
  if (!body.empty() && body[0] != '{') {
    path = static_cast<uint8_t>(body[0] - '0') % std::size(kPaths);
    body.remove_prefix(1);
  }
  const V1Reply reply = AnswerV1(absl::UnixEpoch(),
                                 {.post = true,
                                  .path = kPaths[path],
                                  .body = body,
                                  .content_type = "application/json",
                                  .ballast_request = "1",
                                  .role = ballast::config::proto::User::ADMIN},
                                 &backend);
  const bool done = reply.status == 200;
  BALLAST_CHECK(done || (reply.status >= 400 && reply.status < 500));
  BALLAST_CHECK(done || backend.configuration().SerializeAsString() == before);
  proto::Error error;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = done;
  BALLAST_CHECK(
      google::protobuf::util::JsonStringToMessage(reply.json, &error, options)
          .ok());
  BALLAST_CHECK(done == error.error().empty());
  return 0;
}
