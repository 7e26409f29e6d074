#include "lb/run/pair.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ha/advert.h"
#include "ha/election.h"
#include "ha/envelope.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/datagram.h"
#include "io/file.h"
#include "lb/run/pair_keys.h"

namespace ballast::run {
namespace {

constexpr uint8_t kCarpProtocol = 112;
constexpr uint8_t kAdvertTtl = 255;  // Less came over a router.
constexpr char kAdvertGroup[] = "224.0.0.18";
constexpr char kAdvertGroup6[] = "ff02::12";
constexpr char kBroadcast[] = "255.255.255.255";
// Datagrams of one turn, so that a flood leaves time for everything else.
constexpr int kReadsMax = 512;

Address AdvertDestination(const Pair::Options& options) {
  return *Address::Parse(options.v6          ? kAdvertGroup6
                         : options.broadcast ? kBroadcast
                                             : kAdvertGroup);
}

}  // namespace

// Deletes itself when its owner has left it and the reactor has given back its
// operation.
struct Pair::Port {
  Pair* owner;
  Reactor& reactor;
  int interface;  // -1: changes.
  std::optional<RawSocket> advert{};
  std::optional<UdpMulticast> sync{};
  Operation poll = Operation::To<&Port::OnPoll>(this);

  int fd() const { return advert ? advert->fd() : sync->fd(); }
  void Start() { reactor.Poll(&poll, fd(), POLLIN); }
  void OnPoll(Completion completion) {
    if (owner == nullptr) {
      if (!completion.more) delete this;
      return;
    }
    owner->OnReadable(*this);
    if (completion.more) return;
    // An error ended it, or a flood is to be read on: from the next turn.
    if (owner == nullptr) {
      delete this;
    } else {
      Start();
    }
  }
  void Leave() {
    owner = nullptr;
    if (poll.pending()) {
      reactor.Cancel(&poll);
    } else {
      delete this;
    }
  }
};

absl::StatusOr<std::unique_ptr<Pair>> Pair::Open(Reactor& reactor,
                                                 Options options,
                                                 ha::StateTable& table,
                                                 Owner& owner) {
  std::unique_ptr<Pair> pair(
      new Pair(reactor, std::move(options), table, owner));
  BALLAST_RETURN_IF_ERROR(pair->OpenSockets());
  if (pair->node_.role() == ha::Role::kPassive) {
    owner.Say(
        {LogLevel::kWarning,
         "role_changed",
         absl::StrCat("role booting -> passive: ",
                      ha::RoleReasonText(pair->node_.election().reason()),
                      "; takes part again when it is started after a long run"),
         {{"role", "passive"}, {"former_role", "booting"}}});
  }
  pair->Arm();
  return pair;
}

Pair::Pair(Reactor& reactor, Options options, ha::StateTable& table,
           Owner& owner)
    : reactor_(reactor),
      options_(std::move(options)),
      owner_(owner),
      links_(options_.check_interfaces.size(), true),
      node_(options_.node, table, *this, MonotonicNow()),
      alarm_(reactor, [this] {
        node_.Tick(MonotonicNow());
        Arm();
      }) {}

Pair::~Pair() {
  for (Port* port : checks_) port->Leave();
  if (sync_ != nullptr) sync_->Leave();
}

absl::Status Pair::OpenSockets() {
  for (size_t i = 0; i < options_.check_interfaces.size(); ++i) {
    const std::string& interface = options_.check_interfaces[i];
    BALLAST_ASSIGN_OR_RETURN(
        auto socket,
        RawSocket::Open({.family = options_.v6 ? RawSocket::Family::kIpv6
                                               : RawSocket::Family::kIpv4,
                         .protocol = kCarpProtocol,
                         .interface = interface,
                         .ttl = kAdvertTtl,
                         .broadcast = options_.broadcast}));
    if (!options_.broadcast) {
      BALLAST_ASSIGN_OR_RETURN(const int index, InterfaceIndex(interface));
      BALLAST_RETURN_IF_ERROR(socket.Join(AdvertDestination(options_), index));
    }
    checks_.push_back(new Port{this, reactor_, static_cast<int>(i)});
    checks_.back()->advert = std::move(socket);
    checks_.back()->Start();
  }
  BALLAST_ASSIGN_OR_RETURN(
      auto sync, UdpMulticast::Open({.group = options_.sync_group,
                                     .interface = options_.sync_interface}));
  sync_ = new Port{this, reactor_, -1};
  sync_->sync = std::move(sync);
  sync_->Start();
  BALLAST_ASSIGN_OR_RETURN(
      stream_, PairStream::Listen(
                   reactor_,
                   {.own = options_.own,
                    .partner = options_.partner,
                    .dials = options_.node.election.mode == ha::Mode::kFirst,
                    .message_max = ha::Node::kStreamBytesMax},
                   *this));
  return absl::OkStatus();
}

void Pair::OnReadable(Port& port) {
  for (int i = 0; i < kReadsMax; ++i) {
    const auto received = port.advert ? port.advert->Receive(buffer_)
                                      : port.sync->Receive(buffer_);
    if (!received.ok()) {
      TellStrangers();
      Arm();
      return;
    }
    if (port.interface < 0) {
      node_.OnSync(MonotonicNow(), received->payload);
    } else if (received->ttl != kAdvertTtl) {
      ++stats_.wrong_ttl;
    } else {
      node_.OnAdvert(MonotonicNow(), port.interface, received->payload);
    }
  }
  Arm();
  reactor_.Cancel(&port.poll);  // Begins anew, with what is still there.
}

// Two units that should be a pair and have no key in common both serve: that
// must not go unsaid.
void Pair::TellStrangers() {
  uint64_t count = 0;
  for (const ha::OpenError error :
       {ha::OpenError::kUnknownKey, ha::OpenError::kForged}) {
    for (const uint64_t by_type :
         node_.stats().refused[static_cast<size_t>(error)]) {
      count += by_type;
    }
  }
  if (count == strangers_told_) return;
  const Instant now = MonotonicNow();
  if (now < strangers_next_) return;
  owner_.Say({LogLevel::kWarning,
              "partner_messages_refused",
              absl::StrCat("pair ", int{options_.node.virtual_id}, ": ",
                           count - strangers_told_,
                           " messages refused: not sealed with a key of "
                           "ha.keys or ha.key_file; both units need the same"),
              {{"count", absl::StrCat(count - strangers_told_)}}});
  strangers_told_ = count;
  strangers_next_ = now + kTellStrangers;
}

void Pair::SetLinks(const std::vector<bool>& up) {
  for (size_t i = 0; i < links_.size() && i < up.size(); ++i) {
    if (links_[i] == up[i]) continue;
    links_[i] = up[i];
    node_.OnLink(MonotonicNow(), static_cast<int>(i), up[i]);
  }
  Arm();
}

void Pair::OnTableChanged() {
  node_.OnTableChanged(MonotonicNow());
  Arm();
}

void Pair::OnLinkLost() {
  node_.OnLinkLost(MonotonicNow());
  Arm();
}

void Pair::Arm() {
  stream_->Want(node_.peer_proven());
  const bool heard = node_.election().peer(MonotonicNow()) != nullptr;
  if (!std::exchange(heard_, heard) && heard) stream_->Renew();
  owner_.SetLease(node_.lease());
  alarm_.Set(node_.deadline());
  const ha::Replicator& replicator = node_.replicator();
  if (node_.role() == ha::Role::kActive || replicator.complete() == complete_) {
    return;
  }
  complete_ = replicator.complete();
  if (complete_) {
    owner_.Say(
        {LogLevel::kInfo, "in_sync",
         absl::StrCat("in sync with the active unit: ",
                      replicator.stats().transfer_records, " entries taken")});
  } else {
    owner_.Say({LogLevel::kWarning, "not_in_sync",
                "no longer in sync with the active unit"});
  }
}

absl::Status Pair::Apply(const config::Model& model) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<ha::PairKey> keys,
                           ReadPairKeys(model.ha));
  node_.SetKeys(keys);
  return absl::OkStatus();
}

