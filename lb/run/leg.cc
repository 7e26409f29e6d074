#include "lb/run/leg.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "io/base/check.h"
#include "io/tcp_socket.h"

namespace ballast::run {

Leg::Leg(Reactor& reactor, Owner& owner, UniqueFd fd,
         std::unique_ptr<tls::Session> tls)
    : reactor_(reactor),
      owner_(&owner),
      fd_(std::move(fd)),
      tls_(std::move(tls)) {
  if (tls_ == nullptr) return;
  handshaking_ = true;
  alarm_.Set(reactor_.Now() + kHandshakeTime);
}

template <typename Call>
void Leg::Tell(Call call) {
  ++calls_;
  call(*owner_);
  --calls_;
  if (closed_) DeleteIfIdle();
}

void Leg::Gone() {
  if (gone_) return;
  gone_ = true;
  ++calls_;
  owner_->OnGone(*this);
  if (failed_ && sent_owed_) ReportSent(0);
  --calls_;
  if (closed_) DeleteIfIdle();
}

void Leg::ReportSent(size_t count) {
  sent_owed_ = false;
  untaken_ = {};
  owner_->OnSent(*this, count);
}

void Leg::DeleteIfIdle() {
  if (calls_ > 0 || linger_left_ > 0 || sent_owed_ || connect_.pending() ||
      receive_.pending() || send_.pending()) {
    return;
  }
  delete this;
}

void Leg::Trim(size_t kept) {
  if (tls_ == nullptr || send_.pending() ||
      (kept > 0 && cipher_.capacity() <= kept)) {
    return;
  }
  tls_->Trim();
  cipher_ = {};
}

void Leg::Connect(const Endpoint& to) {
  alarm_.Set(Instant::Never());
  to_ = SocketAddress(to);
  reactor_.Connect(&connect_, fd_.get(), to_.get(), to_.length());
}

void Leg::OnConnect(Completion completion) {
  if (closed_) return DeleteIfIdle();
  if (completion.result < 0) {
    error_ = -completion.result;
    return Gone();
  }
  reached_ = true;
  if (tls_ == nullptr) {
    return Tell([this](Owner& owner) { owner.OnConnected(*this); });
  }
  alarm_.Set(reactor_.Now() + kHandshakeTime);
  SetReading(true);
  Received({});
}

void Leg::SetReading(bool wanted) {
  if (reading_ == wanted || failed_) return;  // Then to the end, which is near.
  reading_ = wanted;
  if (!wanted) {
    reactor_.Cancel(&receive_);
  } else if (!ended_ && !receive_.pending()) {
    reactor_.Receive(&receive_, fd_.get());
  }
}

void Leg::OnReceive(Completion completion) {
  if (linger_left_ > 0) {
    linger_left_ -= std::min(
        linger_left_, static_cast<size_t>(std::max(completion.result, 0)));
    if (completion.result == -ECANCELED) {  // By an earlier SetReading(false).
      reactor_.Receive(&receive_, fd_.get());
    } else if (!completion.more) {
      linger_left_ = 0;
    }
    if (linger_left_ == 0 || !receive_.pending()) Leave();
    return;
  }
  if (closed_) {
    if (!completion.more) DeleteIfIdle();
    return;
  }
  if (completion.result > 0) {
    const auto bytes = completion.buffer.bytes();
    if (tls_ != nullptr) return Received(bytes);
    return Tell([&](Owner& owner) { owner.OnBytes(*this, bytes); });
  }
  if (completion.more) return;
  if (completion.result == -ECANCELED) {
    // Wanted again meanwhile?
    if (reading_) reactor_.Receive(&receive_, fd_.get());
    return;
  }
  if (completion.result < 0 || failed_) {
    if (completion.result < 0) error_ = -completion.result;
    ended_ = true;
    return Gone();
  }
  if (ended_) return;  // close_notify came before.
  ended_ = true;
  if (tls_ == nullptr) {
    return Tell([this](Owner& owner) { owner.OnEnd(*this); });
  }
  tls_->OnWireEnd();
  if (tls_->state() == tls::SessionState::kFailed) Gone();
}

void Leg::Received(std::span<const uint8_t> cipher) {
  ++calls_;
  const absl::Time now = absl::Now();
  const bool shaking = tls_->state() == tls::SessionState::kHandshake;
  std::array<uint8_t, 16 << 10> plain;
  while (!closed_ && !gone_) {
    const size_t taken = tls_->OnCipher(now, cipher);
    cipher = cipher.subspan(taken);
    if (handshaking_ && tls_->state() == tls::SessionState::kOpen) {
      handshaking_ = false;
      owner_->OnConnected(*this);
    }
    size_t read;
    while (!closed_ && (read = tls_->Read(plain)) > 0) {
      owner_->OnBytes(*this, std::span(plain).first(read));
    }
    if (cipher.empty()) break;
    BALLAST_CHECK(taken > 0 || tls_->cipher_room() > 0);
  }
  if (!closed_) {
    if (tls_->state() != tls::SessionState::kHandshake) {
      alarm_.Set(Instant::Never());
    }
    if (tls_->state() == tls::SessionState::kFailed) {
      Alert();
      Gone();
    } else {
      Pump();
      // A client that waits for the acknowledgement of its last words (Nagle)
      // before it asks for something would wait for 40 ms.
      if (shaking && tls_->state() != tls::SessionState::kHandshake &&
          !reached_ && !send_.pending()) {
        AcknowledgeNow(fd_.get());
      }
      if (tls_->state() == tls::SessionState::kPeerClosed && !ended_) {
        ended_ = true;
        owner_->OnEnd(*this);
      }
    }
  }
  --calls_;
  if (closed_) DeleteIfIdle();
}

void Leg::Pump() {
  if (tls_ == nullptr || send_.pending() || gone_ || failed_) return;
  while (!untaken_.empty()) {
    const size_t taken = tls_->Write(untaken_);
    if (taken == 0) break;
    untaken_ = untaken_.subspan(taken);
  }
  if (tls_->cipher_pending() == 0) return;
  tls_->TakeCipher(&cipher_);
  StartSend(cipher_);
}

void Leg::Alert() {
  if (send_.pending()) return;  // It would stand in the middle of a record.
  tls_->TakeCipher(&cipher_);
  const auto size = static_cast<ssize_t>(cipher_.size());
  alerted_ = size > 0 && send(fd_.get(), cipher_.data(), cipher_.size(),
                              MSG_DONTWAIT | MSG_NOSIGNAL) == size;
}

void Leg::Send(std::span<const uint8_t> bytes) {
  BALLAST_CHECK(!sent_owed_ && !closed_);
  sent_owed_ = true;
  send_size_ = bytes.size();
  if (tls_ != nullptr) {
    untaken_ = bytes;
    return Pump();
  }
  if (failed_) return;
  StartSend(bytes);
}

void Leg::StartSend(std::span<const uint8_t> bytes) {
  if (std::exchange(at_once_, false)) {
    reactor_.SendAtOnce(&send_, fd_.get(), bytes);
  } else {
    reactor_.Send(&send_, fd_.get(), bytes);
  }
}

bool Leg::BeginAgain() {
  at_once_ = true;
  return !gone_ && !ended_ && receive_.pending() &&
         (tls_ == nullptr || tls_->quiet()) && !reactor_.HasArrived(&receive_);
}

void Leg::OnSend(Completion completion) {
  const auto sent = static_cast<size_t>(std::max(completion.result, 0));
  const size_t wanted = tls_ != nullptr ? cipher_.size() : send_size_;
  const bool failed = sent < wanted;
  if (tls_ != nullptr && !failed && !closed_) {
    Pump();
    if (send_.pending() || !sent_owed_ || !untaken_.empty()) return;
  }
  if (failed && !closed_ && reading_ && receive_.pending()) {
    // The peer's last words may be there: an answer to a request that it did
    // not read to its end, say. The shutdown makes their end certain.
    failed_ = true;
    shutdown(fd_.get(), SHUT_RDWR);
    return;
  }
  ++calls_;
  if (sent_owed_) {
    ReportSent(tls_ == nullptr ? sent : failed ? 0 : send_size_);
  }
  if (failed && !closed_) Gone();
  --calls_;
  if (closed_) DeleteIfIdle();
}

void Leg::EndWriting() {
  if (tls_ != nullptr) {
    // Its last words are few; if they do not fit, the peer sees a cut stream.
    tls_->Close();
    std::array<uint8_t, 512> words;
    const size_t size = tls_->TakeCipher(words);
    (void)send(fd_.get(), words.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  shutdown(fd_.get(), SHUT_WR);
}

void Leg::Close() {
  closed_ = true;
  if (tls_ != nullptr && !gone_ && !sent_owed_ && !send_.pending()) {
    EndWriting();
  }
  Leave();
}

void Leg::Reset() {
  if (alerted_ && !ended_) {  // It would be lost.
    closed_ = true;
    shutdown(fd_.get(), SHUT_WR);
    return BeginLingering();
  }
  gone_ = true;  // No last words.
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void Leg::Linger() {
  closed_ = true;
  if (ended_ || gone_) return Close();
  EndWriting();
  BeginLingering();
}

void Leg::BeginLingering() {
  linger_left_ = kLingerBytes;
  alarm_.Set(reactor_.Now() + kLingerTime);
  if (!receive_.pending()) reactor_.Receive(&receive_, fd_.get());
  if (!receive_.pending()) Leave();  // The reactor is being destroyed.
}

void Leg::OnAlarm() {
  if (linger_left_ > 0) return Leave();
  if (!closed_) return Gone();  // No handshake.
  // Closed with a send that TLS never took.
  if (!sent_owed_ || send_.pending()) return;
  ++calls_;
  ReportSent(0);
  --calls_;
  DeleteIfIdle();
}

// What is under way ends; the descriptor goes with the last of it.
void Leg::Leave() {
  linger_left_ = 0;
  alarm_.Set(sent_owed_ && !send_.pending() ? reactor_.Now()
                                            : Instant::Never());
  reactor_.Cancel(&connect_);
  reactor_.Cancel(&receive_);
  reactor_.Cancel(&send_);
  DeleteIfIdle();
}

}  // namespace ballast::run
