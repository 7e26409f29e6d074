#include "lb/run/plain_pair.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "io/clock.h"

namespace ballast::run {
namespace {

// More than any director sends (Linux: --sync-maxlen).
constexpr size_t kSyncBytesMax = 65536;

}  // namespace

absl::StatusOr<std::unique_ptr<PlainPair>> PlainPair::Open(
    Reactor& reactor, Options options, ha::StateTable& table, Owner& owner) {
  std::unique_ptr<PlainPair> pair(
      new PlainPair(reactor, std::move(options), table, owner));
  if (pair->options_.sync) BALLAST_RETURN_IF_ERROR(pair->OpenSync());
  return pair;
}

PlainPair::PlainPair(Reactor& reactor, Options options, ha::StateTable& table,
                     Owner& owner)
    : reactor_(reactor),
      options_(std::move(options)),
      table_(table),
      owner_(owner),
      role_(options_.pacified ? ha::Role::kPassive : ha::Role::kStandby),
      reason_(options_.pacified ? "pacified: restarted too often" : "started"),
      alarm_(reactor, [this] {
        sync_->Tick(MonotonicNow());
        Arm();
      }) {}

absl::Status PlainPair::OpenSync() {
  BALLAST_ASSIGN_OR_RETURN(
      UdpMulticast socket,
      UdpMulticast::Open({.group = options_.sync->group,
                          .interface = options_.sync->interface}));
  sync_.emplace(options_.sync->options, table_,
                static_cast<ha::IpvsPeer::Host&>(*this));
  socket_ = std::make_unique<PolledSocket<UdpMulticast>>(
      reactor_, std::move(socket), kSyncBytesMax,
      PolledSocket<UdpMulticast>::Hooks{
          .on_datagram =
              [this](const ReceivedDatagram& datagram) { OnSync(datagram); },
          .on_end = [this] { Arm(); }});
  return absl::OkStatus();
}

void PlainPair::OnSync(const ReceivedDatagram& datagram) {
  if (datagram.source.address != options_.sync->partner) {
    ++other_sender_;
    return;
  }
  if (role_ == ha::Role::kPassive || role_ == ha::Role::kLeaving) return;
  sync_->OnMessage(MonotonicNow(), datagram.payload);
}

void PlainPair::Arm() {
  if (sync_.has_value()) alarm_.Set(sync_->deadline());
}

void PlainPair::SendSync(Instant now, std::span<const uint8_t> bytes) {
  (void)now;
  if (!socket_->socket().Send(bytes).ok()) ++send_failed_;
}

// -- The role ----------------------------------------------------------------

void PlainPair::Take() {
  owner_.SetLease(Instant::Never());
  owner_.SetActive(true);
  if (sync_.has_value()) sync_->Lead(MonotonicNow());
  Arm();
}

void PlainPair::Drop() {
  owner_.SetLease(MonotonicNow());
  owner_.SetActive(false);
  // What the directors did until just now is told before anybody else serves.
  if (sync_.has_value()) sync_->Follow(MonotonicNow());
  Arm();
}

void PlainPair::ChangeRole(ha::Role to, const char* reason) {
  owner_.Say(absl::StrCat("role ", ha::RoleName(role_), " -> ",
                          ha::RoleName(to), ": ", reason));
  role_ = to;
  reason_ = reason;
  ++role_changes_;
}

absl::Status PlainPair::Switchover() {
  switch (role_) {
    case ha::Role::kActive:
      Drop();
      ChangeRole(ha::Role::kStandby, "by command");
      return absl::OkStatus();
    case ha::Role::kStandby:
      Take();
      ChangeRole(ha::Role::kActive, "by command");
      return absl::OkStatus();
    default:
      return absl::FailedPreconditionError(
          absl::StrCat("switchover: this unit is ", ha::RoleName(role_), " (",
                       reason_, ")"));
  }
}

void PlainPair::OnPacketThreadHung() {
  if (role_ != ha::Role::kActive) return;
  Drop();
  ChangeRole(ha::Role::kStandby, "a packet thread hung");
}

void PlainPair::Leave(absl::Duration patience) {
  (void)patience;  // Nobody answers.
  if (left()) return;
  if (role_ == ha::Role::kActive) Drop();
  ChangeRole(ha::Role::kLeaving, "shutting down");
}

void PlainPair::SetLinks(const std::vector<bool>& up) {
  links_.resize(up.size(), true);
  for (size_t i = 0; i < up.size(); ++i) {
    const bool failed = links_[i] && !up[i];
    links_[i] = up[i];
    if (!failed || !options_.reboot_on_link_failure || rebooted_ ||
        (role_ != ha::Role::kActive && role_ != ha::Role::kStandby)) {
      continue;
    }
    rebooted_ = true;
    owner_.Reboot();
  }
}

// -- The rest ----------------------------------------------------------------

absl::Status PlainPair::Apply(const config::Model& model) {
  (void)model;
  return absl::OkStatus();
}

absl::Status PlainPair::Resync() {
  if (!sync_.has_value()) {
    return absl::FailedPreconditionError(
        "resync: ha.l4_updates is false: nothing is told");
  }
  if (role_ != ha::Role::kActive) {
    return absl::FailedPreconditionError(
        absl::StrCat("resync: this unit is ", ha::RoleName(role_),
                     "; only the active unit has a table to give"));
  }
  sync_->Resync(MonotonicNow());
  Arm();
  return absl::OkStatus();
}

absl::Status PlainPair::OfferConfig(uint64_t generation,
                                    std::vector<uint8_t> config, bool force) {
  (void)generation;
  (void)config;
  (void)force;
  return absl::FailedPreconditionError(
      "a plain partner takes no configuration: change it on each unit");
}

void PlainPair::KeepConfig(uint64_t generation, std::vector<uint8_t> config) {
  (void)generation;
  (void)config;
}

absl::Status PlainPair::MayChangeConfig() const { return absl::OkStatus(); }

void PlainPair::Collect(PairStatistics* statistics) const {
  statistics->configured = true;
  statistics->plain = true;
  statistics->role = ha::RoleName(role_);
  statistics->reason = reason_;
  statistics->status = absl::StrCat(statistics->role, ": ", reason_);
  statistics->partner = "not watched";
  statistics->role_changes = role_changes_;
  const auto refuse = [&](std::string reason, uint64_t count) {
    if (count == 0) return;
    statistics->refused += count;
    statistics->refused_by_reason.emplace_back(std::move(reason), count);
  };
  if (!sync_.has_value()) return;
  const ha::IpvsPeer::Stats& stats = sync_->stats();
  statistics->records_sent = stats.records_sent;
  statistics->records_received = stats.records_received;
  statistics->overflow = stats.changes_lost;
  refuse("sync_not_the_partner", other_sender_);
  for (size_t i = 1; i < stats.errors.size(); ++i) {
    refuse(absl::StrCat("sync_", ha::IpvsReadErrorName(
                                     static_cast<ha::IpvsReadError>(i))),
           stats.errors[i]);
  }
  refuse("sync_engine", stats.engine_skipped);
  refuse("sync_sequence", stats.sequence_skipped);
  refuse("sync_while_active", stats.ignored_while_leading);
  refuse("sync_no_room", stats.applied.refused);
}

}  // namespace ballast::run
