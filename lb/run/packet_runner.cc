#include "lb/run/packet_runner.h"

#include <algorithm>

#include "io/base/check.h"

namespace ballast::run {
namespace {

constexpr absl::Duration kForeignPeriod = absl::Milliseconds(1);

}  // namespace

PacketRunner::~PacketRunner() { io_.Release({outbox_.data(), outbox_size_}); }

Instant PacketRunner::Renew(Instant now) {
  if (hooks_.lease_ns == nullptr) return now;
  director_.SetLease(
      Instant::FromNanos(hooks_.lease_ns->load(std::memory_order_relaxed)));
  return std::max(now, hooks_.clock());
}

size_t PacketRunner::RunOnce(Instant now) {
  if (outbox_size_ > 0) Flush(now = Renew(now));
  if (!hooks_.others.empty() && now >= next_foreign_) {
    director_.UpdateForeign(hooks_.others);
    next_foreign_ = now + kForeignPeriod;
  }
  size_t received = 0;
  if (outbox_.size() - outbox_size_ >= kBatch) {
    received = io_.Receive(frames_);
    now = Renew(now);
    if (received > 0) {
      director_.Process(now, {frames_.data(), received}, verdicts_);
      Carry({frames_.data(), received}, verdicts_);
    }
  }
  if (now >= next_emit_) {
    // Bounded: an Emit() that fills the batch is followed by another only while
    // the outbox has room.
    while (outbox_.size() - outbox_size_ >= kBatch) {
      const size_t emitted =
          director_.Emit(now, frames_, verdicts_, [this](Frame* frame) {
            return io_.Allocate({frame, 1}) == 1;
          });
      Carry({frames_.data(), emitted}, verdicts_);
      if (emitted < kBatch) {
        next_emit_ = now + kTick;
        break;
      }
    }
  }
  if (outbox_size_ > 0) Flush(Renew(now));
  if (director_.has_wanted_hops() && hooks_.on_wanted_hops) {
    hooks_.on_wanted_hops(director_.TakeWantedHops());
  }
  if (director_.has_refused() && hooks_.on_refused) {
    hooks_.on_refused(director_.TakeRefused());
  }
  if (director_.has_address_news() && hooks_.on_address_news) {
    hooks_.on_address_news(director_.TakeAddressNews());
  }
  if (director_.has_changes() && hooks_.on_changes) hooks_.on_changes();
  return received;
}

void PacketRunner::Carry(std::span<const Frame> frames,
                         std::span<const l4::Verdict> verdicts) {
  for (size_t i = 0; i < frames.size(); ++i) {
    switch (verdicts[i].action) {
      case l4::Verdict::Action::kSend:
        BALLAST_CHECK(outbox_size_ < outbox_.size());
        outbox_[outbox_size_++] = frames[i];
        break;
      case l4::Verdict::Action::kDrop:
        io_.Release(frames.subspan(i, 1));
        break;
      case l4::Verdict::Action::kHeld:
        break;
    }
  }
}

void PacketRunner::Flush(Instant now) {
  if (!director_.Leased(now)) [[unlikely]] {
    const std::span<const Frame> late(outbox_.data(), outbox_size_);
    director_.DropUnsent(late);
    io_.Release(late);
    outbox_size_ = 0;
    return;
  }
  size_t sent = 0;
  while (sent < outbox_size_) {
    const size_t batch = std::min(kBatch, outbox_size_ - sent);
    const size_t taken = io_.Send({outbox_.data() + sent, batch});
    sent += taken;
    if (taken < batch) break;
  }
  std::copy(outbox_.begin() + sent, outbox_.begin() + outbox_size_,
            outbox_.begin());
  outbox_size_ -= sent;
}

}  // namespace ballast::run
