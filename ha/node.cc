#include "ha/node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

// First byte of a stream message. Below kHello: the replicator's own.
enum StreamType : uint8_t { kHello = 64, kConfig = 65 };

// A challenge is answered at once this often, so that a flood of recorded
// adverts is not echoed.
constexpr absl::Duration kAnswerPause = absl::Milliseconds(5);

// Of a claimant's fast adverts there are 50, 10 ms apart or less (E2).
constexpr absl::Duration kTellAllMax = absl::Milliseconds(500);

}  // namespace

Node::Node(const Options& options, StateTable& table, Host& host, Instant now)
    : options_(options),
      host_(host),
      sealer_(options.keys, options.virtual_id, options.unit, options.boot),
      opener_(options.keys, options.virtual_id, options.unit, options.boot),
      session_(FreshChallenge()),
      election_(options.election, now),
      replicator_(options.replication, table, *this),
      now_(now) {
  Settle(now);
}

PeerSession::Challenge Node::FreshChallenge() {
  PeerSession::Challenge challenge;
  host_.FillRandom(challenge);
  return challenge;
}

void Node::Refuse(OpenError error, EnvelopeType type) {
  ++stats_.refused[static_cast<size_t>(error)][static_cast<size_t>(type)];
}

bool Node::Open(EnvelopeType type, std::span<const uint8_t> bytes,
                Opened* opened) {
  OpenError error = opener_.Open(bytes, opened);
  if (error == OpenError::kNone && opened->type != type) {
    error = OpenError::kNotOurs;
  }
  if (error == OpenError::kNone && type != EnvelopeType::kAdvert) {
    error = session_.Accept(*opened, std::nullopt, FreshChallenge());
  }
  if (error == OpenError::kNone) return true;
  Refuse(error, type);
  return false;
}

void Node::OnAdvert(Instant now, int interface,
                    std::span<const uint8_t> bytes) {
  now_ = now;
  Opened opened;
  if (!Open(EnvelopeType::kAdvert, bytes, &opened)) return;
  const std::optional<Advert> advert = DecodeAdvert(opened.payload);
  if (!advert.has_value()) {
    ++stats_.malformed;
    return;
  }
  const std::optional<BootId> before = session_.boot();
  const OpenError error =
      session_.Accept(opened, advert->answer, FreshChallenge());
  const bool fresh = error == OpenError::kNone;
  if (!fresh) Refuse(error, EnvelopeType::kAdvert);
  // Its challenge is answered before it has proven itself: so it can.
  if ((fresh || error == OpenError::kUnproven) &&
      advert->challenge != answer_) {
    answer_ = advert->challenge;
    answer_owed_ = true;
  }
  if (fresh && before != session_.boot()) {
    // Another start of the partner: what was known of the former is over.
    followed_.reset();
    advert_sequence_ = 0;
    opener_.Pin(opened.unit, opened.boot);
    election_.OnPeerStarted(now);
  }
  if (fresh && opened.sequence < advert_sequence_) {
    ++stats_.overtaken;
  } else if (fresh) {
    advert_sequence_ = opened.sequence;
    Advert heard = *advert;
    if (!heard.Has(kClaimsRole)) {
      claimed_since_.reset();
    } else if (role() == Role::kActive && !ReadyToYield(now)) {
      heard.flags &= ~kClaimsRole;  // It claims again in a moment.
    }
    election_.OnAdvert(now, interface, heard);
    if (advert->role == Role::kActive || advert->Has(kYielded)) {
      replicator_.OnLeaderPosition(now, advert->sync_position);
    }
  }
  Settle(now);
}

void Node::OnSync(Instant now, std::span<const uint8_t> bytes) {
  now_ = now;
  Opened opened;
  if (!Open(EnvelopeType::kSync, bytes, &opened)) return;
  replicator_.OnSync(now, opened.payload);
  Settle(now);
}

void Node::OnLink(Instant now, int interface, bool up) {
  now_ = now;
  election_.OnLink(now, interface, up);
  Settle(now);
}

void Node::OnLinkLost(Instant now) {
  now_ = now;
  election_.OnLinkLost(now);
  Settle(now);
}

std::vector<uint8_t> Node::StreamHello() {
  std::vector<uint8_t> hello;
  const uint8_t payload[] = {kHello};
  sealer_.Seal(EnvelopeType::kStream, payload, hello);
  return hello;
}

bool Node::OnStreamHello(std::span<const uint8_t> bytes) {
  Opened opened;
  return Open(EnvelopeType::kStream, bytes, &opened) &&
         opened.payload.size() == 1 && opened.payload[0] == kHello;
}

