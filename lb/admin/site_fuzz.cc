// Whatever is asked, by whoever may do everything: an answer that is well
// formed.
// Input: the first byte chooses v1, v1 as a form, or v2; the rest is the call.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "io/base/check.h"
#include "lb/admin/fake_backend.h"
#include "lb/admin/password.h"
#include "lb/admin/site.h"
#include "lb/config/validate.h"

namespace ballast::admin {
namespace {

config::proto::Config Config() {
  constexpr char kText[] = R"pb(
    interfaces { name: "eth0" }
    virtual_services {
      address: "192.0.2.1"
      port: 80
      l7 {}
      real_servers { address: "192.0.2.21" }
    }
    virtual_services {
      address: "192.0.2.1"
      port: 81
      l7 {
        sub_services {
          name: "s"
          real_servers { address: "192.0.2.21" }
        }
      }
    }
    virtual_services { address: "192.0.2.1" port: 53 protocol: UDP }
    management {
      enable_api: true
      users {
        name: "bal"
        role: ADMIN
        api_keys { id: "ba7816bf" sha256: "HASH" }
      }
    }
  )pb";
  const FakeBackend backend(
      absl::StrReplaceAll(kText, {{"HASH", Sha256Hex("abc")}}));
  BALLAST_CHECK(config::Validate(backend.configuration(), 1).model != nullptr);
  return backend.configuration();
}

}  // namespace
}  // namespace ballast::admin

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;         // NOLINT
  using namespace ballast::admin;  // NOLINT
  if (size < 1 || size > 4096) return 0;
#ifndef BALLAST_LIBFUZZER
  // A call takes a fifth of a millisecond: as a test, one input of four.
  static int count = 0;
  if (++count % 4 != 0 && count > 8) return 0;
#endif
  const std::string call(reinterpret_cast<const char*>(data + 1), size - 1);
  static const config::proto::Config* const config =
      new config::proto::Config(Config());
  FakeBackend backend(*config);
  Site site(&backend, SipKey{}, {.random = [](std::span<uint8_t> bytes) {
    std::fill(bytes.begin(), bytes.end(), 7);
  }});
  Request request;
  if (data[0] % 3 == 2) {
    request.method = Method::kPost;
    request.path = "/accessv2";
    request.body = call;
  } else {
    const size_t question = call.find('?');
    request.path = absl::StrCat("/access/", call.substr(0, question));
    request.query = "apikey=abc";
    const std::string rest =
        question == std::string::npos ? "" : call.substr(question + 1);
    if (data[0] % 3 == 0) {
      absl::StrAppend(&request.query, "&", rest);
    } else {
      request.method = Method::kPost;
      request.content_type = "application/x-www-form-urlencoded";
      request.body = rest;
    }
  }
  const auto outcome = site.Handle(absl::UnixEpoch(), request);
  const auto* reply = std::get_if<Reply>(&outcome);
  if (reply == nullptr) return 0;
  BALLAST_CHECK(reply->status >= 200 && reply->status < 500);
  if (reply->content_type == "application/json") {
    google::protobuf::Struct object;
    BALLAST_CHECK(
        google::protobuf::util::JsonStringToMessage(reply->body, &object).ok());
  }
  if (reply->content_type == "text/xml") {
    for (const char c : reply->body) {
      BALLAST_CHECK(c == '\n' || (c >= 0x20 && c < 0x7f));
    }
    BALLAST_CHECK(absl::EndsWith(reply->body, "</Response>\n"));
  }
  BALLAST_CHECK(config::Validate(backend.configuration(), 1).model != nullptr);
  return 0;
}