absl::Status Pair::Switchover() {
  const absl::Status status = node_.RequestSwitchover(MonotonicNow());
  Arm();
  return status;
}

absl::Status Pair::Resync() {
  const absl::Status status = node_.Resync(MonotonicNow());
  Arm();
  return status;
}

absl::Status Pair::OfferConfig(uint64_t generation, std::vector<uint8_t> config,
                               bool force) {
  if (config.size() > ha::Node::kConfigBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "configuration for the partner: ", config.size(),
        " bytes, must be at most ", size_t{ha::Node::kConfigBytesMax}));
  }
  const absl::Status status =
      node_.OfferConfig(MonotonicNow(), generation, std::move(config), force);
  Arm();
  return status;
}

void Pair::KeepConfig(uint64_t generation, std::vector<uint8_t> config) {
  node_.KeepConfig(generation, std::move(config));
}

absl::Status Pair::MayChangeConfig() const {
  if (node_.role() == ha::Role::kActive) return absl::OkStatus();
  const ha::Advert* peer = node_.election().peer(MonotonicNow());
  const bool other = peer != nullptr && peer->role == ha::Role::kActive;
  return absl::FailedPreconditionError(absl::StrCat(
      "this unit is ", ha::RoleName(node_.role()), ": ",
      other ? absl::StrCat("change the configuration on the active unit, ",
                           peer->mode == ha::Mode::kFirst ? "FIRST" : "SECOND",
                           " at ", options_.partner.address.ToString())
            : "no unit of the pair is active"));
}

void Pair::OnPacketThreadHung() {
  node_.StepDown(MonotonicNow(), ha::RoleReason::kPacketThreadHung);
  Arm();
}

void Pair::Leave(absl::Duration patience) {
  node_.Leave(MonotonicNow(), patience);
  Arm();
}

bool Pair::left() const { return node_.role() == ha::Role::kLeaving; }

