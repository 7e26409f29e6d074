#include "lb/health/stream_check.h"

#include <gtest/gtest.h>

#include <memory>

namespace ballast::health {
namespace {

using config::CheckType;
using config::HealthCheck;
using State = Dialogue::State;

std::unique_ptr<Dialogue> Open(const HealthCheck& check, uint16_t port = 1) {
  const auto made = StreamCheck::Create(check, port);
  return made == nullptr ? nullptr : made->NewDialogue();
}

TEST(StreamCheckTest, WhatIsNoDialogueOverTcpHasNone) {
  for (const CheckType type :
       {CheckType::kNone, CheckType::kTcp, CheckType::kIcmp, CheckType::kDns}) {
    EXPECT_EQ(StreamCheck::Create({.type = type}, 53), nullptr);
  }
}

// As the protocols' RFCs have a server greet (greeting.h).
TEST(StreamCheckTest, EachTypeHasItsOwn) {
  struct Greeting {
    CheckType type;
    const char* good;
  };
  for (const auto& [type, good] :
       {Greeting{CheckType::kSmtp, "220 a ESMTP\r\n"},
        Greeting{CheckType::kFtp, "220-hello\r\n"},
        Greeting{CheckType::kNntp, "201 no posting\r\n"},
        Greeting{CheckType::kPop3, "+OK ready\r\n"},
        Greeting{CheckType::kImap, "* OK IMAP4rev1\r\n"},
        Greeting{CheckType::kTelnet, "\xff\xfd\x18"}}) {
    EXPECT_EQ(Open({.type = type})->OnBytes(good).state, State::kUp) << good;
    EXPECT_EQ(Open({.type = type})->OnBytes("HTTP/1.0 200 OK\r\n").state,
              State::kDown)
        << good;
  }
  // X.224 connection confirm; LDAP bind response with result 0.
  EXPECT_EQ(Open({.type = CheckType::kRdp})
                ->OnBytes({"\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00", 11})
                .state,
            State::kUp);
  EXPECT_EQ(Open({.type = CheckType::kLdap})
                ->OnBytes({"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00"
                           "\x04\x00",
                           14})
                .state,
            State::kUp);
}

TEST(StreamCheckTest, HttpAndBinarySayWhatIsConfigured) {
  HealthCheck check{.type = CheckType::kHttps, .url = "/ready?x=1"};
  check.method = config::CheckMethod::kPost;
  check.http11 = true;
  check.host = "www.example:8443";
  check.headers = {{"X-Check", "yes"}};
  check.post_data = "body";
  check.codes = {404};
  EXPECT_EQ(Open(check)->OnOpen().send,
            "POST /ready?x=1 HTTP/1.1\r\nHost: www.example:8443\r\n"
            "Connection: close\r\nX-Check: yes\r\nContent-Length: 4\r\n\r\n"
            "body");
  EXPECT_EQ(Open(check)->OnBytes("HTTP/1.1 404 No\r\n\r\n").state, State::kUp);
  EXPECT_EQ(Open(check)->OnBytes("HTTP/1.1 301 No\r\n\r\n").why,
            "HTTP status 301");

  HealthCheck binary{.type = CheckType::kBinary, .url = "ab"};
  binary.pattern = "cd";
  binary.match_length = 3;
  EXPECT_EQ(Open(binary)->OnOpen().send, "ab");
  EXPECT_EQ(Open(binary)->OnBytes("xcd").state, State::kUp);
  EXPECT_EQ(Open(binary)->OnBytes("xxcd").state, State::kDown);
}

TEST(StreamCheckTest, TlsForHttpsAndForLdapOnItsPort) {
  const auto tls = [](CheckType type, uint16_t port) {
    return StreamCheck::Create({.type = type, .url = "/"}, port)->tls();
  };
  EXPECT_TRUE(tls(CheckType::kHttps, 80));
  EXPECT_FALSE(tls(CheckType::kHttp, 443));
  EXPECT_TRUE(tls(CheckType::kLdap, 636));
  EXPECT_FALSE(tls(CheckType::kLdap, 389));
}

// RFC 6066 §3: a name is asked for, never an address, never a port.
TEST(StreamCheckTest, NameAskedForInTls) {
  const auto name = [](const char* host) {
    HealthCheck check{.type = CheckType::kHttps, .url = "/"};
    check.host = host;
    return StreamCheck::Create(check, 443)->server_name();
  };
  EXPECT_EQ(name("www.example"), "www.example");
  EXPECT_EQ(name("www.example:8443"), "www.example");
  EXPECT_EQ(name("192.0.2.1"), "");
  EXPECT_EQ(name("[2001:db8::1]:443"), "");
  EXPECT_EQ(name(""), "");
}

}  // namespace
}  // namespace ballast::health
