// A site with a unit behind it and somebody who asks: what the tests of the API
// have in common.
#ifndef LB_ADMIN_RIG_H_
#define LB_ADMIN_RIG_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lb/admin/fake_backend.h"
#include "lb/admin/password.h"
#include "lb/admin/site.h"

namespace ballast::admin {

// User "bal", password "correct horse". Python: hashlib.scrypt(password,
// salt=b"saltsaltsaltsalt", n=1024, r=8, p=1, dklen=32).
inline constexpr char kBalHash[] =
    "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
    "A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI";

class Rig {
 public:
  // `text` beside the users and an interface.
  explicit Rig(absl::string_view text = "",
               absl::string_view management = "enable_api: true")
      : backend(absl::StrCat(
            "interfaces { name: \"eth0\" } state_dir: \"/s\" ", text,
            " management { ", management,
            " users { name: \"bal\" role: ADMIN password_hash: \"", kBalHash,
            "\" } users { name: \"op\" role: OPERATOR password_hash: \"",
            kBalHash, "\" } users { name: \"eye\" password_hash: \"", kBalHash,
            "\" } }")),
        site(&backend, SipKey{1, 2},
             {.start = absl::FromUnixSeconds(1600000000),
              .random = [](std::span<uint8_t> bytes) {
                for (size_t i = 0; i < bytes.size(); ++i) {
                  bytes[i] =
                      static_cast<uint8_t>(++next_random * 2654435761u >> 24);
                }
              }}) {}

  Reply Ask(const Request& request) {
    auto outcome = site.Handle(now, request);
    if (auto* reply = std::get_if<Reply>(&outcome)) return *reply;
    const auto& check = std::get<PasswordCheck>(outcome);
    ++verified;
    return site.Resume(now, request, check,
                       VerifyPassword(check.password, check.hash));
  }
  // "showvs?vs=1"
  Request V1(absl::string_view call) const {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(call, absl::MaxSplits('?', 1));
    return {.path = absl::StrCat("/access/", parts.first),
            .query = parts.second,
            .authorization =
                user.empty()
                    ? ""
                    : absl::StrCat("Basic ", absl::Base64Escape(absl::StrCat(
                                                 user, ":", password))),
            .peer = peer};
  }
  Reply Get(absl::string_view call) { return Ask(V1(call)); }
  Reply Post(absl::string_view json) {
    return Ask({.method = Method::kPost,
                .path = "/accessv2",
                .body = std::string(json),
                .peer = peer});
  }
  // What an element of a v1 reply holds, the first of that name.
  static std::string Element(const Reply& reply, absl::string_view name) {
    const std::string open = absl::StrCat("<", name, ">");
    const size_t at = reply.body.find(open);
    if (at == std::string::npos) return "(none)";
    const size_t from = at + open.size();
    return reply.body.substr(
        from, reply.body.find(absl::StrCat("</", name, ">"), from) - from);
  }
  std::string Value(absl::string_view call, absl::string_view name) {
    const Reply reply = Get(call);
    EXPECT_EQ(reply.status, 200) << call << ": " << reply.body;
    return Element(reply, name);
  }
  // Status and error text, "422 Unknown VS"; "200".
  std::string Outcome(absl::string_view call) {
    const Reply reply = Get(call);
    return reply.status == 200
               ? "200"
               : absl::StrCat(reply.status, " ", Element(reply, "Error"));
  }

  static inline uint32_t next_random = 0;

  FakeBackend backend;
  Site site;
  absl::Time now = absl::FromUnixSeconds(1700000000);
  Address peer = Address::V4(0xc0000207);
  std::string user = "bal";
  std::string password = "correct horse";
  int verified = 0;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_RIG_H_
