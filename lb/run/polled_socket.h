// A socket that is read whenever something is there, and can be left at any
// time, as an operation of the reactor's cannot.
//
// Socket   RawSocket, UdpMulticast: fd(), Receive(buffer).
// Bounds   kReadsMax datagrams a turn, so that a flood leaves time for
//          everything else.
// Threads  the reactor's.
#ifndef LB_RUN_POLLED_SOCKET_H_
#define LB_RUN_POLLED_SOCKET_H_

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "io/datagram.h"
#include "io/reactor.h"

namespace ballast::run {

template <typename Socket>
class PolledSocket {
 public:
  static constexpr int kReadsMax = 512;

  struct Hooks {
    absl::AnyInvocable<void(const ReceivedDatagram&)> on_datagram;
    // All that was there is read. Neither may destroy the socket.
    absl::AnyInvocable<void()> on_end;
  };

  // Longer datagrams than `bytes_max` are cut.
  PolledSocket(Reactor& reactor, Socket socket, size_t bytes_max, Hooks hooks)
      : reactor_(reactor),
        poll_(new Poll{this, reactor, std::move(socket)}),
        buffer_(bytes_max),
        hooks_(std::move(hooks)) {
    poll_->Start();
  }
  ~PolledSocket() { poll_->Leave(); }
  PolledSocket(const PolledSocket&) = delete;
  PolledSocket& operator=(const PolledSocket&) = delete;

  Socket& socket() { return poll_->socket; }

  // What is there now.
  void Read() {
    for (int i = 0; i < kReadsMax; ++i) {
      const auto received = poll_->socket.Receive(buffer_);
      if (!received.ok()) {
        hooks_.on_end();
        return;
      }
      hooks_.on_datagram(*received);
    }
    hooks_.on_end();
    reactor_.Cancel(&poll_->operation);  // Begins anew, with what is left.
  }

 private:
  // Deletes itself when it has been left and the reactor has given back its
  // operation; until then the socket stays open.
  struct Poll {
    PolledSocket* owner;
    Reactor& reactor;
    Socket socket;
    Operation operation = Operation::To<&Poll::OnCompletion>(this);

    void Start() { reactor.Poll(&operation, socket.fd(), POLLIN); }
    void OnCompletion(Completion completion) {
      if (owner != nullptr) owner->Read();
      if (completion.more) return;
      // An error ended it, or a flood is to be read on: from the next turn.
      if (owner == nullptr) {
        delete this;
      } else {
        Start();
      }
    }
    void Leave() {
      owner = nullptr;
      if (operation.pending()) {
        reactor.Cancel(&operation);
      } else {
        delete this;
      }
    }
  };

  Reactor& reactor_;
  Poll* poll_;
  std::vector<uint8_t> buffer_;
  Hooks hooks_;
};

}  // namespace ballast::run

#endif  // LB_RUN_POLLED_SOCKET_H_
