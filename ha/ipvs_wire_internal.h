// What writing and reading of the IPVS wire format share.
#ifndef HA_IPVS_WIRE_INTERNAL_H_
#define HA_IPVS_WIRE_INTERNAL_H_

#include <cstddef>
#include <cstdint>

namespace ballast::ha::ipvs_internal {

inline constexpr size_t kHeaderV0Size = 4;
inline constexpr size_t kEntryV0Size = 24;
inline constexpr size_t kSequenceSize = 24;
inline constexpr size_t kDetailSize = 16;
inline constexpr size_t kPeNameMax = 16;

inline constexpr uint8_t kTypeV6 = 0x01;

enum OptionType : uint8_t {
  kSequenceOption = 1,
  kPeDataOption = 2,
  kPeNameOption = 3,
  kIgnorable = 0x40,  // A bit: may be ignored by who does not know the rest.
  kDetailOption = 0x7d,
};

inline size_t Align(size_t size) { return (size + 3) & ~size_t{3}; }

}  // namespace ballast::ha::ipvs_internal

#endif  // HA_IPVS_WIRE_INTERNAL_H_
