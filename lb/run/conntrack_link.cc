#include "lb/run/conntrack_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "io/base/status_macros.h"
#include "io/clock.h"

namespace ballast::run {
namespace {

// conntrackd sends less than an Ethernet frame holds.
constexpr size_t kDatagramBytesMax = 65536;

// In FTFW and NOTRACK a peer says something each second.
constexpr absl::Duration kSilent = absl::Seconds(10);

ha::ConntrackMode ModeOf(config::ConnectionSyncMode mode) {
  switch (mode) {
    case config::ConnectionSyncMode::kNotrack:
      return ha::ConntrackMode::kNotrack;
    case config::ConnectionSyncMode::kAlarm:
      return ha::ConntrackMode::kAlarm;
    case config::ConnectionSyncMode::kFtfw:
      break;
  }
  return ha::ConntrackMode::kFtfw;
}

ha::ConntrackPeer::Options PeerOptions(const config::ConnectionSync& options) {
  ha::ConntrackPeer::Options peer{.mode = ModeOf(options.mode)};
  // As the daemon: a later start begins with a higher number.
  peer.out.first_sequence =
      static_cast<uint32_t>(absl::ToUnixSeconds(absl::Now()));
  return peer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConntrackLink>> ConntrackLink::Open(
    Reactor& reactor, const config::ConnectionSync& options,
    ha::StateTable& table, const Log& log) {
  BALLAST_ASSIGN_OR_RETURN(
      UdpUnicast socket,
      UdpUnicast::Open({.local = {options.local.address, options.port},
                        .peer = {options.peer.address, options.port},
                        .interface = options.interface,
                        .send_buffer_bytes = options.send_buffer,
                        .receive_buffer_bytes = options.receive_buffer}));
  std::unique_ptr<ConntrackLink> link(
      new ConntrackLink(reactor, options, table, log));
  ConntrackLink* const self = link.get();
  link->socket_ = std::make_unique<PolledSocket<UdpUnicast>>(
      reactor, std::move(socket), kDatagramBytesMax,
      PolledSocket<UdpUnicast>::Hooks{
          .on_datagram =
              [self](const ReceivedDatagram& datagram) {
                self->OnDatagram(datagram);
              },
          .on_end = [self] { self->Arm(); }});
  link->Arm();
  return link;
}

ConntrackLink::ConntrackLink(Reactor& reactor,
                             const config::ConnectionSync& options,
                             ha::StateTable& table, const Log& log)
    : options_(options),
      log_(log),
      peer_(PeerOptions(options), MonotonicNow(), table, *this),
      heard_at_(MonotonicNow()),
      alarm_(reactor, [this] { OnAlarm(); }) {}

ConntrackLink::~ConntrackLink() {
  if (socket_ != nullptr) socket_->socket().Vacate();
}

void ConntrackLink::Lead() {
  peer_.Lead(MonotonicNow());
  Arm();
}

void ConntrackLink::Follow() {
  peer_.Follow(MonotonicNow());
  Arm();
}

void ConntrackLink::Resync() {
  peer_.Resync(MonotonicNow());
  Arm();
}

void ConntrackLink::OnDatagram(const ReceivedDatagram& datagram) {
  if (datagram.source.address != options_.peer.address) {
    ++other_sender_;
    return;
  }
  const Instant now = MonotonicNow();
  heard_at_ = now;
  silence_told_ = false;
  if (!std::exchange(heard_, true)) {
    const std::string peer = options_.peer.address.ToString();
    log_({LogLevel::kInfo,
          "connection_sync_heard",
          absl::StrCat("connection sync: peer ", peer, " is heard"),
          {{"peer", peer}}});
  }
  peer_.OnDatagram(now, datagram.payload);
}

void ConntrackLink::WatchPeer(Instant now) {
  if (options_.mode == config::ConnectionSyncMode::kAlarm || silence_told_ ||
      now < heard_at_ + kSilent) {
    return;
  }
  heard_ = false;
  silence_told_ = true;
  const std::string peer = options_.peer.address.ToString();
  log_({LogLevel::kWarning,
        "connection_sync_silent",
        absl::StrCat("connection sync: nothing of peer ", peer, " for ",
                     absl::FormatDuration(kSilent),
                     ": connections go one way at best; is it enabled there?"),
        {{"peer", peer}}});
}

void ConntrackLink::OnAlarm() {
  const Instant now = MonotonicNow();
  peer_.Tick(now);
  WatchPeer(now);
  Arm();
}

void ConntrackLink::Arm() { alarm_.Set(peer_.deadline()); }

void ConntrackLink::SendConntrack(Instant, std::span<const uint8_t> bytes) {
  if (!socket_->socket().Send(bytes).ok()) ++send_failed_;
}

void ConntrackLink::Collect(ConnectionSyncStatistics* statistics) const {
  const ha::ConntrackPeer::Stats& peer = peer_.stats();
  const ha::ConntrackChannel::Stats& channel = peer_.channel().stats();
  ConnectionSyncStatistics& to = *statistics;
  to.enabled = true;
  to.peer_heard = heard_;
  to.send_buffer = socket_->socket().send_buffer_bytes();
  to.receive_buffer = socket_->socket().receive_buffer_bytes();
  to.entries_sent = channel.entries_sent;
  to.entries_received = channel.entries_received;
  to.created = peer.applied.created;
  to.updated = peer.applied.updated;
  to.removed = peer.applied.removed;
  to.stale = peer.applied.stale;
  to.unbound = peer.applied.unbound;
  const auto lag = peer_.channel().lag(MonotonicNow());
  to.lag = lag.connections;
  to.lag_age = lag.oldest;
  to.repeated = channel.repeated;
  to.lost = channel.missing;
  to.peer_starts = channel.hellos_received;
  to.overflow = peer.changes_lost + channel.forgotten;
  to.send_failed = send_failed_;
  const auto refuse = [&](absl::string_view reason, uint64_t count) {
    if (count == 0) return;
    to.refused += count;
    to.refused_by_reason.emplace_back(std::string(reason), count);
  };
  for (size_t i = 1; i < channel.read.errors.size(); ++i) {
    refuse(ha::ConntrackReadErrorName(static_cast<ha::ConntrackReadError>(i)),
           channel.read.errors[i]);
  }
  for (size_t i = 1; i < peer.unmatched.size(); ++i) {
    refuse(
        absl::StrCat("unmatched_", ha::ConntrackUnmatchedName(
                                       static_cast<ha::ConntrackUnmatched>(i))),
        peer.unmatched[i]);
  }
  refuse("expectation", channel.read.expectations);
  refuse("late", channel.late);
  refuse("other_mode", channel.not_of_mode);
  refuse("other_sender", other_sender_);
  refuse("no_room", peer.applied.refused);
}

}  // namespace ballast::run
