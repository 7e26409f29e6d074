#include "ha/carp_wire.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/checksum.h"

namespace ballast::ha {
namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kType = 1;

static_assert(std::tuple_size_v<CarpDigest> == SHA_DIGEST_LENGTH);

// BSD writes an interface's number into bytes 2 and 3 of a link-local address.
Address WithoutScope(const Address& address) {
  if (address.is_v4() || !address.is_link_local()) return address;
  std::array<uint8_t, 16> bytes = address.bytes();
  bytes[2] = bytes[3] = 0;
  return Address::V6(bytes);
}

// SHA-1's state after the padded key and what never changes of the message.
SHA_CTX Begin(absl::string_view password, uint8_t pad,
              std::span<const uint8_t> message) {
  std::array<uint8_t, SHA_CBLOCK> block;
  block.fill(pad);
  for (size_t i = 0; i < password.size(); ++i) {
    block[i] ^= static_cast<uint8_t>(password[i]);
  }
  SHA_CTX state;
  SHA1_Init(&state);
  SHA1_Update(&state, block.data(), block.size());
  SHA1_Update(&state, message.data(), message.size());
  OPENSSL_cleanse(block.data(), block.size());
  return state;
}

}  // namespace

void EncodeCarpAdvert(const CarpAdvert& advert,
                      std::span<uint8_t, kCarpAdvertSize> bytes) {
  ByteWriter writer(bytes);
  writer.U8(static_cast<uint8_t>(kVersion << 4 | (advert.type & 0x0f)));
  writer.U8(advert.vhid);
  writer.U8(advert.advskew);
  writer.U8(advert.auth_words);
  writer.U8(advert.demotion);
  writer.U8(advert.advbase);
  writer.U16(0);
  writer.U64(advert.counter);
  writer.Bytes(advert.digest);
  BALLAST_CHECK(writer.ok() && writer.remaining() == 0);
  StoreBig16(bytes.data() + 6, Checksum(bytes));
}

std::optional<CarpAdvert> DecodeCarpAdvert(std::span<const uint8_t> payload) {
  ByteReader reader(payload);
  const uint8_t version_type = reader.U8();
  CarpAdvert advert;
  advert.type = version_type & 0x0f;
  advert.vhid = reader.U8();
  advert.advskew = reader.U8();
  advert.auth_words = reader.U8();
  advert.demotion = reader.U8();
  advert.advbase = reader.U8();
  reader.Skip(2);
  advert.counter = reader.U64();
  const auto digest = reader.Bytes(advert.digest.size());
  if (!reader.ok() || version_type >> 4 != kVersion) return std::nullopt;
  std::copy(digest.begin(), digest.end(), advert.digest.begin());
  return advert;
}

bool CarpChecksumGood(std::span<const uint8_t> payload) {
  return payload.size() >= kCarpAdvertSize &&
         Checksum(payload.first(kCarpAdvertSize)) == 0;
}

// The two halves of HMAC, begun. One block of the key each, so an advert costs
// what its last blocks cost.
struct CarpKey::State {
  uint8_t vhid;
  SHA_CTX inner;
  SHA_CTX outer;
  // The same without link-local addresses, if there are any.
  std::optional<SHA_CTX> inner_without_link_local;

  ~State() { OPENSSL_cleanse(this, sizeof(*this)); }

  CarpDigest Finish(const SHA_CTX& begun, uint64_t counter) const {
    CarpDigest digest;
    std::array<uint8_t, 8> bytes;
    StoreBig64(bytes.data(), counter);
    SHA_CTX state = begun;
    SHA1_Update(&state, bytes.data(), bytes.size());
    SHA1_Final(digest.data(), &state);
    state = outer;
    SHA1_Update(&state, digest.data(), digest.size());
    SHA1_Final(digest.data(), &state);
    OPENSSL_cleanse(&state, sizeof(state));
    return digest;
  }
};

absl::StatusOr<CarpKey> CarpKey::Create(absl::string_view password,
                                        uint8_t vhid,
                                        std::span<const Address> addresses) {
  if (password.empty() || password.size() > kCarpPasswordSizeMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("CARP password: ", password.size(), " bytes, must be 1..",
                     kCarpPasswordSizeMax));
  }
  if (password.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        "CARP password: has a zero byte, which other units take for its end");
  }
  if (vhid == 0) {
    return absl::InvalidArgumentError("CARP VHID: 0, must be 1..255");
  }
  if (addresses.empty() || addresses.size() > kCarpAddressCountMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("CARP shared addresses: ", addresses.size(),
                     ", must be 1..", kCarpAddressCountMax));
  }
  std::vector<Address> sorted;
  for (const Address& address : addresses) {
    if (address.is_unspecified() || address.is_multicast()) {
      return absl::InvalidArgumentError(
          absl::StrCat("CARP shared address: ", address.ToString(),
                       ", must be a unit's address"));
    }
    sorted.push_back(WithoutScope(address));
  }
  // IPv4 before IPv6, which the mapped form of an Address does not do.
  std::sort(
      sorted.begin(), sorted.end(), [](const Address& a, const Address& b) {
        return std::make_pair(!a.is_v4(), a) < std::make_pair(!b.is_v4(), b);
      });
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());

  std::vector<uint8_t> message = {kVersion, kType, vhid};
  std::vector<uint8_t> without_link_local = message;
  bool has_link_local = false;
  for (const Address& address : sorted) {
    const auto wire = address.wire();
    message.insert(message.end(), wire.begin(), wire.end());
    if (!address.is_v4() && address.is_link_local()) {
      has_link_local = true;
      continue;
    }
    without_link_local.insert(without_link_local.end(), wire.begin(),
                              wire.end());
  }
  auto state = std::make_unique<State>();
  state->vhid = vhid;
  state->inner = Begin(password, 0x36, message);
  state->outer = Begin(password, 0x5c, {});
  if (has_link_local) {
    state->inner_without_link_local = Begin(password, 0x36, without_link_local);
  }
  return CarpKey(std::move(state));
}

CarpKey::CarpKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
CarpKey::~CarpKey() = default;
CarpKey::CarpKey(CarpKey&&) noexcept = default;
CarpKey& CarpKey::operator=(CarpKey&&) noexcept = default;

uint8_t CarpKey::vhid() const { return state_->vhid; }

CarpDigest CarpKey::Digest(uint64_t counter) const {
  return state_->Finish(state_->inner, counter);
}

void CarpKey::Sign(CarpAdvert& advert) const {
  advert.vhid = vhid();
  advert.digest = Digest(advert.counter);
}

bool CarpKey::Verify(const CarpAdvert& advert) const {
  const auto equal = [&advert](const CarpDigest& digest) {
    return CRYPTO_memcmp(digest.data(), advert.digest.data(), digest.size()) ==
           0;
  };
  bool good = equal(Digest(advert.counter));
  if (state_->inner_without_link_local) {
    // Both are always computed: the time says nothing of either.
    good |= equal(
        state_->Finish(*state_->inner_without_link_local, advert.counter));
  }
  return good && advert.vhid == vhid();
}

}  // namespace ballast::ha