void Pair::Collect(PairStatistics* statistics) const {
  const Instant now = MonotonicNow();
  const ha::ReplicatorStats& stats = node_.replicator().stats();
  statistics->configured = true;
  statistics->role = ha::RoleName(node_.role());
  statistics->reason = ha::RoleReasonText(node_.election().reason());
  const ha::IconText own = node_.election().own_icon(now);
  const ha::IconText peer = node_.election().peer_icon(now);
  statistics->status = own.reason;
  statistics->icon = ha::IconName(own.icon);
  statistics->partner = peer.reason;
  statistics->partner_icon = ha::IconName(peer.icon);
  for (const ha::RoleChange& change : node_.election().history()) {
    statistics->last_role_changes.push_back(
        {.seconds_ago = absl::ToDoubleSeconds(now - change.when),
         .from = ha::RoleName(change.from),
         .to = ha::RoleName(change.to),
         .reason = ha::RoleReasonText(change.reason),
         .incomplete = change.incomplete});
  }
  statistics->complete = node_.replicator().complete();
  statistics->lag = node_.replicator().lag();
  statistics->role_changes = node_.election().changes();
  statistics->took_over_incomplete =
      node_.election().stats().took_over_incomplete;
  statistics->records_sent = stats.records_sent;
  statistics->records_received = stats.records_received;
  statistics->left_untold = stats.left_untold;
  statistics->repaired = stats.repaired;
  statistics->overflow = stats.overflow;
  statistics->send_failed = stats_.send_failed;
  statistics->transfer_records = stats.transfer_records;
  statistics->transfer_total = stats.transfer_total;
  const auto refuse = [&](const char* reason, uint64_t count) {
    if (count == 0) return;
    statistics->refused += count;
    statistics->refused_by_reason.emplace_back(reason, count);
  };
  for (size_t i = 0; i < ha::kOpenErrorCount; ++i) {
    uint64_t sum = 0;
    for (const uint64_t count : node_.stats().refused[i]) sum += count;
    refuse(ha::OpenErrorName(static_cast<ha::OpenError>(i)), sum);
  }
  refuse("malformed", node_.stats().malformed + stats.malformed);
  refuse("wrong_ttl", stats_.wrong_ttl);
  if (stream_ != nullptr) {
    refuse("stream_stranger", stream_->stats().strangers);
  }
}

void Pair::SendAdvert(Instant now, int interface,
                      std::span<const uint8_t> bytes) {
  (void)now;
  // The node may speak before the sockets are there.
  if (static_cast<size_t>(interface) >= checks_.size()) return;
  const absl::Status status =
      checks_[static_cast<size_t>(interface)]->advert->Send(
          bytes, AdvertDestination(options_));
  if (!status.ok()) ++stats_.send_failed;
}

void Pair::SendSync(Instant now, std::span<const uint8_t> bytes) {
  (void)now;
  if (sync_ == nullptr || !sync_->sync->Send(bytes).ok()) ++stats_.send_failed;
}

bool Pair::SendStream(Instant now, std::span<const uint8_t> bytes) {
  (void)now;
  return stream_ != nullptr && stream_->Send(bytes);
}

void Pair::TakeRole(Instant now) {
  (void)now;
  owner_.SetLease(node_.lease());
  owner_.SetActive(true);
}
void Pair::DropRole(Instant now) {
  owner_.SetLease(now);
  owner_.SetActive(false);
}
void Pair::Reannounce(Instant now) {
  (void)now;
  owner_.Reannounce();
}
void Pair::Reboot(Instant now) {
  (void)now;
  owner_.Reboot();
}
void Pair::OnRoleChange(const ha::RoleChange& change) {
  owner_.Say({change.incomplete ? LogLevel::kWarning : LogLevel::kInfo,
              "role_changed",
              absl::StrCat("role ", ha::RoleName(change.from), " -> ",
                           ha::RoleName(change.to), ": ",
                           ha::RoleReasonText(change.reason),
                           change.incomplete ? " (took over incomplete)" : ""),
              {{"role", std::string(ha::RoleName(change.to))},
               {"former_role", std::string(ha::RoleName(change.from))},
               {"reason", std::string(ha::RoleReasonText(change.reason))}}});
  complete_ = false;
}
void Pair::OnConfig(Instant now, uint64_t generation,
                    std::span<const uint8_t> config) {
  (void)now;
  owner_.OnPartnerConfig(generation, config);
}
void Pair::FillRandom(std::span<uint8_t> bytes) { ballast::FillRandom(bytes); }

std::vector<uint8_t> Pair::Hello() { return node_.StreamHello(); }
bool Pair::OnHello(std::span<const uint8_t> message) {
  return node_.OnStreamHello(message);
}
void Pair::OnUp() {
  node_.OnStreamUp(MonotonicNow());
  Arm();
}
void Pair::OnDown(bool died) {
  node_.OnStreamDown(MonotonicNow(), died);
  Arm();
}
bool Pair::OnMessage(std::span<const uint8_t> message) {
  const bool good = node_.OnStream(MonotonicNow(), message);
  Arm();
  return good;
}
void Pair::OnRoom() {
  node_.Tick(MonotonicNow());
  Arm();
}

}  // namespace ballast::run
