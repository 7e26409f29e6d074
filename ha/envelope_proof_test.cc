// Goal    whatever an attacker does with what he records, and without the key,
//         nothing counts that was not sent fresh, and each refusal has a
//         reason.
// Method  two units that advert, sync, stream, and restart now and then. The
//         attacker records all of it; of the messages that arrive, one in five
//         is what was just sent, the others are repeated, held back, reordered,
//         cut, lengthened, bit-flipped, spliced or invented. What is fresh is
//         judged by the test's own book of what was sent when, by which start
//         of which unit. Fixed seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/envelope.h"
#include "ha/pair_key.h"

namespace ballast::ha {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif
constexpr uint64_t kArrivals = kSanitized ? 100'000 : 1'000'000;

constexpr uint8_t kPair = 7;
constexpr size_t kRecordedMax = 20'000;
constexpr size_t kHeldMax = 3'000;

using Envelope = std::vector<uint8_t>;
using Challenge = PeerSession::Challenge;

// What the test knows of a message that a unit sealed.
struct Sent {
  Envelope bytes;
  size_t unit = 0;     // 0 or 1.
  uint32_t start = 0;  // Which start of that unit.
  uint64_t id = 0;     // Rises with each message sent by anybody.
};

// One start of a unit.
struct Process {
  Process(std::span<const PairKey> keys, size_t unit, BootId boot,
          const Challenge& challenge)
      : sealer(keys, kPair, static_cast<uint16_t>(unit + 1), boot),
        opener(keys, kPair, static_cast<uint16_t>(unit + 1), boot),
        session(challenge) {}

  Sealer sealer;
  Opener opener;
  PeerSession session;
  Challenge given{};

  // The book.
  uint32_t start = 0;
  uint64_t first_id = 0;         // Of what was sent after it started.
  std::set<uint64_t> taken;      // Ids.
  std::optional<uint32_t> peer;  // The newest start of the peer it has taken.
};

class World {
 public:
  World() {
    for (size_t unit = 0; unit < 2; ++unit) Restart(unit);
    Meet();
  }

  void Run() {
    while (arrivals_ < kArrivals && !::testing::Test::HasFailure()) {
      Turn();
    }
  }

  uint64_t arrivals() const { return arrivals_; }
  uint64_t outcome(OpenError error) const {
    return outcomes_[static_cast<size_t>(error)];
  }
  uint64_t outcomes() const {
    uint64_t sum = 0;
    for (const uint64_t count : outcomes_) sum += count;
    return sum;
  }
  uint64_t restarts() const { return starts_[0] + starts_[1] - 2; }
  uint64_t undecoded() const { return undecoded_; }
  uint64_t fresh_sent() const { return fresh_sent_; }
  uint64_t fresh_taken() const { return fresh_taken_; }

 private:
  size_t Below(size_t bound) { return prng_() % bound; }

