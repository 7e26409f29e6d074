#include "lb/run/pair_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/socket_address.h"

namespace ballast::run {
namespace {

constexpr size_t kLengthSize = 4;

void SetInt(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}

// A partner whose host vanished is given up after some three seconds.
void Tune(int fd) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
  SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

UniqueFd OpenSocket(const Address& own) {
  return UniqueFd(socket(own.is_v4() ? AF_INET : AF_INET6,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

// Each of these three deletes itself when its owner has left it and the reactor
// has given back its operations.

struct PairStream::Acceptor {
  PairStream* owner;
  UniqueFd fd;
  Operation accept = Operation::To<&Acceptor::OnAccept>(this);

  void OnAccept(Completion completion) {
    if (completion.more) {
      UniqueFd accepted(completion.result);
      if (owner != nullptr) owner->OnAccepted(std::move(accepted));
      return;
    }
    if (owner == nullptr) {
      delete this;
    } else {
      owner->reactor_.Accept(&accept, fd.get());  // EMFILE, say.
    }
  }
};

struct PairStream::Dialer {
  PairStream* owner;
  UniqueFd fd;
  SocketAddress to;
  Operation connect = Operation::To<&Dialer::OnConnect>(this);

  void OnConnect(Completion completion) {
    PairStream* const told = owner;
    UniqueFd connected = std::move(fd);
    delete this;
    if (told == nullptr) return;
    told->dialer_ = nullptr;
    told->OnDialed(std::move(connected), completion.result);
  }
};

struct PairStream::Connection {
  PairStream* owner;
  UniqueFd fd;
  bool dialed;
  Instant patience;
  std::vector<uint8_t> incoming{};
  std::vector<uint8_t> sending{};  // The reactor's while send is pending.
  std::vector<uint8_t> outgoing{};
  bool delivering = false;
  Operation receive = Operation::To<&Connection::OnReceive>(this);
  Operation send = Operation::To<&Connection::OnSend>(this);

  void Push(std::span<const uint8_t> message) {
    const size_t at = outgoing.size();
    outgoing.resize(at + kLengthSize + message.size());
    StoreBig32(outgoing.data() + at, static_cast<uint32_t>(message.size()));
    std::copy(message.begin(), message.end(),
              outgoing.begin() + static_cast<ptrdiff_t>(at + kLengthSize));
    Flush();
  }
  void Flush() {
    if (send.pending() || outgoing.empty() || owner == nullptr) return;
    sending.clear();
    std::swap(sending, outgoing);
    owner->reactor_.Send(&send, fd.get(), sending);
  }
  // The owner has let go; the descriptor ends the operations.
  void Leave() {
    Reactor& reactor = owner->reactor_;
    owner = nullptr;
    shutdown(fd.get(), SHUT_RDWR);
    reactor.Cancel(&receive);
    reactor.Cancel(&send);
    MaybeDelete();
  }
  void MaybeDelete() {
    if (owner == nullptr && !delivering && !receive.pending() &&
        !send.pending()) {
      delete this;
    }
  }

  void OnReceive(Completion completion) {
    if (owner == nullptr) {
      if (!completion.more) MaybeDelete();
      return;
    }
    if (completion.result > 0) {
      const auto bytes = completion.buffer.bytes();
      incoming.insert(incoming.end(), bytes.begin(), bytes.end());
      delivering = true;
      Deliver();
      delivering = false;
      if (owner == nullptr) return MaybeDelete();
      if (!completion.more) owner->OnClosed(this);
      return;
    }
    if (!completion.more) owner->OnClosed(this);
  }
  void OnSend(Completion completion) {
    if (owner == nullptr) return MaybeDelete();
    if (completion.result < static_cast<int64_t>(sending.size())) {
      return owner->OnClosed(this);
    }
    Flush();
    if (owner->current_ == this) owner->owner_.OnRoom();
  }
  // Hands over whole messages; may be left by the owner meanwhile.
  void Deliver() {
    size_t at = 0;
    while (owner != nullptr && incoming.size() - at >= kLengthSize) {
      const size_t length = LoadBig32(incoming.data() + at);
      const bool known = owner->current_ == this;
      if (length > (known ? owner->options_.message_max : kHelloBytesMax)) {
        return owner->OnClosed(this);
      }
      if (incoming.size() - at < kLengthSize + length) break;
      owner->OnMessage(this,
                       std::span(incoming).subspan(at + kLengthSize, length));
      at += kLengthSize + length;
    }
    incoming.erase(incoming.begin(),
                   incoming.begin() + static_cast<ptrdiff_t>(at));
  }
};

PairStream::PairStream(Reactor& reactor, const Options& options, Owner& owner)
    : reactor_(reactor),
      options_(options),
      owner_(owner),
      redial_(reactor,
              [this] {
                if (wanted_ && options_.dials && lacks_stream()) Dial();
              }),
      patience_(reactor, [this] {
        Instant next = Instant::Never();
        for (size_t i = 0; i < candidates_.size();) {
          Connection* candidate = candidates_[i];
          if (candidate->patience <= reactor_.Now()) {
            ++stats_.strangers;
            Drop(candidate);
          } else {
            next = std::min(next, candidate->patience);
            ++i;
          }
        }
        patience_.Set(next);
      }) {}

absl::StatusOr<std::unique_ptr<PairStream>> PairStream::Listen(
    Reactor& reactor, const Options& options, Owner& owner) {
  const auto failed = [&](const char* call) {
    return absl::ErrnoToStatus(
        errno,
        absl::StrCat("pair stream, ", call, " on ", options.own.ToString()));
  };
  UniqueFd fd = OpenSocket(options.own.address);
  if (!fd.valid()) return failed("socket");
  SetInt(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  const SocketAddress own(options.own);
  if (bind(fd.get(), own.get(), own.length()) != 0) return failed("bind");
  if (listen(fd.get(), kCandidatesMax) != 0) return failed("listen");
  std::unique_ptr<PairStream> stream(new PairStream(reactor, options, owner));
  stream->acceptor_ = new Acceptor{stream.get(), std::move(fd)};
  reactor.Accept(&stream->acceptor_->accept, stream->acceptor_->fd.get());
  return stream;
}

PairStream::~PairStream() {
  acceptor_->owner = nullptr;
  reactor_.Cancel(&acceptor_->accept);
  if (dialer_ != nullptr) {
    dialer_->owner = nullptr;
    reactor_.Cancel(&dialer_->connect);
  }
  while (!candidates_.empty()) Drop(candidates_.back());
  if (current_ != nullptr) Drop(current_);
}

void PairStream::Want(bool wanted) {
  wanted_ = wanted;
  if (wanted && options_.dials && current_ == nullptr &&
      redial_.deadline() == Instant::Never()) {
    Dial();
  }
}

void PairStream::Renew() {
  if (!wanted_ || !options_.dials) return;
  if (dialer_ != nullptr) {
    dialer_->owner = nullptr;
    reactor_.Cancel(&std::exchange(dialer_, nullptr)->connect);
  }
  renewing_ = current_ != nullptr;
  Dial();
}

void PairStream::Dial() {
  if (dialer_ != nullptr) return;
  UniqueFd fd = OpenSocket(options_.own.address);
  const SocketAddress from(Endpoint{options_.own.address, 0});
  if (fd.valid()) {
    Tune(fd.get());
    SetInt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  }
  if (!fd.valid() || bind(fd.get(), from.get(), from.length()) != 0) {
    redial_.Set(reactor_.Now() + kRedialPause);
    return;
  }
  ++stats_.dialed;
  auto* dialer =
      new Dialer{this, std::move(fd), SocketAddress(options_.partner)};
  dialer_ = dialer;
  reactor_.Connect(&dialer->connect, dialer->fd.get(), dialer->to.get(),
                   dialer->to.length());
  if (dialer->connect.pending()) return;
  dialer_ = nullptr;  // The reactor is being destroyed.
  delete dialer;
}

void PairStream::OnDialed(UniqueFd fd, int result) {
  const bool probing = std::exchange(probing_, false);
  if (result == 0) {
    if (options_.dials && lacks_stream()) Start(std::move(fd), true);
  } else {
    redial_.Set(reactor_.Now() + kRedialPause);
    if (result == -ECONNREFUSED && probing && current_ == nullptr) {
      owner_.OnDown(true);
    }
  }
}

void PairStream::OnAccepted(UniqueFd fd) {
  const Endpoint peer = SocketAddress::Peer(fd.get()).endpoint();
  if (peer.address != options_.partner.address ||
      candidates_.size() >= kCandidatesMax) {
    ++stats_.strangers;
    return;
  }
  ++stats_.accepted;
  Tune(fd.get());
  Start(std::move(fd), false);
}

void PairStream::Start(UniqueFd fd, bool dialed) {
  auto* connection = new Connection{this, std::move(fd), dialed,
                                    reactor_.Now() + kHelloPatience};
  candidates_.push_back(connection);
  reactor_.Receive(&connection->receive, connection->fd.get());
  if (dialed) connection->Push(owner_.Hello());
  if (patience_.deadline() == Instant::Never()) {
    patience_.Set(connection->patience);
  }
}

void PairStream::OnMessage(Connection* connection,
                           std::span<const uint8_t> message) {
  if (connection == current_) {
    if (!owner_.OnMessage(message) && connection == current_) {
      OnClosed(connection);
    }
    return;
  }
  if (!owner_.OnHello(message)) {
    ++stats_.strangers;
    Drop(connection);
    if (options_.dials) redial_.Set(reactor_.Now() + kRedialPause);
    return;
  }
  candidates_.erase(
      std::find(candidates_.begin(), candidates_.end(), connection));
  if (current_ != nullptr) {  // The partner knows that the old one is over.
    ++stats_.broken;
    Drop(current_);
    owner_.OnDown(false);
  }
  current_ = connection;
  renewing_ = false;
  if (!connection->dialed) connection->Push(owner_.Hello());
  owner_.OnUp();
}

void PairStream::OnClosed(Connection* connection) {
  const bool was_up = connection == current_;
  Drop(connection);
  if (!was_up) {
    ++stats_.strangers;
    if (options_.dials) redial_.Set(reactor_.Now() + kRedialPause);
    return;
  }
  ++stats_.broken;
  // Asked before anything else is done: every millisecond counts.
  probing_ = true;
  Dial();
  owner_.OnDown(false);
}

void PairStream::Drop(Connection* connection) {
  if (connection == current_) {
    current_ = nullptr;
  } else {
    candidates_.erase(
        std::find(candidates_.begin(), candidates_.end(), connection));
  }
  connection->Leave();
}

bool PairStream::Send(std::span<const uint8_t> message) {
  if (current_ == nullptr) return false;
  const size_t waiting = current_->outgoing.size() + current_->sending.size();
  if (waiting > 0 && waiting + message.size() > options_.outgoing_max) {
    return false;
  }
  current_->Push(message);
  return true;
}

}  // namespace ballast::run