void Node::OnStreamUp(Instant now) {
  now_ = now;
  stream_ = true;
  config_owed_ = true;
  replicator_.OnStreamUp(now);
  Settle(now);
}

void Node::OnStreamDown(Instant now, bool died) {
  now_ = now;
  if (stream_) {
    stream_ = false;
    replicator_.OnStreamDown(now);
  }
  if (died) election_.OnPeerDied(now);
  Settle(now);
}

bool Node::OnStream(Instant now, std::span<const uint8_t> bytes) {
  now_ = now;
  Opened opened;
  if (!Open(EnvelopeType::kStream, bytes, &opened)) return false;
  if (opened.payload.empty() || opened.payload[0] == kHello) {
    ++stats_.malformed;
    return false;
  }
  if (opened.payload[0] != kConfig) {
    replicator_.OnStream(now, opened.payload);
    Settle(now);
    return true;
  }
  if (opened.payload.size() < 9) {
    ++stats_.malformed;
    return false;
  }
  const Advert* peer = election_.peer(now);
  if (peer == nullptr || peer->role != Role::kActive ||
      role() == Role::kActive || role() == Role::kPassive ||
      !election_.mismatch(now).empty()) {
    ++stats_.configs_refused;
    return true;
  }
  ++stats_.configs_received;
  host_.OnConfig(now, LoadBig64(opened.payload.data() + 1),
                 opened.payload.subspan(9));
  Settle(now);
  return true;
}

void Node::Tick(Instant now) {
  now_ = now;
  election_.Tick(now);
  Settle(now);  // Adverts first: the table may take a while.
  replicator_.Tick(now);
  Settle(now);
}

Instant Node::deadline() const {
  Instant deadline = std::min(election_.deadline(), replicator_.deadline());
  if (answer_owed_) deadline = std::min(deadline, next_answer_);
  if (stream_ && role() == Role::kActive && !config_.empty()) {
    deadline = std::min(deadline, next_config_);
  }
  return deadline;
}

absl::Status Node::RequestSwitchover(Instant now) {
  now_ = now;
  const absl::Status status = election_.RequestSwitchover(now);
  Settle(now);
  return status;
}

void Node::Leave(Instant now, absl::Duration patience) {
  now_ = now;
  election_.Leave(now, patience);
  Settle(now);
}

void Node::StepDown(Instant now, RoleReason reason) {
  now_ = now;
  election_.StepDown(now, reason);
  Settle(now);
}

absl::Status Node::Resync(Instant now) {
  now_ = now;
  if (role() != Role::kActive) {
    return absl::FailedPreconditionError(
        absl::StrCat("resync: this unit is ", RoleName(role()),
                     "; only the active unit has a table to give"));
  }
  replicator_.Resync(now);
  return absl::OkStatus();
}

absl::Status Node::OfferConfig(Instant now, uint64_t generation,
                               std::vector<uint8_t> config, bool force) {
  BALLAST_CHECK(config.size() <= kConfigBytesMax);
  config_ = std::move(config);
  offered_generation_ = generation;
  config_generation_ = generation;
  config_owed_ = true;
  if (force) {
    const Advert* peer = election_.peer(now);
    if (role() != Role::kActive) {
      return absl::FailedPreconditionError(
          absl::StrCat("force partner update: this unit is ", RoleName(role()),
                       "; only the active unit's configuration is given"));
    }
    if (peer == nullptr || !stream_ || peer->role == Role::kPassive ||
        !election_.mismatch(now).empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "force partner update: no partner to take it: ",
          peer == nullptr                ? "not heard"
          : !stream_                     ? "no stream to it"
          : peer->role == Role::kPassive ? "it is pacified"
                                         : election_.mismatch(now)));
    }
  }
  Settle(now);
  return absl::OkStatus();
}

void Node::KeepConfig(uint64_t generation, std::vector<uint8_t> config) {
  BALLAST_CHECK(config.size() <= kConfigBytesMax);
  config_ = std::move(config);
  offered_generation_ = config_generation_ = generation;
}

void Node::SetKeys(std::span<const PairKey> keys) {
  sealer_.SetKeys(keys);
  opener_.SetKeys(keys);
}

void Node::SendSync(Instant now, std::span<const uint8_t> payload) {
  out_.clear();
  sealer_.Seal(EnvelopeType::kSync, payload, out_);
  host_.SendSync(now, out_);
}

