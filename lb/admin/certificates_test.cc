// Certificates by both APIs: as acme.sh's deploy hook (v2) and scripts with
// curl (v1) bring them, and as /v1 has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lb/admin/rig.h"
#include "lb/tls/tls_testing.h"

namespace ballast::admin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Pem(const std::string& name) {
  const tls::Certificate one = tls::TestCertificate(name);
  return absl::StrCat(one.chain, one.key);
}

class CertificatesTest : public ::testing::Test {
 protected:
  // curl --data-binary @FILE
  std::string Add(absl::string_view query, const std::string& pem) {
    Request request = rig_.V1(absl::StrCat("addcert?", query));
    request.method = Method::kPost;
    request.content_type = "application/x-www-form-urlencoded";
    request.body = pem;
    const Reply reply = rig_.Ask(request);
    return reply.status == 200
               ? "200"
               : absl::StrCat(reply.status, " ", Rig::Element(reply, "Error"));
  }
  Reply V1(absl::string_view path, const std::string& body = "") {
    Request request = rig_.V1("");
    request.path = absl::StrCat("/v1/", path);
    if (!body.empty()) {
      request.method = Method::kPost;
      request.content_type = "application/json";
      request.ballast_request = "1";
      request.body = body;
    }
    return rig_.Ask(request);
  }
  static std::string Upload(const std::string& name, const std::string& pem,
                            bool replace = false) {
    return absl::StrCat(R"({"name": ")", name, R"(", "replace": )",
                        replace ? "true" : "false", R"(, "pem": ")",
                        absl::StrReplaceAll(pem, {{"\n", "\\n"}}), "\"}");
  }
  const config::proto::Config& config() { return rig_.backend.configuration(); }

  Rig rig_;
};

// deploy/kemplm.sh: listcert, of which it reads .cert[].name with jq; then
// addcert with data in base64 and replace as a number.
TEST_F(CertificatesTest, AcmeShDeploysOne) {
  const std::string key = rig_.Value("addapikey", "apikey");
  const std::string who = absl::StrCat(R"("apikey": ")", key, "\"");
  const auto list = [&] {
    return rig_.Post(absl::StrCat(R"({"cmd": "listcert", )", who, "}")).body;
  };
  EXPECT_THAT(list(), HasSubstr(R"("cert": [])"));
  const auto add = [&](const std::string& name, int replace) {
    return rig_
        .Post(absl::StrCat(R"({"cmd": "addcert", )", who, R"(, "replace": )",
                           replace, R"(, "cert": "one.test", "data": ")",
                           absl::Base64Escape(Pem(name)), "\"}"))
        .body;
  };
  EXPECT_THAT(add("one", 0), HasSubstr(R"("status": "ok")"));
  EXPECT_THAT(list(), HasSubstr(R"("name": "one.test")"));
  EXPECT_THAT(add("one", 0), HasSubstr(R"("status": "fail")"));
  EXPECT_THAT(add("wild", 1), HasSubstr(R"("status": "ok")"));
  ASSERT_EQ(config().certificates_size(), 1);
  const tls::Certificate wild = tls::TestCertificate("wild");
  EXPECT_EQ(config().certificates(0).chain(), wild.chain);
  EXPECT_EQ(config().certificates(0).key(), wild.key);
  // Neither the data nor the key was written down.
  const std::string what = rig_.backend.History()[0].what;
  EXPECT_THAT(what, ::testing::StartsWith("addcert "));
  EXPECT_THAT(what, HasSubstr("cert=one.test"));
  EXPECT_THAT(what, Not(HasSubstr("LS0t")));  // Base64 of "---".
}

