#include "lb/run/leg.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "io/base/check.h"

namespace ballast::run {

template <typename Call>
void Leg::Tell(Call call) {
  ++calls_;
  call(*owner_);
  --calls_;
  if (closed_) DeleteIfIdle();
}

void Leg::DeleteIfIdle() {
  if (calls_ > 0 || linger_left_ > 0 || connect_.pending() ||
      receive_.pending() || send_.pending()) {
    return;
  }
  delete this;
}

void Leg::Connect(const Endpoint& to) {
  to_ = SocketAddress(to);
  reactor_.Connect(&connect_, fd_.get(), to_.get(), to_.length());
}

void Leg::OnConnect(Completion completion) {
  if (closed_) return DeleteIfIdle();
  if (completion.result < 0) {
    gone_ = true;
    return Tell([this](Owner& owner) { owner.OnGone(*this); });
  }
  Tell([this](Owner& owner) { owner.OnConnected(*this); });
}

void Leg::SetReading(bool wanted) {
  if (reading_ == wanted) return;
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
    return Tell([&](Owner& owner) { owner.OnBytes(*this, bytes); });
  }
  if (completion.more) return;
  if (completion.result == 0) {
    ended_ = true;
    return Tell([this](Owner& owner) { owner.OnEnd(*this); });
  }
  if (completion.result == -ECANCELED && !reading_) return;
  if (completion.result == -ECANCELED) {  // Wanted again meanwhile.
    return reactor_.Receive(&receive_, fd_.get());
  }
  ended_ = true;
  if (gone_) return;
  gone_ = true;
  Tell([this](Owner& owner) { owner.OnGone(*this); });
}

void Leg::Send(std::span<const uint8_t> bytes) {
  BALLAST_CHECK(!send_.pending() && !closed_);
  send_size_ = bytes.size();
  reactor_.Send(&send_, fd_.get(), bytes);
}

void Leg::OnSend(Completion completion) {
  const size_t sent = static_cast<size_t>(std::max(completion.result, 0));
  const bool failed = sent < send_size_;
  ++calls_;
  owner_->OnSent(*this, sent);
  if (failed && !closed_ && !gone_) {
    gone_ = true;
    owner_->OnGone(*this);
  }
  --calls_;
  if (closed_) DeleteIfIdle();
}

void Leg::EndWriting() { shutdown(fd_.get(), SHUT_WR); }

void Leg::Close() {
  closed_ = true;
  Leave();
}

void Leg::Reset() {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void Leg::Linger() {
  closed_ = true;
  if (ended_ || gone_) return Leave();
  shutdown(fd_.get(), SHUT_WR);
  linger_left_ = kLingerBytes;
  linger_.Set(reactor_.Now() + kLingerTime);
  if (!receive_.pending()) reactor_.Receive(&receive_, fd_.get());
  if (!receive_.pending()) Leave();  // The reactor is being destroyed.
}

// What is under way ends; the descriptor goes with the last of it.
void Leg::Leave() {
  linger_left_ = 0;
  linger_.Set(Instant::Never());
  reactor_.Cancel(&connect_);
  reactor_.Cancel(&receive_);
  reactor_.Cancel(&send_);
  DeleteIfIdle();
}

}  // namespace ballast::run