  void FillRandom(std::span<uint8_t> bytes) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng_());
  }
  Challenge NewChallenge() {
    Challenge challenge;
    FillRandom(challenge);
    return challenge;
  }

  void Restart(size_t unit) {
    const BootId boot = uint64_t{prng_()} << 32 | prng_();
    units_[unit] = std::make_unique<Process>(keys_, unit, boot, NewChallenge());
    units_[unit]->start = starts_[unit]++;
    units_[unit]->first_id = next_id_;
  }

  // The unit says something of a random kind, and it is recorded.
  Sent Say(size_t unit) {
    Process& process = *units_[unit];
    Sent sent{.unit = unit, .start = process.start, .id = next_id_++};
    if (Below(4) == 0) {
      Advert advert;
      advert.mode = unit == 0 ? Mode::kFirst : Mode::kSecond;
      advert.interval = absl::Milliseconds(20);
      advert.answer = process.given;
      advert.challenge = process.session.challenge();
      std::array<uint8_t, kAdvertSize> payload;
      EncodeAdvert(advert, payload);
      process.sealer.Seal(EnvelopeType::kAdvert, payload, sent.bytes);
    } else {
      std::vector<uint8_t> payload(Below(200));
      FillRandom(payload);
      process.sealer.Seal(
          Below(2) == 0 ? EnvelopeType::kSync : EnvelopeType::kStream, payload,
          sent.bytes);
    }
    if (recorded_.size() < kRecordedMax) {
      recorded_.push_back(sent);
    } else {
      recorded_[Below(kRecordedMax)] = sent;
    }
    return sent;
  }

  // `sent`: what it truly is; nullptr: nothing that anybody sent.
  OpenError Arrive(size_t receiver, const Envelope& bytes, const Sent* sent) {
    Process& process = *units_[receiver];
    ++arrivals_;
    Opened opened;
    OpenError error = process.opener.Open(bytes, &opened);
    if (error == OpenError::kNone) {
      EXPECT_NE(sent, nullptr) << "opened what nobody sealed";
      std::optional<Challenge> answer;
      if (opened.type == EnvelopeType::kAdvert) {
        const auto advert = DecodeAdvert(opened.payload);
        if (advert.has_value()) {
          answer = advert->answer;
          process.given = advert->challenge;
        } else {
          ++undecoded_;
        }
      }
      error = process.session.Accept(opened, answer, NewChallenge());
    }
    ++outcomes_[static_cast<size_t>(error)];
    if (error == OpenError::kNone && sent != nullptr) {
      // Intact, by the other unit (a unit's own never counts) ...
      EXPECT_EQ(sent->unit, 1 - receiver);
      // ... sent since this unit started ...
      EXPECT_GE(sent->id, process.first_id);
      // ... once ...
      EXPECT_TRUE(process.taken.insert(sent->id).second);
      // ... and not by a start that has been followed by another.
      EXPECT_GE(sent->start, process.peer.value_or(0));
      process.peer = sent->start;
      process.opener.Pin(opened.unit, opened.boot);
    }
    return error;
  }

  // An undisturbed exchange, until both have proven themselves.
  void Meet() {
    for (int i = 0; i < 12; ++i) {
      const size_t unit = i % 2;
      const Sent sent = Say(unit);
      Arrive(1 - unit, sent.bytes, &sent);
    }
  }

  const Sent& Recorded() { return recorded_[Below(recorded_.size())]; }

  void Flip(Envelope& bytes) {
    // Different bits, so that it does change.
    const size_t first = Below(8 * bytes.size());
    const size_t count = 1 + Below(8);
    for (size_t i = 0; i < count && first + 13 * i < 8 * bytes.size(); ++i) {
      const size_t bit = first + 13 * i;
      bytes[bit / 8] ^= 1 << (bit % 8);
    }
  }

  void Turn() {
    const size_t receiver = Below(2);
    const size_t sender = 1 - receiver;
    if (Below(5000) == 0) {
      Restart(Below(2));
      if (Below(2) == 0) Restart(Below(2));
      if (Below(4) != 0) Meet();
    }
    switch (Below(10)) {
      case 0:
      case 1: {  // What was just sent. Between two that know each other and
                 // hear each other's latest, it must count.
        const Sent sent = Say(sender);
        const bool known = units_[receiver]->peer == units_[sender]->start;
        const OpenError error = Arrive(receiver, sent.bytes, &sent);
        if (known) {
          ++fresh_sent_;
          fresh_taken_ += error == OpenError::kNone ? 1 : 0;
          EXPECT_EQ(error, OpenError::kNone) << OpenErrorName(error);
        }
        break;
      }
      case 2: {  // Repeated, to either.
        const Sent sent = Recorded();
        Arrive(Below(2), sent.bytes, &sent);
        break;
      }
      case 3: {  // The same again at once.
        const Sent sent = Say(sender);
        Arrive(receiver, sent.bytes, &sent);
        Arrive(receiver, sent.bytes, &sent);
        break;
      }
      case 4: {  // Held back, for long and short.
        held_.push_back(Say(sender));
        if (held_.size() < kHeldMax && Below(2) == 0) break;
        const size_t at =
            Below(2) == 0 ? Below(held_.size()) : held_.size() - 1;
        const Sent sent = held_[at];
        held_.erase(held_.begin() + at);
        Arrive(1 - sent.unit, sent.bytes, &sent);
        break;
      }
      case 5: {  // Bits flipped.
        Sent sent = Below(2) == 0 ? Recorded() : Say(sender);
        Flip(sent.bytes);
        Arrive(receiver, sent.bytes, nullptr);
        break;
      }
      case 6: {  // Cut or lengthened.
        Sent sent = Below(2) == 0 ? Recorded() : Say(sender);
        if (Below(2) == 0) {
          sent.bytes.resize(Below(sent.bytes.size()));
        } else {
          const size_t size = sent.bytes.size();
          sent.bytes.resize(size + 1 + Below(40));
          FillRandom(std::span(sent.bytes).subspan(size));
        }
        Arrive(receiver, sent.bytes, nullptr);
        break;
      }
      case 7: {  // The header of one with the body of another.
        const Sent head = Recorded(), body = Recorded();
        if (head.id == body.id) break;
        Envelope spliced = head.bytes;
        spliced.resize(kEnvelopeHeaderSize);
        spliced.insert(spliced.end(), body.bytes.begin() + kEnvelopeHeaderSize,
                       body.bytes.end());
        Arrive(receiver, spliced, nullptr);
        break;
      }
      case 8: {  // Invented: sealed with another key or for another pair,
                 // in the name of our key, or with a new boot.
        std::array<PairKey, 1> key;
        FillRandom(key[0]);
        const bool other_pair = Below(4) == 0;
        Sealer forger(other_pair ? std::span<const PairKey>(keys_) : key,
                      other_pair ? kPair + 1 : kPair,
                      static_cast<uint16_t>(sender + 1),
                      uint64_t{prng_()} << 32 | prng_());
        Envelope bytes;
        std::array<uint8_t, kAdvertSize> payload;
        FillRandom(payload);
        forger.Seal(static_cast<EnvelopeType>(1 + Below(3)), payload, bytes);
        const Envelope& genuine = Recorded().bytes;
        if (!other_pair && Below(2) == 0) {
          std::copy_n(genuine.begin() + 24, 4, bytes.begin() + 24);  // Key id.
        }
        if (Below(2) == 0) {
          std::copy_n(genuine.begin() + 6, 10, bytes.begin() + 6);  // Who.
        }
        Arrive(receiver, bytes, nullptr);
        break;
      }
      default: {  // Noise, sometimes behind a true header.
        Envelope bytes(Below(300));
        FillRandom(bytes);
        if (Below(2) == 0 && bytes.size() >= kEnvelopeHeaderSize) {
          std::copy_n(Recorded().bytes.begin(), kEnvelopeHeaderSize,
                      bytes.begin());
        }
        Arrive(receiver, bytes, nullptr);
      }
    }
  }

  std::mt19937 prng_{20240611};
  const std::array<PairKey, 1> keys_ = [this] {
    std::array<PairKey, 1> keys;
    FillRandom(keys[0]);
    return keys;
  }();
  uint64_t next_id_ = 0;
  std::array<uint32_t, 2> starts_{};
  std::array<std::unique_ptr<Process>, 2> units_;
  std::vector<Sent> recorded_;
  std::deque<Sent> held_;
  uint64_t arrivals_ = 0;
  std::array<uint64_t, kOpenErrorCount> outcomes_{};
  uint64_t undecoded_ = 0;
  uint64_t fresh_sent_ = 0;
  uint64_t fresh_taken_ = 0;
};

