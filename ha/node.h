// One unit of a pair: the election, the sealed envelopes and the replication
// joined into one pure object. Its owner (lb/run over sockets, lb/sim over a
// simulated network) moves bytes, tells the time, and does what Host is asked.
//
//   Node node(options, table, host, now);
//   node.OnAdvert(now, interface, bytes);  ... every input, then
//   node.Tick(now);                        at node.deadline()
//
// Stream   the pair's one reliable connection: bulk transfer, configuration.
//   Who dials sends StreamHello() first; who accepts gives the first message to
//   OnStreamHello() and, if that is true, answers with its own. Both then call
//   OnStreamUp(). Every later message goes to OnStream(); false means: close.
//
// Config   the active unit offers its configuration (OfferConfig) on change, at
//   once when the partner comes, and every two minutes; the other gets it by
//   Host::OnConfig.
//
// Hand-over  a claim is answered once the claimant has been told of every
//   connection (R7), at the latest after 500 ms: so long claims come fast.
//
// Lease    an active unit may forward until lease() (election.h). Packet
// threads
//   check it themselves, so that a process that was stopped forwards nothing
//   when it goes on.
//
// Errors   what is not a fresh message of the partner is dropped and counted.
// Threads  one.
#ifndef HA_NODE_H_
#define HA_NODE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "ha/advert.h"
#include "ha/election.h"
#include "ha/envelope.h"
#include "ha/replicator.h"
#include "ha/state_table.h"
#include "io/base/instant.h"

namespace ballast::ha {

class Node : private Replicator::Host {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // -- Bytes. All may be lost but the stream's.
    virtual void SendAdvert(Instant now, int interface,
                            std::span<const uint8_t> bytes) = 0;
    virtual void SendSync(Instant now, std::span<const uint8_t> bytes) = 0;
    // One message, whole, in order. False: no stream, or no room now.
    virtual bool SendStream(Instant now, std::span<const uint8_t> bytes) = 0;
    // -- The role.
    // Serve; announce the floating addresses without asking who has them.
    virtual void TakeRole(Instant now) = 0;
    // Forward and answer nothing from here on.
    virtual void DropRole(Instant now) = 0;
    virtual void Reannounce(Instant now) = 0;
    virtual void Reboot(Instant now) = 0;
    virtual void OnRoleChange(const RoleChange& change) = 0;
    // -- What the partner tells.
    virtual void OnConfig(Instant now, uint64_t generation,
                          std::span<const uint8_t> config) = 0;
    // Unpredictable bytes.
    virtual void FillRandom(std::span<uint8_t> bytes) = 0;
  };

  struct Options {
    Election::Options election;  // Of a mode: a single unit needs no node.
    Replicator::Options replication;
    std::vector<PairKey> keys;  // Not empty.
    uint8_t virtual_id = 1;
    uint16_t unit = 0;
    BootId boot = 0;  // Random, of this start.
    absl::Duration config_period = absl::Minutes(2);
  };
  // The largest configuration a unit gives or takes.
  static constexpr size_t kConfigBytesMax = 4 << 20;
  static constexpr size_t kStreamBytesMax = kConfigBytesMax + 1024;

  struct Stats {
    // Messages that were not taken, by reason and type of envelope.
    std::array<std::array<uint64_t, kEnvelopeTypeCount>, kOpenErrorCount>
        refused{};
    uint64_t malformed = 0;  // Fresh and authentic, but nonsense.
    uint64_t overtaken = 0;  // Adverts that a later one came before.
    uint64_t configs_sent = 0;
    uint64_t configs_received = 0;
    uint64_t configs_refused = 0;  // Not from an active unit, or we are not
                                   // its standby.
  };

  // `table` and `host` outlive it.
  Node(const Options& options, StateTable& table, Host& host, Instant now);

