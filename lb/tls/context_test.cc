#include "lb/tls/context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "io/base/status_matchers.h"
#include "lb/tls/tls_testing.h"

namespace ballast::tls {
namespace {

using ::testing::HasSubstr;

ServerOptions Good() { return {.certificates = {TestCertificate("one")}}; }

// "FIELD: ..." of what is refused.
std::string Refusal(const ServerOptions& options) {
  const auto made = ServerContext::Create(options);
  if (made.ok()) return "taken";
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(made.status().message());
}
std::string Refusal(const ClientOptions& options) {
  const auto made = ClientContext::Create(options);
  return made.ok() ? "taken" : std::string(made.status().message());
}

TEST(ServerContextTest, GoodOnesAreTaken) {
  EXPECT_EQ(Refusal(Good()), "taken");
  for (const char* name : {"wild", "deep", "expired", "address"}) {
    EXPECT_EQ(Refusal(ServerOptions{.certificates = {TestCertificate(name)}}),
              "taken")
        << name;
  }
}

TEST(ServerContextTest, ErrorsNameTheCertificatesField) {
  ServerOptions options;
  EXPECT_EQ(Refusal(options), "certificates: 0, must be 1 .. 256");
  const auto second = [](Certificate certificate) {
    ServerOptions options = Good();
    options.certificates.push_back(std::move(certificate));
    return Refusal(options);
  };
  Certificate one = TestCertificate("one");
  one.chain = "";
  EXPECT_EQ(second(one), "certificates[1].chain: no certificate in it");
  one.chain = TestFile("one.key.pem");
  EXPECT_EQ(second(one), "certificates[1].chain: no certificate in it");
  one.chain = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(second(one),
            "certificates[1].chain: certificate 1 cannot be decoded");
  one.chain = "-----BEGIN CERTIFICATE-----\n";
  EXPECT_EQ(second(one), "certificates[1].chain: block 1 is no proper PEM");
  one.chain.clear();
  for (int i = 0; i < 17; ++i) one.chain += TestFile("one.pem");
  EXPECT_EQ(second(one), "certificates[1].chain: more than 16 certificates");
  one = TestCertificate("one");
  one.key = TestFile("one.pem");
  EXPECT_EQ(second(one), "certificates[1].key: no private key in it");
  one.key = TestFile("encrypted.key.pem");
  EXPECT_EQ(second(one), "certificates[1].key: the key is encrypted");
  one.key = TestFile("wild.key.pem");
  EXPECT_EQ(second(one),
            "certificates[1].key: does not belong to the chain's first "
            "certificate");
  EXPECT_EQ(second(TestCertificate("weak")),
            "certificates[1].key: RSA of 1024 bits, at least 2048");
  one = TestCertificate("one");
  one.ocsp = TestFile("ca.pem");
  EXPECT_THAT(second(one), HasSubstr("certificates[1].ocsp: no successful"));
  one.ocsp = std::string("\x30\x03\x0a\x01\x03", 5);  // tryLater.
  EXPECT_THAT(second(one), HasSubstr("certificates[1].ocsp: no successful"));
}

TEST(ServerContextTest, ErrorsNameTheOtherFields) {
  ServerOptions options = Good();
  options.version_max = Version::kTls12;
  EXPECT_EQ(Refusal(options), "taken");
  options.version_min = Version::kTls13;
  EXPECT_THAT(Refusal(options), HasSubstr("version_max:"));
  options = Good();
  options.version_min = static_cast<Version>(0x0301);
  EXPECT_THAT(Refusal(options), HasSubstr("version_min:"));
  options = Good();
  options.alpn = {"h2", ""};
  EXPECT_EQ(Refusal(options), "alpn[1]: 0 bytes, must be 1 .. 255");
  options.alpn = std::vector<std::string>(17, "a");
  EXPECT_EQ(Refusal(options), "alpn: 17 names, at most 16");
  options = Good();
  options.client_certificates = ClientCertificates::kAsked;
  EXPECT_EQ(Refusal(options), "client_ca: no certificate in it");
  options = Good();
  options.ticket_keys.resize(2);
  EXPECT_EQ(Refusal(options), "ticket_keys[1].name: is that of ticket_keys[0]");
  options.ticket_keys.resize(9);
  EXPECT_EQ(Refusal(options), "ticket_keys: 9 keys, at most 8");
  options = Good();
  options.ticket_lifetime = absl::Seconds(59);
  EXPECT_EQ(Refusal(options), "ticket_lifetime: 59s, must be 1m .. 168h");
}

TEST(ServerContextTest, CertificatesAreFoundByTheirNames) {
  ServerOptions options;
  for (const char* name : {"one", "wild", "plain_name"}) {
    options.certificates.push_back(TestCertificate(name));
  }
  const auto context = MakeServer(options);
  EXPECT_EQ(context->CertificateFor("one.test"), 0u);
  EXPECT_EQ(context->CertificateFor("www.one.test"), 0u);
  EXPECT_EQ(context->CertificateFor("a.wild.test"), 1u);
  EXPECT_EQ(context->CertificateFor("wild.test"), 1u);
  EXPECT_EQ(context->CertificateFor("a.b.wild.test"), 0u);
  EXPECT_EQ(context->CertificateFor("plain.test"), 2u);
  EXPECT_EQ(context->CertificateFor("unknown.test"), 0u);
}

TEST(ClientContextTest, ErrorsNameTheField) {
  EXPECT_EQ(Refusal(ClientOptions{}), "ca: no certificate in it");
  EXPECT_EQ(Refusal(ClientOptions{.verify = false}), "taken");
  ClientOptions options{.ca = TestFile("ca.pem")};
  EXPECT_EQ(Refusal(options), "taken");
  options.certificate = TestCertificate("client");
  EXPECT_EQ(Refusal(options), "taken");
  options.certificate.key = TestFile("one.key.pem");
  EXPECT_THAT(Refusal(options), HasSubstr("certificate.key: does not belong"));
}

}  // namespace
}  // namespace ballast::tls