TEST_F(CertificatesTest, CurlBringsOneAndAServiceNamesIt) {
  EXPECT_EQ(Add("cert=shop", Pem("one")), "200");
  EXPECT_EQ(Add("cert=api", Pem("wild")), "200");
  EXPECT_EQ(rig_.Value("readcert?cert=shop", "certificate"),
            absl::StrReplaceAll(tls::TestFile("one.pem"), {{"\n", "&#10;"}}));
  ASSERT_EQ(rig_.Outcome("addvs?vs=192.0.2.1&port=443&prot=tcp&"
                         "SSLAcceleration=Y&CertFile=shop"),
            "200");
  const auto tls = [&] {
    return config().virtual_services(0).l7().tls().ShortDebugString();
  };
  EXPECT_EQ(tls(), R"(certificates { name: "shop" })");
  const Reply both = rig_.Get("modvs?vs=1&CertFile=shop+api");
  EXPECT_EQ(Rig::Element(both, "CertFile"), "shop api") << both.body;
  EXPECT_EQ(Rig::Element(both, "SSLAcceleration"), "Y");
  EXPECT_EQ(tls(), R"(certificates { name: "shop" } certificates { name: )"
                   R"("api" })");
  // An echo changes nothing; another letter case is another one.
  const uint64_t generation = rig_.backend.generation();
  EXPECT_EQ(rig_.Outcome("modvs?vs=1&certfile=shop+api&sslacceleration=1"),
            "200");
  EXPECT_EQ(rig_.backend.generation(), generation);
  EXPECT_THAT(rig_.Outcome("modvs?vs=1&CertFile=Shop+api"),
              HasSubstr("is none of certificates"));
  EXPECT_EQ(rig_.Outcome("delcert?cert=shop"),
            "422 the certificate is in use: 192.0.2.1:443/tcp");
  EXPECT_EQ(rig_.Outcome("modvs?vs=1&SSLAcceleration=N&CertFile=shop+api"),
            "200");
  EXPECT_FALSE(config().virtual_services(0).l7().has_tls());
  EXPECT_THAT(rig_.Outcome("modvs?vs=1&SSLAcceleration=Y"),
              HasSubstr("CertFile"));
  EXPECT_EQ(rig_.Outcome("delcert?cert=shop"), "200");
  EXPECT_EQ(rig_.Outcome("delcert?cert=shop"), "422 Unknown certificate");
}

TEST_F(CertificatesTest, WhatIsRefused) {
  const tls::Certificate one = tls::TestCertificate("one");
  EXPECT_EQ(Add("", Pem("one")), "400 cert: String Value missing");
  EXPECT_EQ(Add("cert=a", ""), "400 data: String Value missing");
  EXPECT_EQ(Add("cert=a", one.chain), "422 no private key in it");
  EXPECT_THAT(
      Add("cert=a", absl::StrCat(one.chain, tls::TestFile("wild.key.pem"))),
      HasSubstr("422 "));
  EXPECT_THAT(Add("cert=a/b", Pem("one")), HasSubstr("certificates[0].name"));
  EXPECT_EQ(rig_.Outcome("addcert?cert=a"), "400 data: String Value missing");
  EXPECT_EQ(rig_.Outcome("addcert?cert=a&data=!"),
            "422 data: neither PEM nor base64");
  rig_.user = "op";
  EXPECT_EQ(Add("cert=a", Pem("one")), "403 Permission denied");
  EXPECT_EQ(config().certificates_size(), 0);
}

TEST_F(CertificatesTest, OwnApi) {
  EXPECT_EQ(V1("certificates").body, R"({"certificates":[]})");
  EXPECT_EQ(V1("certificates", Upload("shop", Pem("one"))).status, 200);
  EXPECT_EQ(V1("certificates", Upload("shop", Pem("one"))).status, 409);
  EXPECT_EQ(V1("certificates", Upload("shop", Pem("expired"), true)).status,
            200);
  ASSERT_EQ(rig_.Outcome("addvs?vs=192.0.2.1&port=443&prot=tcp&CertFile=shop"),
            "200");
  const Reply shown = V1("certificates");
  // openssl x509 -noout -subject -issuer -dates -fingerprint -sha256
  EXPECT_EQ(
      shown.body,
      R"({"certificates":[{"name":"shop","services":["192.0.2.1:443/tcp"],)"
      R"("subject":"CN=one.test","issuer":"O=Ballast tests,CN=Test CA",)"
      R"("host_names":["one.test"],"key_type":"EC",)"
      R"("not_before":"2020-01-01T00:00:00+00:00",)"
      R"("not_after":"2021-01-01T00:00:00+00:00","expired":true,"sha256":)"
      R"("5117621d2e95c7b0bbf2ae6124f24fc6ad418d4e2cf4784101e0f4f8d6c3a92c"}]})");
  EXPECT_EQ(V1("delete-certificate", R"({"name": "shop"})").status, 409);
  EXPECT_EQ(V1("delete-certificate", R"({"name": "none"})").status, 404);
  EXPECT_EQ(rig_.Outcome("delvs?vs=1"), "200");
  EXPECT_EQ(V1("delete-certificate", R"({"name": "shop"})").status, 200);
  EXPECT_EQ(rig_.backend.History()[0].what, "delete certificate shop");
  EXPECT_EQ(V1("certificates", Upload("x", "nothing")).status, 422);
  EXPECT_EQ(V1("certificates", Upload("x", std::string(200 << 10, 'x'))).status,
            413);
  rig_.user = "op";
  EXPECT_EQ(V1("certificates", Upload("shop", Pem("one"))).status, 403);
  EXPECT_EQ(V1("certificates").status, 200);
}

}  // namespace
}  // namespace ballast::admin
