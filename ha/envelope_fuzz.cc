// Properties  no input opens that the key's holder did not seal; none harms the
//             opener, who goes on to open what is genuine. Inputs come as they
//             are, then as changes to a genuine envelope: where they say, so
//             that they get past the header.
#include <algorithm>
#include <array>
#include <vector>

#include "ha/envelope.h"
#include "ha/pair_key.h"
#include "io/base/check.h"

namespace {

using namespace ballast::ha;

constexpr uint8_t kPair = 7;

// Takes `input` as a list of changes, each of 3 bytes: what, where, value.
void Change(std::vector<uint8_t>& bytes, std::span<const uint8_t> input) {
  for (; input.size() >= 3; input = input.subspan(3)) {
    if (bytes.empty()) return;
    const size_t at = input[1] % bytes.size();
    switch (input[0] % 4) {
      case 0:
        bytes[at] = input[2];
        break;
      case 1:
        bytes[at] ^= 1 << (input[2] % 8);
        break;
      case 2:
        bytes.resize(at);
        break;
      default:
        bytes.insert(bytes.begin() + at, input[2]);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> input(data, size);
  // (Keys that seal nothing here: a fuzzer that traces comparisons would learn
  // what genuine envelopes look like, and hand one in.)
  std::array<PairKey, 2> unused_keys;
  unused_keys[0].fill(2);
  unused_keys[1].fill(3);
  Opened opened;
  BALLAST_CHECK(Opener(unused_keys, kPair, 1, 100).Open(input, &opened) !=
                OpenError::kNone);

  std::array<PairKey, 2> keys{};
  keys[1].fill(1);
  Opener opener(keys, kPair, 1, 100);

  Sealer sealer(keys, kPair, 2, 200);
  std::vector<uint8_t> genuine;
  sealer.Seal(EnvelopeType::kSync, input, genuine);
  std::vector<uint8_t> changed = genuine;
  Change(changed, input);
  const OpenError error = opener.Open(changed, &opened);
  BALLAST_CHECK((error == OpenError::kNone) == (changed == genuine));

  BALLAST_CHECK(opener.Open(genuine, &opened) == OpenError::kNone);
  BALLAST_CHECK(std::equal(opened.payload.begin(), opened.payload.end(),
                           input.begin(), input.end()));
  return 0;
}
