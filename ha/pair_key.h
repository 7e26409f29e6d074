// The secret that the units of a pair share, and its text forms. What is made
// of it: envelope.h.
//
// Errors   kInvalidArgument names what is wrong, never the key.
// Threads  any.
#ifndef HA_PAIR_KEY_H_
#define HA_PAIR_KEY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ballast::ha {

using PairKey = std::array<uint8_t, 32>;

// 64 hex digits of either case, and back in lower case.
absl::StatusOr<PairKey> ParsePairKey(absl::string_view text);
std::string FormatPairKey(const PairKey& key);

// The key id of an envelope, which is no secret.
uint32_t PairKeyId(const PairKey& key);
// As many as a rotation needs, and more.
inline constexpr size_t kPairKeyMax = 8;

// A key file: one key on a line, the first seals; empty lines and such that
// begin with # do not count. An error names the line; no key, or more than
// kPairKeyMax, is one.
absl::StatusOr<std::vector<PairKey>> ParsePairKeys(absl::string_view text);

}  // namespace ballast::ha

#endif  // HA_PAIR_KEY_H_
