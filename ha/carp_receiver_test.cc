#include "ha/carp_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "io/base/bytes.h"
#include "io/base/checksum.h"
#include "io/base/status_matchers.h"

namespace ballast::ha {
namespace {

using Payload = std::vector<uint8_t>;

Address Ip(absl::string_view text) { return *Address::Parse(text); }

CarpKey Key(absl::string_view password = "kemp-secret", uint8_t vhid = 7,
            absl::string_view address = "10.77.0.100") {
  auto key = CarpKey::Create(password, vhid, std::vector{Ip(address)});
  EXPECT_THAT(key, IsOk());
  return *std::move(key);
}

// G2 of ucarp: from 10.77.0.2, base 1, skew 100.
Payload G2() {
  const std::string text = absl::HexStringToBytes(
      "210764070001286dbc1e38a2c055fdaf58778d8abca1b31b6a4049849b693b0ce51edaa"
      "3");
  return {text.begin(), text.end()};
}

CarpPacket FromPeer(std::span<const uint8_t> payload) {
  return {.source = Ip("10.77.0.2"),
          .destination = Ip("224.0.0.18"),
          .ttl = 255,
          .payload = payload};
}

// As somebody would who may write what he likes.
Payload WithGoodChecksum(Payload payload) {
  StoreBig16(payload.data() + 6, 0);
  StoreBig16(payload.data() + 6,
             Checksum(std::span(payload).first(kCarpAdvertSize)));
  return payload;
}

Payload With(Payload payload, size_t at, uint8_t value) {
  payload[at] = value;
  return WithGoodChecksum(std::move(payload));
}

CarpReceiver::Options Pinned() {
  return {.own = {Ip("10.77.0.1")},
          .peer = CarpReceiver::Peer{
              .source = Ip("10.77.0.2"), .advbase = 1, .advskew = 100}};
}

CarpRefusal Receive(CarpReceiver& receiver, const CarpPacket& packet) {
  CarpAdvert advert;
  return receiver.Receive(packet, &advert);
}

TEST(CarpReceiverTest, AnAdvertOfUcarpIsAccepted) {
  CarpReceiver receiver(Key(), {.own = {Ip("10.77.0.1")}});
  const Payload payload = G2();
  CarpAdvert advert;
  EXPECT_EQ(receiver.Receive(FromPeer(payload), &advert), CarpRefusal::kNone);
  EXPECT_EQ(advert.advskew, 100);
  EXPECT_EQ(advert.counter, 0xbc1e38a2c055fdafu);
  EXPECT_EQ(receiver.count(CarpRefusal::kNone), 1u);
}

// Each packet fails its check and all later ones: the first is what is said.
TEST(CarpReceiverTest, ChecksAreMadeInUcarpsOrderAndCounted) {
  CarpReceiver receiver(Key(), Pinned());
  Payload payload = With(G2(), 5, 99);  // Other timing.
  CarpPacket packet = FromPeer({});
  std::vector<CarpRefusal> said;
  const auto receive = [&] {
    packet.payload = payload;
    said.push_back(Receive(receiver, packet));
  };
  receive();
  packet.source = Ip("10.77.0.3");
  receive();
  payload = With(payload, 20, 0);
  receive();
  payload = With(payload, 0, 0x22);
  receive();
  payload[6] ^= 1;
  receive();
  packet.ip_checksum_good = false;
  receive();
  packet.destination = Ip("10.77.0.1");
  receive();
  payload[1] = 8;
  receive();
  payload[0] = 0x31;
  receive();
  payload.pop_back();
  receive();
  packet.ttl = 254;
  receive();
  packet.source = Ip("10.77.0.1");
  receive();
  using R = CarpRefusal;
  EXPECT_THAT(said,
              ::testing::ElementsAre(
                  R::kOtherTiming, R::kNotThePeer, R::kBadDigest, R::kType,
                  R::kBadChecksum, R::kBadIpChecksum, R::kDestination,
                  R::kOtherVhid, R::kVersion, R::kTooShort, R::kTtl, R::kOwn));
  for (const CarpRefusal refusal : said) {
    EXPECT_EQ(receiver.count(refusal), 1u) << CarpRefusalName(refusal);
  }
  EXPECT_EQ(receiver.count(CarpRefusal::kNone), 0u);
}

TEST(CarpReceiverTest, GroupAndBothFormsOfBroadcastAreHeardUnicastIsNot) {
  CarpReceiver receiver(Key(), Pinned());
  const Payload payload = G2();
  CarpPacket packet = FromPeer(payload);
  const std::pair<const char*, CarpRefusal> kCases[] = {
      {"224.0.0.18", CarpRefusal::kNone},
      {"255.255.255.255", CarpRefusal::kNone},
      {"ff02::12", CarpRefusal::kNone},
      {"224.0.0.19", CarpRefusal::kDestination},
      {"10.77.0.1", CarpRefusal::kDestination},
      {"10.77.0.255", CarpRefusal::kDestination},
  };
  for (const auto& [destination, expected] : kCases) {
    packet.destination = Ip(destination);
    EXPECT_EQ(Receive(receiver, packet), expected) << destination;
  }
  CarpReceiver::Options other = Pinned();
  other.group = Ip("224.0.0.19");
  CarpReceiver elsewhere(Key(), other);
  packet.destination = Ip("224.0.0.19");
  EXPECT_EQ(Receive(elsewhere, packet), CarpRefusal::kNone);
  packet.destination = Ip("224.0.0.18");
  EXPECT_EQ(Receive(elsewhere, packet), CarpRefusal::kDestination);
}

TEST(CarpReceiverTest, AuthLengthDemotionAndMoreBytesDoNoHarm) {
  CarpReceiver receiver(Key(), Pinned());
  Payload longer = G2();
  longer.resize(100, 0xff);
  for (const Payload& payload :
       {With(G2(), 3, 0), With(G2(), 4, 255), longer}) {
    EXPECT_EQ(Receive(receiver, FromPeer(payload)), CarpRefusal::kNone);
  }
}

TEST(CarpReceiverTest, TheCounterNeedNotGrow) {
  CarpReceiver receiver(Key(), Pinned());
  for (const uint64_t counter : {7, 7, 3, 0}) {
    CarpAdvert advert{.advskew = 100, .advbase = 1, .counter = counter};
    Key().Sign(advert);
    Payload payload(kCarpAdvertSize);
    EncodeCarpAdvert(advert, std::span<uint8_t, kCarpAdvertSize>(payload));
    EXPECT_EQ(Receive(receiver, FromPeer(payload)), CarpRefusal::kNone);
  }
}

// The weakness of CARP, and what pinning does about it.
TEST(CarpReceiverTest, OnlyAPinnedPeerCannotBeGivenAnotherSpeed) {
  const Payload faster = With(G2(), 2, 0);
  const Payload slower = With(G2(), 5, 200);
  const Payload bow_out = With(With(G2(), 5, 255), 2, 255);
  CarpReceiver trusting(Key(), {});
  CarpReceiver pinned(Key(), Pinned());
  CarpReceiver::Options options = Pinned();
  options.peer->allow_bow_out = true;
  CarpReceiver allowing(Key(), options);
  for (const Payload& payload : {faster, slower, bow_out}) {
    EXPECT_EQ(Receive(trusting, FromPeer(payload)), CarpRefusal::kNone);
  }
  for (CarpReceiver* receiver : {&pinned, &allowing}) {
    for (const Payload& payload : {faster, slower}) {
      EXPECT_EQ(Receive(*receiver, FromPeer(payload)),
                CarpRefusal::kOtherTiming);
    }
  }
  EXPECT_EQ(Receive(pinned, FromPeer(bow_out)), CarpRefusal::kBowOut);
  EXPECT_EQ(Receive(allowing, FromPeer(bow_out)), CarpRefusal::kNone);
  CarpPacket elsewhere = FromPeer(bow_out);
  elsewhere.source = Ip("10.77.0.3");
  EXPECT_EQ(Receive(allowing, elsewhere), CarpRefusal::kNotThePeer);
}

// Goal    of a million packets of somebody who has heard a thousand adverts and
//         may send what he likes, only those are accepted that CARP cannot tell
//         from the peer's: an advert as it was, but for auth length and
//         demotion, from the peer's address. Every packet is counted once.
// Method  what was changed says what must come of it; the digest is not asked.
class Forger {
 public:
  explicit Forger(uint64_t seed) : prng_(seed) {
    const CarpKey key = Key();
    uint64_t counter = prng_();
    for (int i = 0; i < 1000; ++i) {
      CarpAdvert advert{.advskew = 100, .advbase = 1, .counter = counter++};
      key.Sign(advert);
      Payload payload(kCarpAdvertSize);
      EncodeCarpAdvert(advert, std::span<uint8_t, kCarpAdvertSize>(payload));
      heard_.push_back(payload);
    }
    for (const CarpKey& wrong :
         {std::cref(wrong_password_), std::cref(wrong_vhid_),
          std::cref(wrong_address_)}) {
      CarpAdvert advert{.advskew = 100, .advbase = 1, .counter = counter};
      wrong.Sign(advert);
      advert.vhid = 7;
      Payload payload(kCarpAdvertSize);
      EncodeCarpAdvert(advert, std::span<uint8_t, kCarpAdvertSize>(payload));
      stranger_.push_back(payload);
    }
  }

