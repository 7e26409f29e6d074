#include "ha/pair_key.h"

#include <openssl/sha.h>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "io/base/bytes.h"

namespace ballast::ha {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

absl::StatusOr<PairKey> ParsePairKey(absl::string_view text) {
  PairKey key{};
  if (text.size() != 2 * key.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("pair key: ", text.size(), " characters, must be ",
                     2 * key.size(), " hex digits"));
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("pair key: character ", i + 1, " is not a hex digit"));
    }
    key[i / 2] = static_cast<uint8_t>(key[i / 2] << 4 | digit);
  }
  return key;
}

absl::StatusOr<std::vector<PairKey>> ParsePairKeys(absl::string_view text) {
  std::vector<PairKey> keys;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const auto key = ParsePairKey(line);
    if (!key.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", key.status().message()));
    }
    if (keys.size() == kPairKeyMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": more than ", kPairKeyMax, " keys"));
    }
    keys.push_back(*key);
  }
  if (keys.empty()) return absl::InvalidArgumentError("there is no key in it");
  return keys;
}

std::string FormatPairKey(const PairKey& key) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(key.data()), key.size()));
}

uint32_t PairKeyId(const PairKey& key) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(key.data(), key.size(), digest.data());
  return LoadBig32(digest.data());
}

}  // namespace ballast::ha
