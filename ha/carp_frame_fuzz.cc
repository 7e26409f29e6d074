// Property: a frame that parses points inside itself, and what the receiver
// makes of it is counted once. With the key of the captures among the seeds,
// what is accepted verifies.
#include <vector>

#include "ha/carp_frame.h"
#include "ha/carp_receiver.h"
#include "io/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::ha;
  using ballast::Address;
  const auto packet = ParseCarpFrame({data, size});
  if (!packet) return 0;
  BALLAST_CHECK(packet->payload.data() >= data);
  BALLAST_CHECK(packet->payload.data() + packet->payload.size() <= data + size);
  auto key =
      CarpKey::Create("kemp-secret", 7, std::vector{Address::V4(0x0a4d0064)});
  BALLAST_CHECK(key.ok());
  CarpReceiver receiver(*std::move(key), {});
  CarpAdvert advert;
  const CarpRefusal refusal = receiver.Receive(*packet, &advert);
  BALLAST_CHECK(receiver.count(refusal) == 1);
  if (refusal == CarpRefusal::kNone) {
    BALLAST_CHECK(packet->ttl == 255 && receiver.key().Verify(advert));
  }
  return 0;
}
