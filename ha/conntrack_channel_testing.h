// One channel on virtual time, for tests: what it sends and what it hears.
#ifndef HA_CONNTRACK_CHANNEL_TESTING_H_
#define HA_CONNTRACK_CHANNEL_TESTING_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ha/conntrack_channel.h"
#include "ha/conntrack_testing.h"
#include "ha/conntrack_wire.h"
#include "io/base/instant.h"

namespace ballast::ha::conntrack_testing {

class ChannelWorld : public ConntrackChannel::Host {
 public:
  template <typename Channel, typename Options>
  void Make(const Options& options, Instant now) {
    now_ = now;
    channel_ = std::make_unique<Channel>(options, now, *this);
  }
  ConntrackChannel& channel() { return *channel_; }
  Instant now() const { return now_; }

  // Tick() at each deadline until then.
  void RunTo(Instant end) {
    while (channel_->deadline() <= end) {
      now_ = std::max(now_, channel_->deadline());
      channel_->Tick(now_);
    }
    now_ = end;
  }
  void RunFor(absl::Duration duration) { RunTo(now_ + duration); }

  void Tell(const ConntrackEntry& entry,
            ConntrackType type = ConntrackType::kUpdate) {
    channel_->Tell(now_, type, entry);
    channel_->Flush(now_);
  }
  void Hear(const Bytes& datagram) { channel_->OnDatagram(now_, datagram); }
  // One control message.
  void Hear(uint8_t flags, uint32_t sequence, uint32_t from = 0,
            uint32_t to = 0) {
    Bytes bytes(kConntrackControlSize);
    bytes.resize(WriteConntrackControl(flags, sequence, from, to, bytes));
    Hear(bytes);
  }
  // One update.
  void Hear(uint32_t sequence, const ConntrackEntry& entry, uint8_t flags = 0) {
    Bytes bytes(kConntrackMessageMax);
    bytes.resize(WriteConntrackEntry(ConntrackType::kUpdate, flags, sequence,
                                     entry, bytes));
    Hear(bytes);
  }

  // "<number> <flags and range, or client's port>" of each message sent since,
  // and forgets them.
  std::vector<std::string> TakeSent() {
    std::vector<std::string> lines;
    for (const Bytes& datagram : std::exchange(sent_, {})) {
      for (const ConntrackMessage& message : Read(datagram).messages) {
        lines.push_back(Line(message));
      }
    }
    sent_at_.clear();
    return lines;
  }
  const std::vector<Bytes>& sent() const { return sent_; }
  const std::vector<Instant>& sent_at() const { return sent_at_; }
  // Client ports of what was told.
  std::vector<int> TakeHeard() { return std::exchange(heard_, {}); }
  int tell_all() const { return tell_all_; }
  int greeted() const { return greeted_; }

  static std::string Line(const ConntrackMessage& message) {
    std::string line = absl::StrCat(message.sequence);
    const auto flag = [&](uint8_t bit, absl::string_view name) {
      if ((message.flags & bit) != 0) absl::StrAppend(&line, " ", name);
    };
    if (message.has_entry()) {
      absl::StrAppend(&line, " :", message.entry.tuple.source_port);
    }
    flag(kConntrackAlive, "alive");
    flag(kConntrackAck, "ack");
    flag(kConntrackNack, "nack");
    flag(kConntrackResync, "resync");
    if ((message.flags & (kConntrackAck | kConntrackNack)) != 0) {
      absl::StrAppend(&line, " ", message.from, "-", message.to);
    }
    flag(kConntrackHello, "hello");
    flag(kConntrackHelloBack, "back");
    return line;
  }

 private:
  void SendConntrack(Instant now, std::span<const uint8_t> bytes) override {
    EXPECT_EQ(now, now_);
    sent_.emplace_back(bytes.begin(), bytes.end());
    sent_at_.push_back(now);
  }
  void OnConntrack(Instant, ConntrackType,
                   const ConntrackEntry& entry) override {
    heard_.push_back(entry.tuple.source_port);
  }
  void OnTellAll(Instant) override { ++tell_all_; }
  void OnGreeted(Instant) override { ++greeted_; }

  std::unique_ptr<ConntrackChannel> channel_;
  Instant now_;
  std::vector<Bytes> sent_;
  std::vector<Instant> sent_at_;
  std::vector<int> heard_;
  int tell_all_ = 0;
  int greeted_ = 0;
};

// A TCP connection to 192.0.2.1:80 from that port.
inline ConntrackEntry Connection(uint16_t port) {
  ConntrackEntry entry;
  entry.tuple = {Address::V4(0x0a000001), Address::V4(0xc0000201), port, 80, 6};
  entry.status = 0x1ae;
  entry.timeout_s = 900;
  entry.tcp_state = static_cast<uint8_t>(ConntrackTcpState::kEstablished);
  entry.nat_destination = Address::V4(0xc0a80001);
  return entry;
}

}  // namespace ballast::ha::conntrack_testing

#endif  // HA_CONNTRACK_CHANNEL_TESTING_H_
