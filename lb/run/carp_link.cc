#include "lb/run/carp_link.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/file.h"

namespace ballast::run {
namespace {

constexpr uint8_t kTtl = 255;
constexpr size_t kAdvertBytesMax = 512;

template <typename T>
T Random() {
  std::array<uint8_t, sizeof(T)> bytes;
  FillRandom(bytes);
  T value = 0;
  for (const uint8_t byte : bytes) value = static_cast<T>(value << 8 | byte);
  return value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CarpLink>> CarpLink::Open(Reactor& reactor,
                                                         Options options,
                                                         ha::CarpKey key,
                                                         Owner& owner) {
  const bool v4 = options.framing.source.is_v4();
  BALLAST_ASSIGN_OR_RETURN(
      RawSocket socket,
      RawSocket::Open(
          {.family = v4 ? RawSocket::Family::kIpv4 : RawSocket::Family::kIpv6,
           .protocol = ha::kCarpIpProtocol,
           .interface = options.interface,
           .ttl = kTtl}));
  BALLAST_ASSIGN_OR_RETURN(const int ifindex,
                           InterfaceIndex(options.interface));
  BALLAST_RETURN_IF_ERROR(
      socket.Join(v4 ? options.framing.group_v4 : ha::CarpGroupV6(), ifindex));
  BALLAST_ASSIGN_OR_RETURN(FrameSender sender,
                           FrameSender::Open(options.interface));
  return std::unique_ptr<CarpLink>(
      new CarpLink(reactor, std::move(options), std::move(key),
                   std::move(sender), std::move(socket), owner));
}

CarpLink::CarpLink(Reactor& reactor, Options options, ha::CarpKey key,
                   FrameSender sender, RawSocket socket, Owner& owner)
    : owner_(owner),
      framing_(options.framing),
      receiver_(std::move(key), {.own = {options.framing.source},
                                 .group = options.framing.group_v4,
                                 .peer = options.peer}),
      node_(options.node, MonotonicNow()),
      sender_(std::move(sender)),
      alarm_(reactor,
             [this] {
               // What arrived before now is heard before the time is looked at.
               socket_.Read();
               Step(ha::CarpTick{});
             }),
      socket_(reactor, std::move(socket), kAdvertBytesMax,
              {.on_datagram =
                   [this](const ReceivedDatagram& datagram) {
                     OnDatagram(datagram);
                   },
               .on_end = [] {}}) {
  alarm_.Set(node_.deadline());
}

void CarpLink::OnDatagram(const ReceivedDatagram& datagram) {
  ha::CarpAdvert advert;
  const ha::CarpRefusal refusal =
      receiver_.Receive({.source = datagram.source.address,
                         .destination = datagram.destination,
                         .ttl = datagram.ttl,
                         .payload = datagram.payload},
                        &advert);
  const Instant now = MonotonicNow();
  if (refusal != ha::CarpRefusal::kNone) {
    Refuse(now, refusal, datagram.source.address);
    return;
  }
  counter_.OnAccepted(advert.counter);
  heard_until_ =
      ha::IsCarpBowOut(advert) ? now : now + node_.master_down_time();
  const bool was_master = node_.role() == ha::CarpRole::kMaster;
  Step(ha::CarpHeard{.source = datagram.source.address,
                     .advbase = advert.advbase,
                     .advskew = advert.advskew,
                     .demotion = advert.demotion});
  if (was_master && node_.role() == ha::CarpRole::kMaster &&
      !ha::IsCarpBowOut(advert)) {
    owner_.OnWeakerMaster();
  }
}

// Two units that are meant to be a pair and do not believe each other both
// serve: that must not go unsaid.
void CarpLink::Refuse(Instant now, ha::CarpRefusal refusal,
                      const Address& source) {
  const char* why = "";
  switch (refusal) {
    case ha::CarpRefusal::kBadDigest:
      why = "another password or shared address, or forged";
      break;
    case ha::CarpRefusal::kNotThePeer:
      why = "not plain.peer_address";
      break;
    case ha::CarpRefusal::kOtherTiming:
      why = "not plain.peer_advbase and peer_advskew";
      break;
    default:
      return;
  }
  if (now < next_refusal_told_) return;
  next_refusal_told_ = now + kTellRefused;
  owner_.OnRefused(
      absl::StrCat("CARP adverts from ", source.ToString(), " refused: ", why));
}

void CarpLink::Step(const ha::CarpEvent& event) {
  const ha::CarpRole before = node_.role();
  const ha::CarpActions actions = node_.Step(MonotonicNow(), event);
  if (node_.role() == ha::CarpRole::kMaster) owner_.OnLease(node_.lease());
  bool taken = false;
  for (const ha::CarpAction action : actions) {
    switch (action) {
      case ha::CarpAction::kTakeAddresses:
        owner_.OnTake();
        taken = true;
        break;
      case ha::CarpAction::kDropAddresses:
        owner_.OnDrop();
        break;
      case ha::CarpAction::kAnnounce:
        if (!taken) owner_.OnAnnounce();
        break;
      case ha::CarpAction::kSendAdvert:
      case ha::CarpAction::kSendBowOut:
        Send(action);
        break;
    }
  }
  if (node_.role() != before) owner_.OnCarpRole(node_.role(), node_.reason());
  alarm_.Set(node_.deadline());
}

void CarpLink::Send(ha::CarpAction action) {
  ha::CarpAdvert advert =
      node_.MakeAdvert(action, counter_.Next(Random<uint64_t>()));
  receiver_.key().Sign(advert);
  framing_.identification = Random<uint16_t>();
  std::array<uint8_t, ha::kCarpFrameSizeMax> buffer;
  const absl::Status sent =
      sender_.Send(ha::BuildCarpFrame(framing_, advert, buffer));
  if (!sent.ok()) ++send_failed_;
  Step(ha::CarpSent{.ok = sent.ok()});  // Which sends nothing.
}

}  // namespace ballast::run
