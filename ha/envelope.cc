#include "ha/envelope.h"

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>

#include <algorithm>

#include "absl/strings/string_view.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kTagSize = 16;
constexpr size_t kNonceSize = 12;
constexpr size_t kSaltSize = 16;
constexpr absl::string_view kInfo = "ballast envelope 1";
static_assert(kEnvelopeOverhead == kEnvelopeHeaderSize + kTagSize);

struct Header {
  uint8_t type = 0;
  uint8_t virtual_id = 0;
  uint16_t unit = 0;
  BootId boot = 0;
  uint64_t sequence = 0;
  uint32_t key_id = 0;
};

// Bytes 0..15 of a header: all of it that a derived key depends on.
using Salt = std::array<uint8_t, kSaltSize>;

void Encode(const Header& header, std::span<uint8_t> bytes) {
  ByteWriter writer(bytes);
  writer.U8('B');
  writer.U8('L');
  writer.U8('S');
  writer.U8(kVersion);
  writer.U8(header.type);
  writer.U8(header.virtual_id);
  writer.U16(header.unit);
  writer.U64(header.boot);
  writer.U64(header.sequence);
  writer.U32(header.key_id);
  writer.U32(0);
  BALLAST_CHECK(writer.ok() && writer.size() == kEnvelopeHeaderSize);
}

// nullopt unless the fixed bytes are as they must be and the type is known.
// (Sequences begin at 1, so none of ours has 0.)
std::optional<Header> Decode(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  const uint32_t magic_and_version = reader.U32();
  Header header;
  header.type = reader.U8();
  header.virtual_id = reader.U8();
  header.unit = reader.U16();
  header.boot = reader.U64();
  header.sequence = reader.U64();
  header.key_id = reader.U32();
  const uint32_t reserved = reader.U32();
  if (!reader.ok() || magic_and_version != 0x424c5301 || reserved != 0 ||
      header.type == 0 || header.type >= kEnvelopeTypeCount ||
      header.sequence == 0) {
    return std::nullopt;
  }
  return header;
}

std::array<uint8_t, kNonceSize> NonceOf(uint64_t sequence) {
  std::array<uint8_t, kNonceSize> nonce{};
  StoreBig64(nonce.data() + 4, sequence);
  return nonce;
}

// AES-256-GCM under a derived key. Stays where it is: BoringSSL's context is
// not to be copied.
class DerivedKey {
 public:
  DerivedKey() { EVP_AEAD_CTX_zero(&context_); }
  ~DerivedKey() { Clear(); }
  DerivedKey(const DerivedKey&) = delete;
  DerivedKey& operator=(const DerivedKey&) = delete;

  void Clear() {
    EVP_AEAD_CTX_cleanup(&context_);
    OPENSSL_cleanse(&context_, sizeof(context_));
    EVP_AEAD_CTX_zero(&context_);
  }

  void Derive(const PairKey& key, const Salt& salt) {
    Clear();
    std::array<uint8_t, 32> derived;
    BALLAST_CHECK(HKDF(derived.data(), derived.size(), EVP_sha256(), key.data(),
                       key.size(), salt.data(), salt.size(),
                       reinterpret_cast<const uint8_t*>(kInfo.data()),
                       kInfo.size()) == 1);
    BALLAST_CHECK(EVP_AEAD_CTX_init(&context_, EVP_aead_aes_256_gcm(),
                                    derived.data(), derived.size(), kTagSize,
                                    nullptr) == 1);
    OPENSSL_cleanse(derived.data(), derived.size());
  }

  // `sealed` is the payload's place and the tag's.
  void Seal(uint64_t sequence, std::span<const uint8_t> header,
            std::span<const uint8_t> payload, std::span<uint8_t> sealed) const {
    const auto nonce = NonceOf(sequence);
    size_t size = 0;
    BALLAST_CHECK(EVP_AEAD_CTX_seal(&context_, sealed.data(), &size,
                                    sealed.size(), nonce.data(), nonce.size(),
                                    payload.data(), payload.size(),
                                    header.data(), header.size()) == 1);
    BALLAST_CHECK(size == sealed.size());
  }

  // Whether the tag fits. It is compared in constant time, and of a message
  // whose tag does not fit nothing is left in `payload`.
  bool Open(uint64_t sequence, std::span<const uint8_t> header,
            std::span<const uint8_t> sealed, std::span<uint8_t> payload) const {
    const auto nonce = NonceOf(sequence);
    size_t size = 0;
    if (EVP_AEAD_CTX_open(&context_, payload.data(), &size, payload.size(),
                          nonce.data(), nonce.size(), sealed.data(),
                          sealed.size(), header.data(), header.size()) != 1) {
      // Else the thread's next TLS call would find a stranger's error.
      ERR_clear_error();
      return false;
    }
    return size == payload.size();
  }

 private:
  EVP_AEAD_CTX context_;
};