  struct Forgery {
    CarpPacket packet;
    Payload payload;
    bool indistinguishable = false;
  };

  Forgery Next() {
    Forgery forgery{.packet = FromPeer({}), .payload = Heard()};
    Payload& payload = forgery.payload;
    const Payload heard = payload;
    switch (prng_() % 11) {
      case 0:  // Replayed.
        forgery.indistinguishable = true;
        break;
      case 1:  // From elsewhere: another unit's, or our own come back.
        forgery.packet.source = Address::V4(0x0a4d0000 + prng_() % 256);
        forgery.indistinguishable = forgery.packet.source == Ip("10.77.0.2");
        break;
      case 2:
        forgery.packet.ttl = static_cast<uint8_t>(prng_() % 255);
        break;
      case 3:  // Flipped bits.
        Flip(payload);
        forgery.indistinguishable = Equivalent(heard, payload);
        break;
      case 4:
        Flip(payload);
        payload = WithGoodChecksum(payload);
        forgery.indistinguishable = Equivalent(heard, payload);
        break;
      case 5:  // Another speed, the bow-out among them.
        payload[2] = Random() % 2 ? 255 : Random();
        payload[5] = Random() % 2 ? 255 : Random();
        payload = WithGoodChecksum(payload);
        forgery.indistinguishable = Equivalent(heard, payload);
        break;
      case 6: {  // Counter of one, digest of another.
        const Payload other = Heard();
        std::copy(other.begin() + 8, other.begin() + 16, payload.begin() + 8);
        payload = WithGoodChecksum(payload);
        forgery.indistinguishable = Equivalent(heard, payload);
        break;
      }
      case 7:
        payload.resize(prng_() % kCarpAdvertSize);
        break;
      case 8:
        payload = stranger_[prng_() % stranger_.size()];
        break;
      case 9:  // A digest that is guessed.
        for (size_t i = 8; i < payload.size(); ++i) payload[i] = Random();
        payload = WithGoodChecksum(payload);
        break;
      default:  // Noise.
        payload.resize(prng_() % 64);
        for (uint8_t& byte : payload) byte = Random();
    }
    return forgery;
  }

