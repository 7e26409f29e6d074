#include "ha/carp_receiver.h"

#include <algorithm>
#include <utility>

namespace ballast::ha {
namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kType = 1;

}  // namespace

const char* CarpRefusalName(CarpRefusal refusal) {
  switch (refusal) {
    case CarpRefusal::kNone:
      return "none";
    case CarpRefusal::kOwn:
      return "own";
    case CarpRefusal::kTtl:
      return "ttl";
    case CarpRefusal::kTooShort:
      return "too_short";
    case CarpRefusal::kVersion:
      return "version";
    case CarpRefusal::kOtherVhid:
      return "other_vhid";
    case CarpRefusal::kDestination:
      return "destination";
    case CarpRefusal::kBadIpChecksum:
      return "bad_ip_checksum";
    case CarpRefusal::kBadChecksum:
      return "bad_checksum";
    case CarpRefusal::kType:
      return "type";
    case CarpRefusal::kBadDigest:
      return "bad_digest";
    case CarpRefusal::kNotThePeer:
      return "not_the_peer";
    case CarpRefusal::kBowOut:
      return "bow_out";
    case CarpRefusal::kOtherTiming:
      return "other_timing";
  }
  return "?";
}

Address CarpGroupV4() { return Address::V4(0xe0000012); }

Address CarpGroupV6() {
  return Address::V6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12});
}

CarpReceiver::CarpReceiver(CarpKey key, Options options)
    : key_(std::move(key)), options_(std::move(options)) {}

CarpRefusal CarpReceiver::Receive(const CarpPacket& packet,
                                  CarpAdvert* advert) {
  const CarpRefusal refusal = Check(packet, advert);
  ++counts_[static_cast<size_t>(refusal)];
  return refusal;
}

CarpRefusal CarpReceiver::Check(const CarpPacket& packet,
                                CarpAdvert* advert) const {
  if (std::find(options_.own.begin(), options_.own.end(), packet.source) !=
      options_.own.end()) {
    return CarpRefusal::kOwn;
  }
  if (packet.ttl != 255) return CarpRefusal::kTtl;
  if (packet.payload.size() < kCarpAdvertSize) return CarpRefusal::kTooShort;
  if (packet.payload[0] >> 4 != kVersion) return CarpRefusal::kVersion;
  const auto decoded = DecodeCarpAdvert(packet.payload);
  if (decoded->vhid != key_.vhid()) return CarpRefusal::kOtherVhid;
  if (!MayBeSentTo(packet.destination)) return CarpRefusal::kDestination;
  if (!packet.ip_checksum_good) return CarpRefusal::kBadIpChecksum;
  if (!CarpChecksumGood(packet.payload)) return CarpRefusal::kBadChecksum;
  if (decoded->type != kType) return CarpRefusal::kType;
  if (!key_.Verify(*decoded)) return CarpRefusal::kBadDigest;
  if (const auto& peer = options_.peer) {
    // After the digest, so that these say "somebody knows the password".
    if (packet.source != peer->source) return CarpRefusal::kNotThePeer;
    if (IsCarpBowOut(*decoded)) {
      if (!peer->allow_bow_out) return CarpRefusal::kBowOut;
    } else if (decoded->advbase != peer->advbase ||
               decoded->advskew != peer->advskew) {
      return CarpRefusal::kOtherTiming;
    }
  }
  *advert = *decoded;
  return CarpRefusal::kNone;
}

bool CarpReceiver::MayBeSentTo(const Address& destination) const {
  return destination == options_.group || destination == CarpGroupV6() ||
         destination == Address::V4(0xffffffff);
}

}  // namespace ballast::ha