// The pair's keys, wiped when they go.
class KeyList {
 public:
  KeyList() = default;
  ~KeyList() { Clear(); }
  KeyList(const KeyList&) = delete;
  KeyList& operator=(const KeyList&) = delete;

  void Set(std::span<const PairKey> keys) {
    BALLAST_CHECK(!keys.empty() && keys.size() <= kPairKeyMax);
    Clear();
    std::copy(keys.begin(), keys.end(), keys_.begin());
    size_ = keys.size();
    for (size_t i = 0; i < size_; ++i) ids_[i] = PairKeyId(keys_[i]);
  }
  size_t size() const { return size_; }
  const PairKey& key(size_t i) const { return keys_[i]; }
  uint32_t id(size_t i) const { return ids_[i]; }

 private:
  void Clear() { OPENSSL_cleanse(keys_.data(), sizeof(keys_)); }

  std::array<PairKey, kPairKeyMax> keys_{};
  std::array<uint32_t, kPairKeyMax> ids_{};
  size_t size_ = 0;
};

}  // namespace

const char* OpenErrorName(OpenError error) {
  switch (error) {
    case OpenError::kNone:
      return "none";
    case OpenError::kTooShort:
      return "too_short";
    case OpenError::kNotOurs:
      return "not_ours";
    case OpenError::kOtherPair:
      return "other_pair";
    case OpenError::kUnknownKey:
      return "unknown_key";
    case OpenError::kForged:
      return "forged";
    case OpenError::kOwn:
      return "own";
    case OpenError::kReplayed:
      return "replayed";
    case OpenError::kTooOld:
      return "too_old";
    case OpenError::kUnproven:
      return "unproven";
    case OpenError::kUnexpectedUnit:
      return "unexpected_unit";
  }
  return "unknown";
}

// -- Sealing -----------------------------------------------------------------

struct Sealer::State {
  KeyList keys;
  uint8_t virtual_id = 0;
  uint16_t unit = 0;
  BootId boot = 0;
  // The last of each type.
  std::array<uint64_t, kEnvelopeTypeCount> sequences{};
  // A key is derived when its type is first sealed with it.
  std::array<bool, kEnvelopeTypeCount> derived{};
  std::array<DerivedKey, kEnvelopeTypeCount> derived_keys;

  // Adverts divide what was sent before them from what comes after, in all
  // types: an advert that proves this unit fresh proves the latter only (S3).
  uint64_t NextSequence(EnvelopeType type) const {
    if (type == EnvelopeType::kAdvert) {
      return *std::max_element(sequences.begin(), sequences.end()) + 1;
    }
    return std::max(sequences[static_cast<size_t>(type)],
                    sequences[static_cast<size_t>(EnvelopeType::kAdvert)]) +
           1;
  }
};

Sealer::Sealer(std::span<const PairKey> keys, uint8_t virtual_id, uint16_t unit,
               BootId boot)
    : state_(std::make_unique<State>()) {
  state_->virtual_id = virtual_id;
  state_->unit = unit;
  state_->boot = boot;
  SetKeys(keys);
}

Sealer::~Sealer() = default;
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;

void Sealer::SetKeys(std::span<const PairKey> keys) {
  state_->keys.Set(keys.first(1));
  state_->derived.fill(false);
}

void Sealer::Seal(EnvelopeType type, std::span<const uint8_t> payload,
                  std::vector<uint8_t>& out) {
  State& state = *state_;
  const auto index = static_cast<size_t>(type);
  BALLAST_CHECK(index > 0 && index < kEnvelopeTypeCount);
  const size_t begin = out.size();
  out.resize(begin + kEnvelopeOverhead + payload.size());
  const auto envelope = std::span<uint8_t>(out).subspan(begin);
  const auto header = envelope.first(kEnvelopeHeaderSize);
  const uint64_t sequence = state.NextSequence(type);
  state.sequences[index] = sequence;
  Encode({.type = static_cast<uint8_t>(type),
          .virtual_id = state.virtual_id,
          .unit = state.unit,
          .boot = state.boot,
          .sequence = sequence,
          .key_id = state.keys.id(0)},
         header);
  if (!state.derived[index]) {
    Salt salt;
    std::copy_n(header.begin(), kSaltSize, salt.begin());
    state.derived_keys[index].Derive(state.keys.key(0), salt);
    state.derived[index] = true;
  }
  state.derived_keys[index].Seal(sequence, header, payload,
                                 envelope.subspan(kEnvelopeHeaderSize));
}

// -- Opening -----------------------------------------------------------------

struct Opener::State {
  // A derived key that is kept, or the one place where the key of a message
  // not known to be authentic is tried.
  struct Slot {
    bool kept = false;
    bool pinned = false;
    uint8_t key = 0;  // Of `keys`.
    Salt salt{};
    uint64_t used = 0;  // Turn of the last use.
    DerivedKey derived;
  };
  // All that is pinned finds room, and others too.
  static_assert(kPairKeyMax * (kEnvelopeTypeCount - 1) < kDerivedKeyMax);

