#include "ha/conntrack_plain.h"

namespace ballast::ha {

ConntrackPlain::ConntrackPlain(const Options& options, Instant now, Host& host)
    : options_(options), host_(host), out_(options.out, now, host, stats_) {}

void ConntrackPlain::Tell(Instant now, ConntrackType type,
                          const ConntrackEntry& entry) {
  out_.AddEntry(now, type, 0, entry);
}

void ConntrackPlain::AskAll(Instant now) {
  if (options_.mode == Mode::kAlarm) return;  // N3
  ++stats_.resyncs_asked;
  out_.AddControl(now, kConntrackResync);
}

void ConntrackPlain::OnDatagram(Instant now, std::span<const uint8_t> bytes) {
  ReadConntrackDatagram(
      bytes, stats_.read,
      [&](const ConntrackMessage& message) { OnMessage(now, message); });
  out_.Flush(now);
}

void ConntrackPlain::OnMessage(Instant now, const ConntrackMessage& message) {
  if (last_) {
    const uint32_t ahead = message.sequence - *last_ - 1;
    if (static_cast<int32_t>(ahead) < 0) {
      ++stats_.late;
    } else if (ahead > 0) {
      ++stats_.gaps;
      stats_.missing += ahead;
    }
  }
  last_ = message.sequence;
  if (options_.mode == Mode::kAlarm
          ? message.flags != 0
          : (message.flags & ~kConntrackHelloMask & ~kConntrackAlive &
             ~kConntrackResync) != 0) {
    ++stats_.not_of_mode;
    return;
  }
  if (message.has_entry()) {
    ++stats_.entries_received;
    host_.OnConntrack(now, message.type, message.entry);
  } else if ((message.flags & kConntrackResync) != 0) {
    ++stats_.resyncs_received;
    host_.OnTellAll(now);
  }
}

void ConntrackPlain::Tick(Instant now) {
  out_.Flush(now);
  if (options_.mode == Mode::kNotrack &&
      now >= out_.last_sent() + options_.alive_interval) {  // N2
    out_.AddControl(now, kConntrackAlive);
    out_.Flush(now);
  }
}

Instant ConntrackPlain::deadline() const {
  return options_.mode == Mode::kNotrack
             ? out_.last_sent() + options_.alive_interval
             : Instant::Never();
}

}  // namespace ballast::ha