 private:
  const Payload& Heard() { return heard_[prng_() % heard_.size()]; }
  uint8_t Random() { return static_cast<uint8_t>(prng_()); }
  void Flip(Payload& payload) {
    for (int n = 1 + prng_() % 4; n > 0; --n) {
      const size_t bit = prng_() % (8 * payload.size());
      payload[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
  }
  // Differ in nothing, or in auth length and demotion with a checksum to match.
  static bool Equivalent(Payload a, Payload b) {
    if (ChecksumFold(ChecksumSum(b)) != 0xffff) return false;
    for (Payload* p : {&a, &b}) {
      (*p)[3] = (*p)[4] = (*p)[6] = (*p)[7] = 0;
    }
    return a == b;
  }

  std::mt19937_64 prng_;
  std::vector<Payload> heard_;
  std::vector<Payload> stranger_;
  const CarpKey wrong_password_ = Key("kemp-secret1");
  const CarpKey wrong_vhid_ = Key("kemp-secret", 8);
  const CarpKey wrong_address_ = Key("kemp-secret", 7, "10.77.0.101");
};

TEST(CarpReceiverTest, OfAMillionForgeriesOnlyExactReplaysPass) {
  constexpr uint64_t kCount = 1'000'000;
  Forger forger(20190404);
  CarpReceiver receiver(Key(), Pinned());
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    Forger::Forgery forgery = forger.Next();
    forgery.packet.payload = forgery.payload;
    const bool good = Receive(receiver, forgery.packet) == CarpRefusal::kNone;
    ASSERT_EQ(good, forgery.indistinguishable)
        << "number " << i << ": "
        << absl::BytesToHexString(absl::string_view(
               reinterpret_cast<const char*>(forgery.payload.data()),
               forgery.payload.size()));
    accepted += good;
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < kCarpRefusalCount; ++i) {
    const auto refusal = static_cast<CarpRefusal>(i);
    sum += receiver.count(refusal);
    const bool can_happen = refusal != CarpRefusal::kDestination &&
                            refusal != CarpRefusal::kBadIpChecksum;
    EXPECT_EQ(receiver.count(refusal) > 0, can_happen)
        << CarpRefusalName(refusal);
  }
  EXPECT_EQ(sum, kCount);
  EXPECT_EQ(receiver.count(CarpRefusal::kNone), accepted);
}

}  // namespace
}  // namespace ballast::ha