  KeyList keys;
  uint8_t virtual_id = 0;
  uint16_t own_unit = 0;
  BootId own_boot = 0;
  std::array<Slot, kDerivedKeyMax + 1> slots;
  size_t trial = kDerivedKeyMax;  // The slot that is not kept.
  uint64_t turn = 0;
  bool has_pin = false;
  uint16_t pinned_unit = 0;
  BootId pinned_boot = 0;
  uint64_t derivations = 0;
  std::vector<uint8_t> buffer;  // Grows to the longest payload met.

  bool IsPinned(const Salt& salt) const {
    return has_pin && LoadBig16(salt.data() + 6) == pinned_unit &&
           LoadBig64(salt.data() + 8) == pinned_boot;
  }

  Slot* Find(uint8_t key, const Salt& salt) {
    for (Slot& slot : slots) {
      if (slot.kept && slot.key == key && slot.salt == salt) return &slot;
    }
    return nullptr;
  }

  // The trial slot has proven good: it stays, and the one that was not used
  // for longest becomes the next trial slot.
  void KeepTrial() {
    slots[trial].kept = true;
    slots[trial].pinned = IsPinned(slots[trial].salt);
    size_t oldest = slots.size();
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].pinned || i == trial) continue;
      if (oldest == slots.size() || slots[i].used < slots[oldest].used) {
        oldest = i;
      }
    }
    trial = oldest;
    slots[trial].kept = false;
    slots[trial].used = 0;
  }

  bool OpenWith(uint8_t key, uint64_t sequence,
                std::span<const uint8_t> envelope) {
    Salt salt;
    std::copy_n(envelope.begin(), kSaltSize, salt.begin());
    Slot* slot = Find(key, salt);
    const bool is_new = slot == nullptr;
    if (is_new) {
      slot = &slots[trial];
      slot->key = key;
      slot->salt = salt;
      slot->derived.Derive(keys.key(key), salt);
      ++derivations;
    }
    const bool fits = slot->derived.Open(
        sequence, envelope.first(kEnvelopeHeaderSize),
        envelope.subspan(kEnvelopeHeaderSize),
        std::span<uint8_t>(buffer).first(envelope.size() - kEnvelopeOverhead));
    if (!fits) return false;
    slot->used = ++turn;
    if (is_new) KeepTrial();
    return true;
  }
};

Opener::Opener(std::span<const PairKey> keys, uint8_t virtual_id,
               uint16_t own_unit, BootId own_boot)
    : state_(std::make_unique<State>()) {
  state_->virtual_id = virtual_id;
  state_->own_unit = own_unit;
  state_->own_boot = own_boot;
  SetKeys(keys);
}

Opener::~Opener() = default;
Opener::Opener(Opener&&) noexcept = default;
Opener& Opener::operator=(Opener&&) noexcept = default;

void Opener::SetKeys(std::span<const PairKey> keys) {
  state_->keys.Set(keys);
  for (State::Slot& slot : state_->slots) {
    slot.kept = slot.pinned = false;
    slot.used = 0;
    slot.derived.Clear();
  }
}

void Opener::Pin(uint16_t unit, BootId boot) {
  State& state = *state_;
  if (state.has_pin && state.pinned_unit == unit && state.pinned_boot == boot) {
    return;
  }
  state.has_pin = true;
  state.pinned_unit = unit;
  state.pinned_boot = boot;
  for (State::Slot& slot : state.slots) {
    slot.pinned = slot.kept && state.IsPinned(slot.salt);
  }
}

uint64_t Opener::derivations() const { return state_->derivations; }

OpenError Opener::Open(std::span<const uint8_t> envelope, Opened* opened) {
  State& state = *state_;
  if (envelope.size() < kEnvelopeOverhead) return OpenError::kTooShort;
  const auto header = Decode(envelope.first(kEnvelopeHeaderSize));
  if (!header.has_value()) return OpenError::kNotOurs;
  if (header->virtual_id != state.virtual_id) return OpenError::kOtherPair;
  if (header->unit == state.own_unit && header->boot == state.own_boot) {
    return OpenError::kOwn;
  }
  const size_t payload_size = envelope.size() - kEnvelopeOverhead;
  if (state.buffer.size() < payload_size) state.buffer.resize(payload_size);
  OpenError error = OpenError::kUnknownKey;
  // A key id is short enough for two keys to share one.
  for (size_t i = 0; i < state.keys.size(); ++i) {
    if (state.keys.id(i) != header->key_id) continue;
    if (!state.OpenWith(static_cast<uint8_t>(i), header->sequence, envelope)) {
      error = OpenError::kForged;
      continue;
    }
    *opened = {.type = static_cast<EnvelopeType>(header->type),
               .unit = header->unit,
               .boot = header->boot,
               .sequence = header->sequence,
               .payload = std::span(state.buffer).first(payload_size)};
    return OpenError::kNone;
  }
  return error;
}

}  // namespace ballast::ha