TEST(EnvelopeProofTest, NothingCountsThatWasNotSentFreshAndAllIsCounted) {
  World world;
  world.Run();
  // Every arrival has one outcome.
  EXPECT_GE(world.arrivals(), kArrivals);
  EXPECT_EQ(world.outcomes(), world.arrivals());
  for (size_t i = 0; i < kOpenErrorCount; ++i) {
    const auto error = static_cast<OpenError>(i);
    std::printf("%-16s %8llu\n", OpenErrorName(error),
                static_cast<unsigned long long>(world.outcome(error)));
    // (That a unit is not the expected one is its owner's to say.)
    if (error == OpenError::kUnexpectedUnit) continue;
    EXPECT_GT(world.outcome(error), kArrivals / 10'000)
        << OpenErrorName(error) << " was hardly tried";
  }
  std::printf("%llu arrivals, %llu restarts\n",
              static_cast<unsigned long long>(world.arrivals()),
              static_cast<unsigned long long>(world.restarts()));
  EXPECT_GT(world.restarts(), kArrivals / 10'000);
  EXPECT_EQ(world.undecoded(), 0u);
  // Nor is all refused.
  EXPECT_EQ(world.fresh_taken(), world.fresh_sent());
  EXPECT_GT(world.fresh_sent(), kArrivals / 20);
}

}  // namespace
}  // namespace ballast::ha
