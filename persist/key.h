// What a persistence entry is found by: a value of a request, and which kind of
// value it is; reduced to 128 bits under a secret.
//
// The secret is the pair's: both units then make the same digest of the same
// request, and an entry made on one is found on the other. Nobody outside can
// make two keys meet, nor keys that fall into one place of a table. Keys may be
// of any length, 0 among them; the store keeps none of them, only digests.
//
// Digest  SipHash-2-4 with 128 bits of output, of: the kind, as 8 bytes little
//         endian; the key's bytes. Its own 16 bytes are little endian, the
//         first word first (the reference code's order).
#ifndef PERSIST_KEY_H_
#define PERSIST_KEY_H_

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "absl/strings/string_view.h"
#include "io/base/siphash.h"
#include "persist/mode.h"

namespace ballast::persist {

// The bytes are somebody else's: of the request, or of a scratch string.
struct Key {
  Mode kind = Mode::kNone;  // KindOf(mode), or kSourceIp.
  absl::string_view bytes;

  friend bool operator==(const Key&, const Key&) = default;
};

struct Digest {
  std::array<uint64_t, 2> words{};

  std::array<uint8_t, 16> bytes() const {
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), words.data(), sizeof bytes);
    return bytes;
  }
  // nullopt unless it is 16 bytes.
  static std::optional<Digest> FromBytes(std::span<const uint8_t> bytes) {
    Digest digest;
    if (bytes.size() != sizeof digest.words) return std::nullopt;
    std::memcpy(digest.words.data(), bytes.data(), bytes.size());
    return digest;
  }

  friend auto operator<=>(const Digest&, const Digest&) = default;
};

inline Digest DigestOf(const SipKey& secret, const Key& key) {
  SipHasher<2, 4> hasher(secret);
  hasher.Begin128();
  hasher.Word(static_cast<uint64_t>(key.kind));
  const uint64_t tail = hasher.Words(
      {reinterpret_cast<const uint8_t*>(key.bytes.data()), key.bytes.size()});
  return {hasher.Finish128(8 + key.bytes.size(), tail)};
}

}  // namespace ballast::persist

#endif  // PERSIST_KEY_H_