bool Node::SendStream(Instant now, std::span<const uint8_t> payload) {
  if (!stream_) return false;
  out_.clear();
  sealer_.Seal(EnvelopeType::kStream, payload, out_);
  return host_.SendStream(now, out_);
}

bool Node::ReadyToYield(Instant now) {
  if (!claimed_since_.has_value()) {
    claimed_since_ = now;
    replicator_.TellAll(now);
  }
  return !replicator_.telling_all() || now - *claimed_since_ >= kTellAllMax;
}

void Node::SendAdverts(Instant now) {
  Advert advert = election_.MakeAdvert();
  advert.config_generation = config_generation_;
  advert.sync_position = replicator_.position();
  advert.answer = answer_;
  advert.challenge = session_.challenge();
  std::array<uint8_t, kAdvertSize> payload;
  EncodeAdvert(advert, payload);
  for (int i = 0; i < options_.election.interfaces; ++i) {
    out_.clear();
    sealer_.Seal(EnvelopeType::kAdvert, payload, out_);
    host_.SendAdvert(now, i, out_);
  }
  answer_owed_ = false;
}

void Node::Settle(Instant now) {
  // What one action causes comes before the peer is followed: it may end this
  // unit's own leadership, and would end the following too. Each causes a
  // bounded number.
  bool followed = false;
  for (int round = 0; round < 16; ++round) {
    const std::vector<Action> actions = election_.TakeActions();
    if (followed && actions.empty()) break;
    for (const Action action : actions) Carry(now, action);
    followed = actions.empty();
    if (!followed) continue;
    FollowPeer(now);
    election_.OnSync(now, replicator_.complete(), replicator_.position());
  }
  if (answer_owed_ && now >= next_answer_) {
    next_answer_ = now + kAnswerPause;
    SendAdverts(now);
  }
  SendConfig(now);
  const std::vector<RoleChange>& history = election_.history();
  for (; changes_seen_ < election_.changes(); ++changes_seen_) {
    const uint64_t behind = election_.changes() - changes_seen_;
    if (behind > history.size()) continue;
    host_.OnRoleChange(history[history.size() - behind]);
  }
}

void Node::Carry(Instant now, Action action) {
  switch (action) {
    case Action::kSendAdvert:
      SendAdverts(now);
      return;
    case Action::kTakeRole:
      followed_.reset();
      claimed_since_.reset();
      host_.TakeRole(now);
      replicator_.Lead(now);
      config_owed_ = true;
      return;
    case Action::kDropRole:
      host_.DropRole(now);
      replicator_.Idle(now);
      return;
    case Action::kYield:
      host_.DropRole(now);
      replicator_.Finish(now);
      return;
    case Action::kGiveTable:
      // The end of one that was begun before says nothing of this one.
      replicator_.GiveTable(now, [this, give = ++gives_](bool complete) {
        if (give == gives_) election_.OnTableGiven(now_, complete);
      });
      return;
    case Action::kReannounce:
      host_.Reannounce(now);
      return;
    case Action::kReboot:
      host_.Reboot(now);
      return;
  }
}

void Node::FollowPeer(Instant now) {
  if (role() == Role::kActive || role() == Role::kSingle) return;
  const Advert* peer = election_.peer(now);
  const bool leads = peer != nullptr && peer->role == Role::kActive &&
                     role() != Role::kPassive && role() != Role::kLeaving &&
                     election_.mismatch(now).empty();
  if (!leads) {
    // A peer that yielded is followed to its final position; one that was
    // silent for a while begins anew.
    if (peer == nullptr || !peer->Has(kYielded)) followed_.reset();
    return;
  }
  if (followed_ == session_.boot()) return;
  followed_ = session_.boot();
  replicator_.Follow(now);
}

void Node::SendConfig(Instant now) {
  if (role() != Role::kActive || !stream_ || config_.empty()) return;
  if (!config_owed_ && now < next_config_) return;
  const Advert* peer = election_.peer(now);
  if (peer == nullptr || peer->role == Role::kPassive ||
      peer->role == Role::kActive || !election_.mismatch(now).empty()) {
    return;
  }
  std::vector<uint8_t> payload(9 + config_.size());
  payload[0] = kConfig;
  StoreBig64(payload.data() + 1, offered_generation_);
  std::copy(config_.begin(), config_.end(), payload.begin() + 9);
  if (!SendStream(now, payload)) return;
  ++stats_.configs_sent;
  config_owed_ = false;
  next_config_ = now + options_.config_period;
}

}  // namespace ballast::ha
