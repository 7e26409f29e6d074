#include "ha/advert.h"

#include <algorithm>

#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

constexpr uint16_t kFlagsMax = 0x7f;
constexpr int64_t kIntervalMinUs = 1'000;
constexpr int64_t kIntervalMaxUs = 60'000'000;

// Single units send no adverts, so no advert speaks of one.
bool InRange(uint8_t mode, uint8_t role, uint16_t flags, int64_t interval_us,
             uint8_t interfaces_up, uint8_t interfaces) {
  return mode >= static_cast<uint8_t>(Mode::kFirst) &&
         mode <= static_cast<uint8_t>(Mode::kSecond) &&
         role >= static_cast<uint8_t>(Role::kBooting) &&
         role <= static_cast<uint8_t>(Role::kLeaving) && flags <= kFlagsMax &&
         interval_us >= kIntervalMinUs && interval_us <= kIntervalMaxUs &&
         interfaces_up <= interfaces;
}

void CopyTo(std::span<const uint8_t> bytes, std::array<uint8_t, 16>& to) {
  std::copy(bytes.begin(), bytes.end(), to.begin());
}

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kSingle:
      return "single";
    case Role::kBooting:
      return "booting";
    case Role::kStandby:
      return "standby";
    case Role::kActive:
      return "active";
    case Role::kPassive:
      return "passive";
    case Role::kLeaving:
      return "leaving";
  }
  return "unknown";
}

void EncodeAdvert(const Advert& advert, std::span<uint8_t, kAdvertSize> bytes) {
  const auto mode = static_cast<uint8_t>(advert.mode);
  const auto role = static_cast<uint8_t>(advert.role);
  const int64_t interval_us = absl::ToInt64Microseconds(advert.interval);
  BALLAST_CHECK(InRange(mode, role, advert.flags, interval_us,
                        advert.interfaces_up, advert.interfaces));
  BALLAST_CHECK(absl::Microseconds(interval_us) == advert.interval);
  ByteWriter writer(bytes);
  writer.U8(mode);
  writer.U8(role);
  writer.U16(advert.flags);
  writer.U32(static_cast<uint32_t>(interval_us));
  writer.U64(advert.config_generation);
  writer.U64(advert.sync_position);
  writer.Bytes(advert.shared.bytes());
  writer.U8(advert.interfaces_up);
  writer.U8(advert.interfaces);
  writer.U8(advert.passive_reason);
  writer.U8(advert.takeovers);
  writer.Bytes(advert.answer);
  writer.Bytes(advert.challenge);
  BALLAST_CHECK(writer.ok() && writer.remaining() == 0);
}

std::optional<Advert> DecodeAdvert(std::span<const uint8_t> bytes) {
  if (bytes.size() != kAdvertSize) return std::nullopt;
  ByteReader reader(bytes);
  Advert advert;
  const uint8_t mode = reader.U8();
  const uint8_t role = reader.U8();
  advert.flags = reader.U16();
  const uint32_t interval_us = reader.U32();
  advert.config_generation = reader.U64();
  advert.sync_position = reader.U64();
  advert.shared = Address::FromBytes(reader.Bytes(16));
  advert.interfaces_up = reader.U8();
  advert.interfaces = reader.U8();
  advert.passive_reason = reader.U8();
  advert.takeovers = reader.U8();
  CopyTo(reader.Bytes(16), advert.answer);
  CopyTo(reader.Bytes(16), advert.challenge);
  BALLAST_CHECK(reader.AtEnd());
  if (!InRange(mode, role, advert.flags, interval_us, advert.interfaces_up,
               advert.interfaces)) {
    return std::nullopt;
  }
  advert.mode = static_cast<Mode>(mode);
  advert.role = static_cast<Role>(role);
  advert.interval = absl::Microseconds(interval_us);
  return advert;
}

}  // namespace ballast::ha
