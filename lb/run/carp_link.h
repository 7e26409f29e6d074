// This unit's CARP on a link: the pure node (ha/carp_node.h) on real sockets.
//
// Adverts come by a raw socket of IP protocol 112, and leave as whole frames,
// so that their source can be the MAC of the floating addresses, and ucarp's
// kind of broadcast is possible.
//
// Errors   Open() names the socket that cannot be had. What cannot be sent is
//          told to the node (C8), what is not the peer's is counted, and said
//          once a minute if it may well have been meant for this unit.
// Threads  the reactor's.
#ifndef LB_RUN_CARP_LINK_H_
#define LB_RUN_CARP_LINK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/carp_frame.h"
#include "ha/carp_node.h"
#include "ha/carp_receiver.h"
#include "ha/carp_wire.h"
#include "io/base/instant.h"
#include "io/datagram.h"
#include "io/frame_sender.h"
#include "io/raw_socket.h"
#include "io/reactor.h"
#include "lb/run/alarm.h"
#include "lb/run/polled_socket.h"

namespace ballast::run {

class CarpLink {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Serve, and announce the addresses; or serve no more.
    virtual void OnTake() = 0;
    virtual void OnDrop() = 0;
    virtual void OnAnnounce() = 0;
    virtual void OnCarpRole(ha::CarpRole role, ha::CarpReason reason) = 0;
    // Of a master; changes with each advert, and before OnTake().
    virtual void OnLease(Instant until) = 0;
    // Another master was heard that will yield to this one.
    virtual void OnWeakerMaster() = 0;
    virtual void OnRefused(absl::string_view line) = 0;
  };

  struct Options {
    std::string interface;
    ha::CarpNode::Options node;
    ha::CarpReceiver::Peer peer;
    ha::CarpFraming framing;  // `source` is this unit's own address.
  };

  // Of valid node options. `reactor` and `owner` outlive it.
  static absl::StatusOr<std::unique_ptr<CarpLink>> Open(Reactor& reactor,
                                                        Options options,
                                                        ha::CarpKey key,
                                                        Owner& owner);

  // Carrier.
  void SetUsable(bool usable) { Step(ha::CarpUsable{.usable = usable}); }
  void Switchover() { Step(ha::CarpSwitchover{}); }
  void Leave() { Step(ha::CarpLeave{}); }

  const ha::CarpNode& node() const { return node_; }
  const ha::CarpReceiver& receiver() const { return receiver_; }
  uint64_t send_failed() const { return send_failed_; }
  // Whether the peer has said lately that it is master.
  bool hears_master(Instant now) const { return now < heard_until_; }

 private:
  // How often refused adverts are told of.
  static constexpr absl::Duration kTellRefused = absl::Minutes(1);

  CarpLink(Reactor& reactor, Options options, ha::CarpKey key,
           FrameSender sender, RawSocket socket, Owner& owner);
  void OnDatagram(const ReceivedDatagram& datagram);
  void Refuse(Instant now, ha::CarpRefusal refusal, const Address& source);
  void Step(const ha::CarpEvent& event);
  void Send(ha::CarpAction action);

  Owner& owner_;
  ha::CarpFraming framing_;
  ha::CarpReceiver receiver_;
  ha::CarpCounter counter_;
  ha::CarpNode node_;
  FrameSender sender_;
  uint64_t send_failed_ = 0;
  Instant heard_until_ = Instant::FromNanos(0);
  Instant next_refusal_told_ = Instant::FromNanos(0);
  Alarm alarm_;
  PolledSocket<RawSocket> socket_;
};

}  // namespace ballast::run

#endif  // LB_RUN_CARP_LINK_H_
