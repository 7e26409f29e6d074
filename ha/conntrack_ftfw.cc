#include "ha/conntrack_ftfw.h"

#include <algorithm>
#include <utility>

#include "io/base/check.h"

namespace ballast::ha {
namespace {

// So many of its intervals after the last message a peer has been away.
constexpr int kSilence = 5;

bool Before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

}  // namespace

ConntrackFtfw::ConntrackFtfw(const Options& options, Instant now, Host& host)
    : options_(options),
      host_(host),
      out_(options.out, now, host, stats_),
      window_(options.window),
      taken_at_(now),
      heard_at_(now),
      heard_since_(now),
      base_(options.out.first_sequence) {
  BALLAST_CHECK(options.window > 0);
  BALLAST_CHECK(options.kept_max > 0);
}

// -- Receiving ---------------------------------------------------------------

void ConntrackFtfw::OnDatagram(Instant now, std::span<const uint8_t> bytes) {
  ReadConntrackDatagram(
      bytes, stats_.read,
      [&](const ConntrackMessage& message) { OnMessage(now, message); });
  SendAgain(now);
  out_.Flush(now);
}

// Whether a peer that is heard has done nothing about `since` for too long.
bool ConntrackFtfw::IsStale(Instant now, Instant since) const {
  return now >= std::max(since, heard_since_) + options_.stale_after;
}

void ConntrackFtfw::OnMessage(Instant now, const ConntrackMessage& message) {
  if (now >= heard_at_ + kSilence * options_.alive_interval) heard_since_ = now;
  heard_at_ = now;
  if ((message.flags & kConntrackHelloBack) != 0 && !hello_done_) {
    hello_done_ = true;
    greet_due_ = true;
  }
  if ((message.flags & kConntrackHello) != 0) return OnHello(now, message);
  if (last_ && Before(message.sequence, *last_ + 1)) {
    ++stats_.late;
    if (!IsStale(now, taken_at_)) return;
    ++stats_.late_accepted;  // F7
    last_.reset();
    first_.reset();
    window_ = options_.window;
  }
  peer_hello_ = false;
  if (!last_ || message.sequence == *last_ + 1) {
    InOrder(now, message);
  } else {
    BehindGap(now, message);
  }
  Greet(now);
}

void ConntrackFtfw::OnHello(Instant now, const ConntrackMessage& message) {
  say_hello_back_ = true;
  if (!std::exchange(peer_hello_, true)) ++stats_.hellos_received;
  greet_due_ = true;
  if (first_ && Before(message.sequence, *first_)) {
    window_ = options_.window;
    first_ = message.sequence;
  }
  ForgetAll();  // F4
  InOrder(now, message);
}

void ConntrackFtfw::InOrder(Instant now, const ConntrackMessage& message) {
  Act(now, message);
  last_ = message.sequence;
  taken_at_ = now;
  if (!first_) first_ = message.sequence;
  if (window_ > 0) --window_;
  if (window_ == 0) Acknowledge(now);
}

void ConntrackFtfw::BehindGap(Instant now, const ConntrackMessage& message) {
  Act(now, message);
  const uint32_t from = *last_ + 1;
  const uint32_t to = message.sequence - 1;
  ++stats_.gaps;
  stats_.missing += to - from + 1;
  if (first_) Acknowledge(now);
  ++stats_.nacks_sent;
  SendControl(now, kConntrackNack, from, to);
  window_ = options_.window - 1;
  first_ = last_ = message.sequence;
  taken_at_ = now;
  if (window_ == 0) Acknowledge(now);
}

void ConntrackFtfw::Acknowledge(Instant now) {
  SendControl(now, kConntrackAck, *first_, *last_);
  first_.reset();
  window_ = options_.window;
}

void ConntrackFtfw::Act(Instant now, const ConntrackMessage& message) {
  if (message.is_data()) {
    if (!message.has_entry()) return;  // F9
    ++stats_.entries_received;
    host_.OnConntrack(now, message.type, message.entry);
  } else if ((message.flags & kConntrackAck) != 0) {
    OnAcknowledged(message.from, message.to);
  } else if ((message.flags & kConntrackNack) != 0) {
    ++stats_.nacks_received;
    OnMissed(message.from, message.to);
  } else if ((message.flags & kConntrackResync) != 0) {
    ++stats_.resyncs_received;
    resync_due_ = true;
  }
}

void ConntrackFtfw::Greet(Instant now) {
  if (!greeted()) return;
  const bool resync = std::exchange(resync_due_, false);
  if (std::exchange(greet_due_, false)) {
    not_all_kept_ = false;
    host_.OnGreeted(now);
  } else if (resync) {
    host_.OnTellAll(now);
  }
  if (not_all_kept_ ||
      (!kept_.empty() && IsStale(now, kept_.front().sent))) {  // F8
    SayHelloAgain();
  }
}

// The part of from..to that is kept, to look through.
void ConntrackFtfw::OnAcknowledged(uint32_t from, uint32_t to) {
  const uint32_t end = base_ + static_cast<uint32_t>(kept_.size());
  if (Before(from, base_)) from = base_;
  for (uint32_t q = from; Before(q, end) && !Before(to, q); ++q) {
    Kept& kept = *Find(q);
    if (kept.kind == Kept::Kind::kNothing) continue;
    ++stats_.acknowledged;
    Drop(kept);
  }
  Trim();
}

void ConntrackFtfw::OnMissed(uint32_t from, uint32_t to) {
  const uint32_t end = base_ + static_cast<uint32_t>(kept_.size());
  if (Before(from, base_)) from = base_;
  for (uint32_t q = from; Before(q, end) && !Before(to, q); ++q) {
    Kept& kept = *Find(q);
    if (kept.kind == Kept::Kind::kNothing || kept.again) continue;
    kept.again = true;
    again_.push_back(q);
  }
}

// -- Sending -----------------------------------------------------------------

uint8_t ConntrackFtfw::Flags(uint8_t flags) {
  if (!hello_done_) flags |= kConntrackHello;
  if (std::exchange(say_hello_back_, false)) flags |= kConntrackHelloBack;
  return flags;
}

void ConntrackFtfw::Tell(Instant now, ConntrackType type,
                         const ConntrackEntry& entry) {
  SendEntry(now, type, entry);
}

void ConntrackFtfw::SendEntry(Instant now, ConntrackType type,
                              const ConntrackEntry& entry) {
  if (!IsSendable(entry)) {
    ++stats_.unsendable;
    return;
  }
  const uint32_t sequence = out_.sequence();
  BALLAST_CHECK(out_.AddEntry(now, type, Flags(0), entry));
  const auto [found, is_new] = by_tuple_.try_emplace(entry.tuple, sequence);
  if (!is_new) {  // F5
    *Find(found->second) = {};
    found->second = sequence;
  }
  Keep(sequence,
       {.kind = Kept::Kind::kEntry, .type = type, .sent = now, .entry = entry});
}

void ConntrackFtfw::SendControl(Instant now, uint8_t flags, uint32_t from,
                                uint32_t to) {
  const uint32_t sequence = out_.sequence();
  out_.AddControl(now, Flags(flags), from, to);
  Keep(sequence, {.kind = Kept::Kind::kControl,
                  .flags = flags,
                  .from = from,
                  .to = to,
                  .sent = now});
}

void ConntrackFtfw::AskAll(Instant now) {
  ++stats_.resyncs_asked;
  SendControl(now, kConntrackResync, 0, 0);
}

void ConntrackFtfw::SendAgain(Instant now) {
  while (!again_.empty() && out_.HasRoom(now)) {
    Kept* found = Find(again_.front());
    again_.pop_front();
    if (found == nullptr || !found->again) continue;  // Told anew meanwhile.
    ++stats_.repeated;
    const Kept kept = *found;
    if (kept.kind == Kept::Kind::kEntry) {
      SendEntry(now, kept.type, kept.entry);
    } else {
      Drop(*found);
      SendControl(now, kept.flags, kept.from, kept.to);
    }
  }
}

void ConntrackFtfw::SayHelloAgain() {
  ++stats_.begun_again;
  not_all_kept_ = false;
  hello_done_ = false;
  ForgetAll();
}

void ConntrackFtfw::Tick(Instant now) {
  SendAgain(now);
  out_.Flush(now);
  if (now < out_.last_sent() + options_.alive_interval) return;
  if (first_) {  // F1
    Acknowledge(now);
  } else {
    out_.AddControl(now, Flags(kConntrackAlive));
    Keep(out_.sequence() - 1, {});
  }
  out_.Flush(now);
}

Instant ConntrackFtfw::deadline() const {
  const Instant alive = out_.last_sent() + options_.alive_interval;
  return again_.empty() ? alive : std::min(alive, out_.room_at());
}

ConntrackChannel::Lag ConntrackFtfw::lag(Instant now) const {
  Lag lag{.connections = by_tuple_.size()};
  if (lag.connections == 0) return lag;
  const auto oldest = std::find_if(
      kept_.begin(), kept_.end(),
      [](const Kept& kept) { return kept.kind == Kept::Kind::kEntry; });
  lag.oldest = now - oldest->sent;
  return lag;
}

// -- What is kept ------------------------------------------------------------

ConntrackFtfw::Kept* ConntrackFtfw::Find(uint32_t sequence) {
  const uint32_t at = sequence - base_;
  return at < kept_.size() ? &kept_[at] : nullptr;
}

void ConntrackFtfw::Keep(uint32_t sequence, Kept kept) {
  if (kept_.empty()) base_ = sequence;
  BALLAST_CHECK(sequence == base_ + static_cast<uint32_t>(kept_.size()));
  kept_.push_back(std::move(kept));
  Trim();
  if (kept_.size() <= options_.kept_max) return;
  ++stats_.forgotten;
  not_all_kept_ = true;
  Drop(kept_.front());
  Trim();
}

void ConntrackFtfw::Drop(Kept& kept) {
  if (kept.kind == Kept::Kind::kEntry) by_tuple_.erase(kept.entry.tuple);
  kept = {};
}

void ConntrackFtfw::Trim() {
  while (!kept_.empty() && kept_.front().kind == Kept::Kind::kNothing) {
    kept_.pop_front();
    ++base_;
  }
}

void ConntrackFtfw::ForgetAll() {
  kept_.clear();
  by_tuple_.clear();
  again_.clear();
}

}  // namespace ballast::ha
