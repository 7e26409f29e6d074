#include "ha/conntrack_outbox.h"

#include "io/base/check.h"

namespace ballast::ha {

ConntrackOutbox::ConntrackOutbox(const Options& options, Instant now,
                                 ConntrackChannel::Host& host,
                                 ConntrackChannel::Stats& stats)
    : options_(options),
      host_(host),
      stats_(stats),
      sequence_(options.first_sequence),
      last_sent_(now),
      burst_left_(options.burst_max),
      next_burst_(now + options.burst_interval) {
  BALLAST_CHECK(options.datagram_max >= kConntrackMessageMax);
  BALLAST_CHECK(options.burst_max > 0);
  BALLAST_CHECK(options.burst_interval > absl::ZeroDuration());
  datagram_.reserve(options.datagram_max);
}

bool ConntrackOutbox::AddEntry(Instant now, ConntrackType type, uint8_t flags,
                               const ConntrackEntry& entry) {
  const size_t size =
      WriteConntrackEntry(type, flags, sequence_, entry, message_);
  if (size == 0) {
    ++stats_.unsendable;
    return false;
  }
  ++stats_.entries_sent;
  Add(now, size);
  return true;
}

void ConntrackOutbox::AddControl(Instant now, uint8_t flags, uint32_t from,
                                 uint32_t to) {
  ++stats_.controls_sent;
  Add(now, WriteConntrackControl(flags, sequence_, from, to, message_));
}

void ConntrackOutbox::Add(Instant now, size_t size) {
  ++sequence_;
  if (datagram_.size() + size > options_.datagram_max) Flush(now);
  datagram_.insert(datagram_.end(), message_.begin(), message_.begin() + size);
}

void ConntrackOutbox::Flush(Instant now) {
  if (datagram_.empty()) return;
  HasRoom(now);
  if (burst_left_ > 0) --burst_left_;
  ++stats_.datagrams_sent;
  stats_.bytes_sent += datagram_.size();
  last_sent_ = now;
  host_.SendConntrack(now, datagram_);
  datagram_.clear();
}

bool ConntrackOutbox::HasRoom(Instant now) {
  if (now >= next_burst_) {
    burst_left_ = options_.burst_max;
    next_burst_ = now + options_.burst_interval;
  }
  return burst_left_ > 0;
}

}  // namespace ballast::ha
