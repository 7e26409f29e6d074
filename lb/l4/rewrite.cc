#include "lb/l4/rewrite.h"

#include "io/base/check.h"

namespace ballast::l4 {
namespace {

using rewrite_internal::AddressDelta;
using rewrite_internal::Fold;
using rewrite_internal::Native16;

// Changes fields of the quoted packet and keeps the sum of all those changes,
// which is what the ICMP checksum must follow.
class QuoteEditor {
 public:
  QuoteEditor(Frame& frame, const Packet& packet)
      : packet_(packet),
        ip_(frame.data + packet.embedded.l3),
        transport_(frame.data + packet.embedded.l4),
        transport_size_(packet.embedded.end - packet.embedded.l4) {}

  void Replace(uint8_t* address_field, uint8_t* port_field,
               const uint8_t* address, uint16_t port) {
    const NatDelta delta = MakeNatDelta(address_field, LoadBig16(port_field),
                                        address, port, packet_.v6);
    sum_ += delta.address_and_port;
    std::memcpy(address_field, address, packet_.address_size());
    StoreBig16(port_field, port);
    if (!packet_.v6) UpdateField(ip_ + 10, delta.address, false);
    if (packet_.embedded.protocol == kProtocolUdp) {
      UpdateField(transport_ + 6, delta.address_and_port, true);
    } else if (transport_size_ >= 18) {  // Else cut off before the checksum.
      UpdateField(transport_ + 16, delta.address_and_port, false);
    }
  }

  uint8_t* ip() const { return ip_; }
  uint8_t* transport() const { return transport_; }
  uint64_t sum() const { return sum_; }

 private:
  void UpdateField(uint8_t* field, uint16_t delta, bool udp) {
    const uint16_t before = Native16(field);
    if (udp) {
      rewrite_internal::UpdateFinishedUdp(field, delta);
    } else {
      rewrite_internal::UpdateFinished(field, delta);
    }
    sum_ += static_cast<uint16_t>(~before) + uint64_t{Native16(field)};
  }

  const Packet& packet_;
  uint8_t* ip_;
  uint8_t* transport_;
  uint32_t transport_size_;
  uint64_t sum_ = 0;
};

// Returns the change to the sums that cover the address.
uint16_t ReplaceOuter(Frame& frame, const Packet& packet, uint8_t* field,
                      const uint8_t* address) {
  const uint16_t delta = Fold(AddressDelta(field, address, packet.v6));
  std::memcpy(field, address, packet.address_size());
  if (!packet.v6) {
    rewrite_internal::UpdateFinished(frame.data + packet.l3 + 10, delta);
  }
  return delta;
}

}  // namespace

void TranslateError(Frame& frame, const Packet& packet,
                    const ErrorRewrite& rewrite) {
  BALLAST_CHECK(packet.kind == PacketKind::kIcmpError);
  QuoteEditor quote(frame, packet);
  if (rewrite.embedded_source != nullptr) {
    quote.Replace(EmbeddedSourceBytes(frame, packet), quote.transport(),
                  rewrite.embedded_source, rewrite.embedded_source_port);
  }
  if (rewrite.embedded_destination != nullptr) {
    quote.Replace(EmbeddedDestinationBytes(frame, packet),
                  quote.transport() + 2, rewrite.embedded_destination,
                  rewrite.embedded_destination_port);
  }
  uint64_t outer = 0;
  if (rewrite.outer_source != nullptr) {
    outer += ReplaceOuter(frame, packet, SourceBytes(frame, packet),
                          rewrite.outer_source);
  }
  if (rewrite.outer_destination != nullptr) {
    outer += ReplaceOuter(frame, packet, DestinationBytes(frame, packet),
                          rewrite.outer_destination);
  }
  uint8_t* checksum = frame.data + packet.l4 + 2;
  if (packet.partial_checksum) {
    // Covers the pseudo-header alone, which ICMPv6 has and ICMP has not.
    if (packet.v6) rewrite_internal::UpdatePartial(checksum, Fold(outer));
    return;
  }
  rewrite_internal::UpdateFinished(checksum,
                                   Fold(quote.sum() + (packet.v6 ? outer : 0)));
}

}  // namespace ballast::l4
