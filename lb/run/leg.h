// One TCP connection of a proxy, to a client or to a server, on a reactor;
// with TLS or without.
//
//   auto* leg = new Leg(reactor, owner, std::move(fd));
//   leg->SetReading(true);  leg->Send(bytes);  ...
//   leg->Close();           // And forget it: it deletes itself.
//
// Sends    one at a time, each answered by exactly one OnSent(), also after
//          Close(), Linger() and Reset(); until then the bytes stay in place
//          and the owner exists. Nothing else is told after those three.
// Reading  what was on its way when it was switched off may still come.
// TLS      bytes and ends are those inside of it, connected is when it is open.
//          A stream that ends without close_notify is OnGone(): anybody could
//          have cut it. What went wrong is in tls(); the peer is told by an
//          alert, also before a Reset().
// Errors   one OnGone(): reset, a failed send, no connection, no handshake in
//          kHandshakeTime. Then Close(). What had come before a send failed is
//          told first, if reading was wanted.
// Cost     no allocation but the leg.
// Threads  the reactor's.
#ifndef LB_RUN_LEG_H_
#define LB_RUN_LEG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/unique_fd.h"
#include "lb/run/alarm.h"
#include "lb/tls/session.h"

namespace ballast::run {

class Leg {
 public:
  class Owner {
   public:
    // After Connect(), with TLS after the handshake; and after the handshake of
    // one that was accepted.
    virtual void OnConnected(Leg& leg) = 0;
    virtual void OnBytes(Leg& leg, std::span<const uint8_t> bytes) = 0;
    // The peer sends no more.
    virtual void OnEnd(Leg& leg) = 0;
    virtual void OnGone(Leg& leg) = 0;
    // The first `count` bytes of the send went.
    virtual void OnSent(Leg& leg, size_t count) = 0;

   protected:
    ~Owner() = default;
  };

  // Closing while the peer still sends: so much is read and thrown away, for so
  // long, that it can read what was sent before the reset.
  static constexpr size_t kLingerBytes = 256 * 1024;
  static constexpr absl::Duration kLingerTime = absl::Seconds(2);

  static constexpr absl::Duration kHandshakeTime = absl::Seconds(10);

  // `tls`: null without.
  Leg(Reactor& reactor, Owner& owner, UniqueFd fd,
      std::unique_ptr<tls::Session> tls = nullptr);
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  // Answered by OnConnected() or OnGone().
  void Connect(const Endpoint& to);
  void SetReading(bool wanted);
  void Send(std::span<const uint8_t> bytes);
  // No more will be sent; no send is under way.
  void EndWriting();

  void Close();
  void Linger();
  // So that the peer sees it as an error.
  void Reset();

  // While nothing is being sent.
  void SetOwner(Owner& owner) { owner_ = &owner; }
  bool sending() const { return sent_owed_; }
  // Null: none.
  const tls::Session* tls() const { return tls_.get(); }
  // After Connect(): there is a TCP connection.
  bool reached() const { return reached_; }
  // In OnGone(): the errno of a failed connect or receive; 0: neither.
  int error() const { return error_; }
  // Idle and read from: whether nothing has come that was not told. What comes
  // then can only answer the next Send(), of which the kernel has the beginning
  // when it returns.
  bool BeginAgain();
  // It will be idle: gives back the memory of buffers, if those it sends from
  // are of more than `kept` bytes.
  void Trim(size_t kept = 0);
  int fd() const { return fd_.get(); }

 private:
  ~Leg() = default;
  // Calls the owner, who may close the leg in there.
  template <typename Call>
  void Tell(Call call);
  void Gone();
  // `sent_owed_`.
  void ReportSent(size_t count);
  void Received(std::span<const uint8_t> cipher);
  // Has TLS take what is to be sent, and sends what it makes of it.
  void Pump();
  void StartSend(std::span<const uint8_t> bytes);
  // TLS has failed: tells the peer why.
  void Alert();
  void BeginLingering();
  void OnAlarm();
  void Leave();
  void DeleteIfIdle();
  void OnConnect(Completion completion);
  void OnReceive(Completion completion);
  void OnSend(Completion completion);

  Reactor& reactor_;
  Owner* owner_;
  UniqueFd fd_;
  SocketAddress to_;
  // Of a send: all of it, and what TLS has yet to take.
  size_t send_size_ = 0;
  std::span<const uint8_t> untaken_;
  bool sent_owed_ = false;  // OnSent() is to come.
  std::unique_ptr<tls::Session> tls_;
  std::vector<uint8_t> cipher_;  // Being sent.
  size_t linger_left_ = 0;  // Bytes yet to be thrown away; 0: not lingering.
  bool closed_ = false;     // By the owner.
  bool reading_ = false;    // Wanted.
  bool ended_ = false;      // Nothing more comes.
  bool gone_ = false;       // Told.
  bool failed_ = false;     // A send has; what came before it is being read.
  bool reached_ = false;
  bool handshaking_ = false;  // OnConnected() is to come.
  bool alerted_ = false;
  int error_ = 0;
  bool at_once_ = false;  // The next send.
  int calls_ = 0;         // The owner is being called.
  Alarm alarm_{reactor_, [this] { OnAlarm(); }};
  Operation connect_ = Operation::To<&Leg::OnConnect>(this);
  Operation receive_ = Operation::To<&Leg::OnReceive>(this);
  Operation send_ = Operation::To<&Leg::OnSend>(this);
};

}  // namespace ballast::run

#endif  // LB_RUN_LEG_H_
