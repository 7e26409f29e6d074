#include "lb/tls/ticket_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace ballast::tls {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr std::array<uint8_t, 12> kNonce = {1, 2, 3};
const Bytes kSession = {'s', 'e', 's', 's', 'i', 'o', 'n'};

TicketKey Key(uint8_t first) {
  std::array<uint8_t, 32> secret{};
  secret[0] = first;
  return MakeTicketKey(secret);
}
Bytes Seal(const TicketKey& key, absl::string_view host) {
  Bytes ticket(kSession.size() + kTicketOverhead);
  EXPECT_TRUE(SealTicket(key, host, kNonce, kSession, ticket));
  return ticket;
}
std::optional<Bytes> Open(const std::vector<TicketKey>& keys,
                          absl::string_view host, const Bytes& ticket) {
  Bytes out(ticket.size());
  const auto size = OpenTicket(keys, host, ticket, out);
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

TEST(TicketKeysTest, AnyOfTheKeysOpens) {
  const Bytes ticket = Seal(Key(1), "one.test");
  EXPECT_EQ(Open({Key(1)}, "one.test", ticket), kSession);
  EXPECT_EQ(Open({Key(2), Key(1)}, "one.test", ticket), kSession);
  EXPECT_EQ(Open({Key(2)}, "one.test", ticket), std::nullopt);
  EXPECT_EQ(Open({}, "one.test", ticket), std::nullopt);
}

TEST(TicketKeysTest, ItIsForOneHost) {
  const Bytes ticket = Seal(Key(1), "one.test");
  EXPECT_EQ(Open({Key(1)}, "two.test", ticket), std::nullopt);
  EXPECT_EQ(Open({Key(1)}, "", ticket), std::nullopt);
}

TEST(TicketKeysTest, NoBitMayChangeNorAnyBeMissing) {
  const Bytes ticket = Seal(Key(1), "one.test");
  for (size_t i = 0; i < ticket.size() * 8; ++i) {
    Bytes changed = ticket;
    changed[i / 8] ^= static_cast<uint8_t>(1 << i % 8);
    EXPECT_EQ(Open({Key(1)}, "one.test", changed), std::nullopt) << i;
  }
  for (size_t size = 0; size < ticket.size(); ++size) {
    EXPECT_EQ(Open({Key(1)}, "one.test",
                   Bytes(ticket.begin(), ticket.begin() + size)),
              std::nullopt)
        << size;
  }
}

TEST(TicketKeysTest, WorksInPlace) {
  Bytes buffer = kSession;
  buffer.resize(kSession.size() + kTicketOverhead);
  ASSERT_TRUE(SealTicket(Key(1), "h", kNonce,
                         std::span(buffer).first(kSession.size()), buffer));
  EXPECT_EQ(buffer, Seal(Key(1), "h"));
  const auto size = OpenTicket(std::vector{Key(1)}, "h", buffer, buffer);
  ASSERT_EQ(size, kSession.size());
  EXPECT_TRUE(std::equal(kSession.begin(), kSession.end(), buffer.begin()));
}

TEST(TicketKeysTest, TooLittleRoomIsSaid) {
  Bytes ticket(kSession.size() + kTicketOverhead - 1);
  EXPECT_FALSE(SealTicket(Key(1), "h", kNonce, kSession, ticket));
}

// HKDF-SHA256 of 32 zeros, no salt, by Python's hmac.
TEST(TicketKeysTest, BothPartsComeOfTheSecret) {
  const TicketKey key = MakeTicketKey(std::array<uint8_t, 32>{});
  const auto hex = [](std::span<const uint8_t> bytes) {
    return absl::BytesToHexString(absl::string_view(
        reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  };
  EXPECT_EQ(hex(key.name), "835f2049e0c78e8bba3c5fa768f80c18");
  EXPECT_EQ(hex(key.key),
            "a954c8c1f0bdf3eae66855d18b2ae00be27f80f97d362a8ba2e1cc4466f1bd23");
}

}  // namespace
}  // namespace ballast::tls
