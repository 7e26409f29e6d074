#include "lb/run/plain_pair.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ha/carp_receiver.h"
#include "ha/election.h"
#include "io/base/status_macros.h"
#include "io/clock.h"

namespace ballast::run {
namespace {

// More than any director sends (Linux: --sync-maxlen).
constexpr size_t kSyncBytesMax = 65536;

// A partner that was master too has missed what was told meanwhile. How often
// it is told everything anew.
constexpr absl::Duration kTellAnew = absl::Minutes(1);

constexpr size_t kRoleChangesKept = 64;

const char* ReasonText(ha::CarpReason reason) {
  switch (reason) {
    case ha::CarpReason::kStarted:
      return "started";
    case ha::CarpReason::kMasterSilent:
      return "no active partner heard";
    case ha::CarpReason::kMasterTooSlow:
      return "the partner left the role";
    case ha::CarpReason::kPreempted:
      return "the partner is the slower one";
    case ha::CarpReason::kMasterDemoted:
      return "the partner is demoted";
    case ha::CarpReason::kFasterPeer:
      return "the partner is the faster one";
    case ha::CarpReason::kTieLost:
      return "both were active, the partner stays";
    case ha::CarpReason::kSwitchover:
      return "yielded to the partner";
    case ha::CarpReason::kLeft:
      return "shutting down";
    case ha::CarpReason::kNotScheduled:
      return "was not scheduled for the takeover time";
    case ha::CarpReason::kNotUsable:
      return "the HA interface is down";
  }
  return "unknown";
}

ha::Role RoleOf(ha::CarpRole role, ha::CarpReason reason) {
  switch (role) {
    case ha::CarpRole::kInit:
      return reason == ha::CarpReason::kLeft ? ha::Role::kLeaving
                                             : ha::Role::kPassive;
    case ha::CarpRole::kBackup:
      return ha::Role::kStandby;
    case ha::CarpRole::kMaster:
      return ha::Role::kActive;
  }
  return ha::Role::kPassive;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PlainPair>> PlainPair::Open(
    Reactor& reactor, Options options, ha::StateTable& table, Owner& owner) {
  std::unique_ptr<PlainPair> pair(
      new PlainPair(reactor, options, table, owner));
  if (pair->sync_options_) BALLAST_RETURN_IF_ERROR(pair->OpenSync());
  if (options.carp && !options.pacified) {
    BALLAST_ASSIGN_OR_RETURN(
        pair->carp_, CarpLink::Open(reactor, std::move(options.carp->link),
                                    std::move(options.carp->key), *pair));
  }
  return pair;
}

PlainPair::PlainPair(Reactor& reactor, const Options& options,
                     ha::StateTable& table, Owner& owner)
    : reactor_(reactor),
      sync_options_(options.sync),
      reboot_on_link_failure_(options.reboot_on_link_failure),
      table_(table),
      owner_(owner),
      role_(options.pacified ? ha::Role::kPassive : ha::Role::kStandby),
      reason_(options.pacified ? "pacified: restarted too often" : "started"),
      alarm_(reactor, [this] {
        sync_->Tick(MonotonicNow());
        Arm();
      }) {}

absl::Status PlainPair::OpenSync() {
  BALLAST_ASSIGN_OR_RETURN(
      UdpMulticast socket,
      UdpMulticast::Open({.group = sync_options_->group,
                          .interface = sync_options_->interface}));
  // A partner knows this unit by its address; left to itself the kernel takes
  // the interface's first, and of IPv6 a link-local one.
  BALLAST_ASSIGN_OR_RETURN(
      sender_, UdpMulticast::Open({.group = sync_options_->group,
                                   .interface = sync_options_->interface,
                                   .receive = false,
                                   .source = sync_options_->own}));
  sync_.emplace(sync_options_->options, table_,
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
  if (datagram.source.address != sync_options_->partner) {
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
  if (!sender_->Send(bytes).ok()) ++send_failed_;
}

// -- The role ----------------------------------------------------------------

void PlainPair::OnTake() {
  owner_.SetActive(true);
  if (sync_.has_value()) sync_->Lead(MonotonicNow());
  Arm();
}

void PlainPair::OnDrop() {
  owner_.SetLease(MonotonicNow());
  owner_.SetActive(false);
  // What the directors did until just now is told before anybody else serves.
  if (sync_.has_value()) sync_->Follow(MonotonicNow());
  Arm();
}

void PlainPair::OnAnnounce() { owner_.Reannounce(); }

void PlainPair::OnCarpRole(ha::CarpRole role, ha::CarpReason reason) {
  ChangeRole(RoleOf(role, reason),
             hung_ ? "a packet thread hung" : ReasonText(reason));
}

void PlainPair::OnLease(Instant until) { owner_.SetLease(until); }

void PlainPair::OnWeakerMaster() {
  const Instant now = MonotonicNow();
  if (!sync_.has_value() || now < next_told_anew_) return;
  next_told_anew_ = now + kTellAnew;
  sync_->Resync(now);
  Arm();
}

void PlainPair::OnRefused(absl::string_view line) {
  owner_.Say(
      {LogLevel::kWarning, "partner_messages_refused", std::string(line)});
}

void PlainPair::ChangeRole(ha::Role to, const char* reason) {
  owner_.Say({LogLevel::kInfo,
              "role_changed",
              absl::StrCat("role ", ha::RoleName(role_), " -> ",
                           ha::RoleName(to), ": ", reason),
              {{"role", std::string(ha::RoleName(to))},
               {"former_role", std::string(ha::RoleName(role_))},
               {"reason", reason}}});
  last_role_changes_.push_back({MonotonicNow(), role_, to, reason});
  if (last_role_changes_.size() > kRoleChangesKept) {
    last_role_changes_.pop_front();
  }
  role_ = to;
  reason_ = reason;
  ++role_changes_;
}

absl::Status PlainPair::Switchover() {
  if (carp_ != nullptr && role_ == ha::Role::kActive) {
    carp_->Switchover();
  } else if (role_ == ha::Role::kActive) {
    OnDrop();
    ChangeRole(ha::Role::kStandby, "by command");
  } else if (carp_ == nullptr && role_ == ha::Role::kStandby) {
    owner_.SetLease(Instant::Never());
    OnTake();
    ChangeRole(ha::Role::kActive, "by command");
  } else {
    return absl::FailedPreconditionError(
        absl::StrCat("switchover: this unit is ", ha::RoleName(role_), " (",
                     reason_, "), and has no role to give"));
  }
  return absl::OkStatus();
}

void PlainPair::OnPacketThreadHung() {
  if (role_ != ha::Role::kActive) return;
  hung_ = true;
  if (carp_ != nullptr) {
    carp_->Switchover();
  } else {
    OnDrop();
    ChangeRole(ha::Role::kStandby, "a packet thread hung");
  }
  hung_ = false;
}

void PlainPair::Leave(absl::Duration patience) {
  (void)patience;  // Nobody answers.
  if (left()) return;
  if (carp_ != nullptr) {
    carp_->Leave();
  } else if (role_ == ha::Role::kActive) {
    OnDrop();
  }
  if (!left()) ChangeRole(ha::Role::kLeaving, "shutting down");
}

void PlainPair::SetLinks(const std::vector<bool>& up) {
  links_ = up;
  if (carp_ != nullptr && links_[0] != link_usable_) {
    link_usable_ = links_[0];
    carp_->SetUsable(link_usable_);
  }
}

void PlainPair::OnLinkLost() {
  if (!reboot_on_link_failure_ || rebooted_ ||
      (role_ != ha::Role::kActive && role_ != ha::Role::kStandby)) {
    return;
  }
  rebooted_ = true;
  owner_.Reboot();
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
  if (carp_ == nullptr) {
    statistics->partner = "not watched";
  } else if (carp_->hears_master(MonotonicNow())) {
    statistics->partner =
        role_ == ha::Role::kActive ? "both units are active" : "active";
  } else {
    statistics->partner =
        role_ == ha::Role::kActive ? "silent, as a standby is" : "not heard";
  }
  // A partner that is not heard may be a sound standby: indeterminate.
  const bool active = role_ == ha::Role::kActive;
  const bool hears_master =
      carp_ != nullptr && carp_->hears_master(MonotonicNow());
  const auto icon = [&](ha::Icon one) {
    return ha::IconName(active && hears_master ? ha::Icon::kGrey : one);
  };
  statistics->icon = icon(active                        ? ha::Icon::kGreenA
                          : role_ == ha::Role::kStandby ? ha::Icon::kGreen
                                                        : ha::Icon::kRed);
  statistics->partner_icon =
      icon(hears_master ? ha::Icon::kGreenA : ha::Icon::kGrey);
  for (const RoleChange& change : last_role_changes_) {
    statistics->last_role_changes.push_back(
        {.seconds_ago = absl::ToDoubleSeconds(MonotonicNow() - change.when),
         .from = ha::RoleName(change.from),
         .to = ha::RoleName(change.to),
         .reason = change.reason});
  }
  statistics->role_changes = role_changes_;
  const auto refuse = [&](std::string reason, uint64_t count) {
    if (count == 0) return;
    statistics->refused += count;
    statistics->refused_by_reason.emplace_back(std::move(reason), count);
  };
  if (carp_ != nullptr) {
    statistics->send_failed = carp_->send_failed();
    for (size_t i = 1; i < ha::kCarpRefusalCount; ++i) {
      const auto refusal = static_cast<ha::CarpRefusal>(i);
      if (refusal == ha::CarpRefusal::kOwn) continue;
      refuse(absl::StrCat("carp_", ha::CarpRefusalName(refusal)),
             carp_->receiver().count(refusal));
    }
  }
  if (!sync_.has_value()) return;
  const ha::IpvsPeer::Stats& stats = sync_->stats();
  statistics->records_sent = stats.records_sent;
  statistics->records_received = stats.records_received;
  statistics->overflow = stats.changes_lost;
  statistics->send_failed += send_failed_;
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