  // -- Events ---------------------------------------------------------------
  void OnAdvert(Instant now, int interface, std::span<const uint8_t> bytes);
  void OnSync(Instant now, std::span<const uint8_t> bytes);
  void OnLink(Instant now, int interface, bool up);
  void OnLinkLost(Instant now);
  // The first message of a stream.
  std::vector<uint8_t> StreamHello();
  bool OnStreamHello(std::span<const uint8_t> bytes);
  void OnStreamUp(Instant now);
  // `died`: the peer's host says that nobody listens any more.
  void OnStreamDown(Instant now, bool died);
  bool OnStream(Instant now, std::span<const uint8_t> bytes);
  void OnTableChanged(Instant now) { replicator_.OnTableChanged(now); }
  void Tick(Instant now);
  Instant deadline() const;

  // -- Orders ---------------------------------------------------------------
  absl::Status RequestSwitchover(Instant now);
  // Ends within `patience`, when role() is kLeaving.
  void Leave(Instant now, absl::Duration patience);
  void StepDown(Instant now, RoleReason reason);
  // Everything to the partner anew.
  absl::Status Resync(Instant now);
  // This unit's configuration as of `generation`. `force`: now, else when due.
  //   kFailedPrecondition  not active, or no partner to take it (only `force`)
  absl::Status OfferConfig(Instant now, uint64_t generation,
                           std::vector<uint8_t> config, bool force);
  // What this unit has (a standby's, told in its adverts).
  void SetConfigGeneration(uint64_t generation) {
    config_generation_ = generation;
  }
  // The same, with what a standby has taken: it gives that on, and nothing
  // older, should it become active. From within OnConfig() too.
  void KeepConfig(uint64_t generation, std::vector<uint8_t> config);
  void SetKeys(std::span<const PairKey> keys);

  // -- Outcome --------------------------------------------------------------
  Role role() const { return election_.role(); }
  // Whether the partner has proven itself: the time to dial it.
  bool peer_proven() const { return session_.boot().has_value(); }
  Instant lease() const { return election_.lease(); }
  const Election& election() const { return election_; }
  const Replicator& replicator() const { return replicator_; }
  const Stats& stats() const { return stats_; }

 private:
  // Replicator::Host.
  void SendSync(Instant now, std::span<const uint8_t> payload) override;
  bool SendStream(Instant now, std::span<const uint8_t> payload) override;

  PeerSession::Challenge FreshChallenge();
  // Opens and, but for adverts, wants it fresh.
  bool Open(EnvelopeType type, std::span<const uint8_t> bytes, Opened* opened);
  void Refuse(OpenError error, EnvelopeType type);
  void SendAdverts(Instant now);
  // A claim of the partner's: whether it is to be answered now.
  bool ReadyToYield(Instant now);
  // After anything: carries out the election's actions, follows its outcome.
  void Settle(Instant now);
  void Carry(Instant now, Action action);
  void FollowPeer(Instant now);
  void SendConfig(Instant now);

  const Options options_;
  Host& host_;
  Sealer sealer_;
  Opener opener_;
  PeerSession session_;
  Election election_;
  Replicator replicator_;
  Stats stats_;

  // The peer's challenge as we last answered it, and as it last asked.
  PeerSession::Challenge answer_{};
  Instant next_answer_ = Instant::FromNanos(0);
  bool answer_owed_ = false;
  bool stream_ = false;
  uint64_t advert_sequence_ = 0;  // Of the last one taken.
  std::optional<Instant> claimed_since_;
  // The leadership that is followed: the peer's boot, and whether it has been
  // active without a pause.
  std::optional<BootId> followed_;
  uint64_t gives_ = 0;  // Tables given, or begun to be.
  uint64_t changes_seen_ = 0;
  uint64_t config_generation_ = 0;
  std::vector<uint8_t> config_;
  uint64_t offered_generation_ = 0;
  bool config_owed_ = false;
  Instant next_config_ = Instant::Never();
  Instant now_;  // Of the last call.
  std::vector<uint8_t> out_;
};

}  // namespace ballast::ha

#endif  // HA_NODE_H_
