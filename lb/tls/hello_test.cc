// Expected values: what the captured program was told to do
// (testdata/make_hellos.py), and `xxd` of what it sent.
#include "lb/tls/hello.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ballast::tls {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Capture(const std::string& name) {
  std::ifstream file("lb/tls/testdata/hello_" + name + ".bin",
                     std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

ClientHello Client(const std::string& name) {
  ClientHelloReader reader;
  EXPECT_EQ(reader.Push(Capture(name)), HelloState::kDone)
      << name << " " << HelloErrorName(reader.error());
  return reader.hello();
}
ServerHello Server(const std::string& name) {
  ServerHelloReader reader;
  EXPECT_EQ(reader.Push(Capture(name)), HelloState::kDone)
      << name << " " << HelloErrorName(reader.error());
  return reader.hello();
}

HelloError ErrorOf(const Bytes& bytes) {
  ClientHelloReader reader;
  return reader.Push(bytes) == HelloState::kRefused ? reader.error()
                                                    : HelloError::kNone;
}

// -- Real ones ----------------------------------------------------------------

TEST(HelloTest, OpensslOffersBothVersions) {
  const ClientHello hello = Client("client_tls13");
  EXPECT_EQ(hello.server_name, "one.test");  // It said One.Test.
  EXPECT_EQ(hello.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(hello.versions,
            (std::vector<uint16_t>{0x0304, 0x0303, 0x0302, 0x0301}));
  EXPECT_EQ(hello.version(), kTls13);
  EXPECT_EQ(hello.session_id.size, 32);  // For middle boxes' sake.
  EXPECT_FALSE(hello.has_ticket);
}

TEST(HelloTest, OpensslOffersOnlyTls12) {
  const ClientHello hello = Client("client_tls12");
  EXPECT_EQ(hello.server_name, "one.test");
  EXPECT_TRUE(hello.alpn.empty());
  EXPECT_EQ(hello.version(), kTls12);
  EXPECT_EQ(hello.session_id.size, 0);
  EXPECT_FALSE(hello.has_ticket);
}

TEST(HelloTest, NoNameIsEmpty) {
  EXPECT_EQ(Client("client_no_name").server_name, "");
}

TEST(HelloTest, CurlNamesTheHost) {
  const ClientHello hello = Client("client_curl");
  EXPECT_EQ(hello.server_name, "www.one.test");
  EXPECT_EQ(hello.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(hello.version(), kTls13);
}

// What persistence by session ID stands on.
TEST(HelloTest, TheIdASessionIsResumedByIsTheOneTheServerGave) {
  const ServerHello first = Server("server_session_id");
  const ClientHello again = Client("client_session_id");
  const ServerHello second = Server("server_session_id_resumed");
  EXPECT_EQ(first.version, kTls12);
  ASSERT_EQ(first.session_id.size, 32);
  EXPECT_EQ(first.session_id.bytes[0], 0xa9);
  EXPECT_EQ(first.session_id.bytes[31], 0xe3);
  EXPECT_EQ(again.session_id, first.session_id);
  EXPECT_EQ(second.session_id, first.session_id);
  EXPECT_FALSE(first.gives_ticket);
  EXPECT_FALSE(again.has_ticket);
}

TEST(HelloTest, ATicketStandsInForTheId) {
  const ServerHello first = Server("server_ticket");
  EXPECT_TRUE(first.gives_ticket);
  EXPECT_EQ(first.session_id.size, 0);
  const ClientHello again = Client("client_ticket");
  EXPECT_TRUE(again.has_ticket);
  EXPECT_EQ(again.session_id.size, 32);
  EXPECT_FALSE(Server("server_ticket_resumed").gives_ticket);
}

TEST(HelloTest, WithTls13TheServerReturnsWhateverIdItGot) {
  const ClientHello client = Client("client_psk");
  const ServerHello server = Server("server_tls13_resumed");
  EXPECT_EQ(client.version(), kTls13);
  EXPECT_EQ(server.version, kTls13);
  EXPECT_EQ(server.session_id, client.session_id);
  EXPECT_FALSE(server.session_id == Server("server_tls13").session_id);
}

// -- In pieces ----------------------------------------------------------------

TEST(HelloTest, ComesByteByByte) {
  const Bytes bytes = Capture("client_tls13");
  ClientHelloReader reader;
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    ASSERT_EQ(reader.Push({&bytes[i], 1}), HelloState::kMore) << i;
  }
  EXPECT_EQ(reader.Push({&bytes.back(), 1}), HelloState::kDone);
  EXPECT_EQ(reader.hello().server_name, "one.test");
  // What follows is not looked at.
  EXPECT_EQ(reader.Push(Bytes{1, 2, 3}), HelloState::kDone);
}

// RFC 8446 §5.1: a message may be split over records as one likes.
TEST(HelloTest, ComesInRecordsOfAnySize) {
  const Bytes whole = Capture("client_curl");
  for (const size_t size : {1, 2, 3, 4, 5, 17, 100}) {
    Bytes bytes;
    for (size_t at = 5; at < whole.size(); at += size) {
      const size_t length = std::min(size, whole.size() - at);
      bytes.insert(bytes.end(), {22, 3, 1, 0, static_cast<uint8_t>(length)});
      bytes.insert(bytes.end(), whole.begin() + at,
                   whole.begin() + at + length);
    }
    ClientHelloReader reader;
    ASSERT_EQ(reader.Push(bytes), HelloState::kDone) << size;
    EXPECT_EQ(reader.hello().server_name, "www.one.test");
  }
}

// -- Refused ------------------------------------------------------------------

TEST(HelloTest, WhatIsNoTlsIsToldByItsFirstBytes) {
  EXPECT_EQ(ErrorOf({'G'}), HelloError::kNotTls);
  EXPECT_EQ(ErrorOf({0x80}), HelloError::kNotTls);  // SSL 2.
  EXPECT_EQ(ErrorOf({22, 2, 0, 0, 1}), HelloError::kNotTls);
  EXPECT_EQ(ErrorOf({22, 3, 1, 0, 0}), HelloError::kNotTls);
  EXPECT_EQ(ErrorOf({22, 3, 1, 0x40, 1}), HelloError::kNotTls);  // 16385.
  EXPECT_EQ(ErrorOf({22, 3, 1, 0x40}), HelloError::kNone);
}

TEST(HelloTest, AnotherMessageIsNoHello) {
  EXPECT_EQ(ErrorOf({21, 3, 3, 0, 2, 2, 40}), HelloError::kNotHello);
  EXPECT_EQ(ErrorOf(Capture("server_tls13")), HelloError::kNotHello);
  ServerHelloReader server;
  EXPECT_EQ(server.Push(Capture("client_tls13")), HelloState::kRefused);
  EXPECT_EQ(server.error(), HelloError::kNotHello);
}

TEST(HelloTest, TheBoundHolds) {
  const Bytes bytes = Capture("client_tls12");
  const size_t size = bytes.size() - 5 - 4;
  ClientHelloReader exact(size);
  EXPECT_EQ(exact.Push(bytes), HelloState::kDone);
  ClientHelloReader less(size - 1);
  EXPECT_EQ(less.Push(bytes), HelloState::kRefused);
  EXPECT_EQ(less.error(), HelloError::kTooLong);
}

// Each length in turn, one too many or too few, never goes unnoticed.
TEST(HelloTest, LengthsMustFit) {
  const Bytes good = Capture("client_tls12");
  const auto changed = [&](size_t at, int by) {
    Bytes bytes = good;
    bytes[at] = static_cast<uint8_t>(bytes[at] + by);
    return ErrorOf(bytes);
  };
  // The last four: of all extensions, of the name's, of its list, of itself.
  constexpr size_t kSessionIdLength = 5 + 4 + 2 + 32;
  constexpr size_t kCiphers = kSessionIdLength + 1;
  for (const size_t at : {kSessionIdLength, kCiphers + 1, size_t{0x69},
                          size_t{0x6d}, size_t{0x6f}, size_t{0x72}}) {
    EXPECT_NE(changed(at, 1), HelloError::kNone) << at;
    if (good[at] == 0) continue;
    EXPECT_NE(changed(at, -1), HelloError::kNone) << at;
  }
  Bytes id = good;
  id[kSessionIdLength] = 33;
  EXPECT_EQ(ErrorOf(id), HelloError::kMalformed);
}

// (g++ 12 warns of a vector's insert() where there is nothing to warn of.)
Bytes operator+(Bytes a, const Bytes& b) {
  for (const uint8_t byte : b) a.push_back(byte);
  return a;
}

// A hello made by hand.
Bytes With(const Bytes& extensions) {
  const auto size = static_cast<uint8_t>(extensions.size());
  const Bytes body = Bytes{3, 3} + Bytes(32) +
                     Bytes{0, 0, 2, 0x13, 1, 1, 0, 0, size} + extensions;
  const auto body_size = static_cast<uint8_t>(body.size());
  return Bytes{22, 3, 1, 0, static_cast<uint8_t>(body_size + 4)} +
         Bytes{1, 0, 0, body_size} + body;
}
Bytes Named(const std::string& name, uint8_t type = 0) {
  const auto size = static_cast<uint8_t>(name.size());
  return Bytes{0,    0,
               0,    static_cast<uint8_t>(size + 5),
               0,    static_cast<uint8_t>(size + 3),
               type, 0,
               size} +
         Bytes(name.begin(), name.end());
}

TEST(HelloTest, NamesAreThoseOfHosts) {
  EXPECT_EQ(ErrorOf(With(Named("a-b_c.example"))), HelloError::kNone);
  for (const std::string& name :
       {std::string(), std::string("a\0b", 3), std::string("a b"),
        std::string("a/b"), std::string("\xc3\xa9.test")}) {
    EXPECT_EQ(ErrorOf(With(Named(name))), HelloError::kServerName) << name;
  }
  EXPECT_EQ(ErrorOf(With(Named("a.test", 1))), HelloError::kServerName);
}

// RFC 8446 §4.2.
TEST(HelloTest, NothingComesTwice) {
  EXPECT_EQ(ErrorOf(With(Named("a.test") + Named("b.test"))),
            HelloError::kMalformed);
  EXPECT_EQ(ErrorOf(With({0, 35, 0, 0, 0, 35, 0, 0})), HelloError::kMalformed);
  // GREASE, RFC 8701, is for such as us to ignore.
  EXPECT_EQ(ErrorOf(With({0x0a, 0x0a, 0, 0, 0x1a, 0x1a, 0, 1, 0})),
            HelloError::kNone);
}

TEST(HelloTest, EmptyListsAreMalformed) {
  EXPECT_EQ(ErrorOf(With({0, 16, 0, 2, 0, 0})), HelloError::kMalformed);
  EXPECT_EQ(ErrorOf(With({0, 16, 0, 3, 0, 1, 0})), HelloError::kMalformed);
  EXPECT_EQ(ErrorOf(With({0, 43, 0, 1, 0})), HelloError::kMalformed);
  EXPECT_EQ(ErrorOf(With({0, 43, 0, 2, 1, 3})), HelloError::kMalformed);
  EXPECT_EQ(ErrorOf(With({0, 0, 0, 2, 0, 0})), HelloError::kMalformed);
}

TEST(HelloTest, UnknownVersionsAreNoVersion) {
  ClientHelloReader reader;
  ASSERT_EQ(reader.Push(With({0, 43, 0, 5, 4, 0x7a, 0x7a, 3, 3})),
            HelloState::kDone);
  EXPECT_EQ(reader.hello().versions, (std::vector<uint16_t>{0x7a7a, 0x0303}));
  EXPECT_EQ(reader.hello().version(), kTls12);
}

}  // namespace
}  // namespace ballast::tls
