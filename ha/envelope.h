// The sealed envelope: how two Ballast units speak so that nobody else can
// (ARCHITECTURE.md D7). Every advert, sync datagram and stream message between
// our own units is one envelope.
//
// Layout, big endian; the first 32 bytes are authenticated, the rest encrypted
//   [0..2]   'B' 'L' 'S'
//   [3]      version, 1
//   [4]      type (EnvelopeType)
//   [5]      virtual ID of the pair
//   [6..7]   unit id of the sender
//   [8..15]  boot id of the sender: random, of this start of the process
//   [16..23] sequence, per (unit, boot, type): rises from 1, and from above
//            the last advert's; an advert's is above every type's so far
//   [24..27] key id: the first 4 bytes of SHA-256 of the key
//   [28..31] 0
//   [32..]   payload, encrypted; then a tag of 16 bytes
// AES-256-GCM. Its key: HKDF-SHA256 of the pair's key (32 bytes), salt = bytes
// 0..15 of the envelope, info = "ballast envelope 1"; nonce: 4 zero bytes and
// the sequence. A pair of (key, nonce) is thus never used twice.
//
// Freshness  what a unit says counts only after it has answered our challenge
//   with this boot id. Each unit puts into its adverts the challenge it was
//   last given and one of its own (advert.h); PeerSession holds the rule:
//     S1  an unknown (unit, boot) may be read, but of it only the challenges
//         count, until it returns ours
//     S2  then it is accepted, a boot id accepted before is not any more, and
//         our challenge changes, so that an answer recorded is worth nothing
//     S3  from then on each (type, sequence) is taken once; older than the
//         window of 1024 is refused, and so is whatever was sent before the
//         advert that answered, of any type: the sequences tell
//   So nothing that was recorded before either unit started is taken. What S3
//   cannot know is how long a message that was never taken has been under way:
//   content must bear to come late, as any datagram's must.
//
// Keys     a list: the first seals, all open. To rotate without a gap: add the
//          new key last on both units, then put it first on both, then drop the
//          old one.
// Errors   Open() says why as an OpenError; count it. Nothing is learned of a
//          key from the time it takes.
// Cost     with AES instructions 0.4 us for 100 bytes, sealed or opened; 2.4 us
//          to refuse a forged header whose derived key is not kept, or to meet
//          a new (key, unit, boot, type). Only Seal()'s `out` and the opener's
//          buffer allocate, as they grow.
// Flood    derived keys are kept, kDerivedKeyMax of them. Only a message that
//          is authentic makes one stay, so forged headers cost their own
//          derivation and nothing else. One who repeats recorded messages of
//          many old boots could still push out the living peer's: Pin() keeps
//          those of the boot that has proven itself.
// Threads  one.
#ifndef HA_ENVELOPE_H_
#define HA_ENVELOPE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ha/pair_key.h"

namespace ballast::ha {

using BootId = uint64_t;

enum class EnvelopeType : uint8_t { kAdvert = 1, kSync = 2, kStream = 3 };
inline constexpr size_t kEnvelopeTypeCount = 4;  // To index by type.

inline constexpr size_t kEnvelopeHeaderSize = 32;
inline constexpr size_t kEnvelopeOverhead = kEnvelopeHeaderSize + 16;

enum class OpenError : uint8_t {
  kNone,
  kTooShort,
  kNotOurs,     // Other magic, version, reserved bytes or unknown type.
  kOtherPair,   // Another virtual ID.
  kUnknownKey,  // No key of ours has this id.
  kForged,      // The tag does not fit.
  kOwn,         // Our own unit and boot: heard our own multicast.
  kReplayed,    // S3, seen before.
  kTooOld,      // S3, before the window, or of a boot that is over (S2).
  kUnproven,    // S1: this boot has not answered our challenge yet.
  kUnexpectedUnit,
};
inline constexpr size_t kOpenErrorCount = 11;
const char* OpenErrorName(OpenError error);

// Seals what this process says. It counts the sequences: a process has one for
// its boot id, never two.
class Sealer {
 public:
  // `keys`: 1 .. kPairKeyMax.
  Sealer(std::span<const PairKey> keys, uint8_t virtual_id, uint16_t unit,
         BootId boot);
  ~Sealer();
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;

  // New keys (the first seals from now on). Sequences go on.
  void SetKeys(std::span<const PairKey> keys);
  // Appends the envelope of `payload` to `out`.
  void Seal(EnvelopeType type, std::span<const uint8_t> payload,
            std::vector<uint8_t>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Opens what others say. Decrypts and authenticates; freshness is
// PeerSession's.
struct Opened {
  EnvelopeType type{};
  uint16_t unit = 0;
  BootId boot = 0;
  uint64_t sequence = 0;
  std::span<const uint8_t> payload;  // Into the opener's buffer, until next.
};

class Opener {
 public:
  static constexpr size_t kDerivedKeyMax = 32;

  Opener(std::span<const PairKey> keys, uint8_t virtual_id, uint16_t own_unit,
         BootId own_boot);
  ~Opener();
  Opener(Opener&&) noexcept;
  Opener& operator=(Opener&&) noexcept;

  void SetKeys(std::span<const PairKey> keys);
  // The peer that PeerSession accepts: its derived keys are not pushed out by
  // others'. One at a time; calling it again for the same is cheap.
  void Pin(uint16_t unit, BootId boot);
  // How many keys have been derived so far.
  uint64_t derivations() const;
  // kNone and `opened`, or why not.
  OpenError Open(std::span<const uint8_t> envelope, Opened* opened);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The freshness rule, for one peer unit.
class PeerSession {
 public:
  using Challenge = std::array<uint8_t, 16>;

  // `challenge`: random, fresh.
  explicit PeerSession(const Challenge& challenge) : ours_(challenge) {}

  // An authentic message of the peer. `answer` is the challenge it returns
  // (adverts only, else nullopt; zeros answer nothing); `fresh` a new random
  // challenge to use should this one be spent. kNone: its content counts.
  // Otherwise kUnproven, kReplayed or kTooOld.
  OpenError Accept(const Opened& opened, const std::optional<Challenge>& answer,
                   const Challenge& fresh);

  // What our adverts ask of the peer.
  const Challenge& challenge() const { return ours_; }
  // The boot that has proven itself, if any has.
  std::optional<BootId> boot() const { return boot_; }

 private:
  static constexpr uint64_t kWindow = 1024;
  struct Window {
    uint64_t highest = 0;
    std::array<uint64_t, kWindow / 64> seen{};
  };

  struct Boot {
    uint16_t unit = 0;
    BootId id = 0;
  };
  static constexpr size_t kOverMax = 16;

  bool IsOver(const Opened& opened) const;
  static OpenError Take(Window& window, uint64_t sequence);

  Challenge ours_;
  std::optional<BootId> boot_;
  uint16_t unit_ = 0;  // Whose boot_ is.
  std::array<Window, kEnvelopeTypeCount> windows_;
  // The boots accepted before, the last kOverMax. One that is forgotten is
  // unknown again (S1), and dead ones answer nothing.
  std::array<Boot, kOverMax> over_{};
  size_t over_count_ = 0;
};

}  // namespace ballast::ha

#endif  // HA_ENVELOPE_H_
