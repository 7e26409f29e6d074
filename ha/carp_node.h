// One CARP unit as a pure state machine: an event and the time go in, what is
// to be done comes out, in order. For pairs with a foreign unit; between two
// units of our own see election.h.
//
// The owner calls Step() with each advert that CarpReceiver accepted, in the
// order of arrival, and with CarpTick at deadline(): adverts that have arrived
// before the tick. It sends what MakeAdvert() says, and tells how sending went.
//
// Units    advbase: seconds. advskew: 1/256 s. L = advbase + advskew/256 s is
//          the own advert interval, R the one a peer's advert states, D =
//          dead_ratio * advbase + advskew/256 s the master-down time.
// Rules    ucarp 1.5.2, but C3 and C6 (FreeBSD, OpenBSD), C9 and C10 (ours):
//   C1  a unit starts as backup and waits D, or initial_wait if that is longer
//       and nobody is heard; each advert starts D anew; then it is master
//   C2  a new master announces its addresses and adverts at once, then every L
//   C3  a master that hears R < L, or R = L from the lower address, answers
//       with one more advert and is backup. At R = L the BSDs yield whatever
//       the address, and they yield without an answer
//   C4  a master that hears another, weaker one stays and announces again: now
//       (at the most once in L) and after two more adverts
//   C5  a backup that hears R > D, as the bow-out is, is master at once; so is
//       a preempting one that hears R > L
//   C6  OpenBSD's demotion comes before speed: a backup succeeds a demoted
//       master at once, a master does not yield to one. This unit never says it
//       is demoted. From ucarp and FreeBSD the byte means nothing
//   C7  an orderly end, or a planned switchover, of a master says base 255,
//       skew 255. A switchover disarms preemption until the unit takes over
//       again, and it waits 2 D for the peer to take over, who may not believe
//       the bow-out
//   C8  after three adverts in a row that could not be sent, the advert says
//       skew 240 (if it is less) until three in a row were
//   C9  a master serves until lease(): D (or 2 L) after its last advert. Called
//       later it is backup before anything else: somebody else is master by
//       now. A backup called so late waits anew: it could not have heard
//   C10 addresses are announced once more 1.5 s after taking over, besides
//       ucarp's time right after the third advert
//
// C3's lower address is ucarp's: of the four octets the last counts most (the
// address as a little-endian number). 10.77.1.1 is lower than 10.77.0.2.
//
// Threads  one.
#ifndef HA_CARP_NODE_H_
#define HA_CARP_NODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "ha/carp_wire.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast::ha {

enum class CarpRole : uint8_t {
  kInit,  // Takes no part: no link or address, or it has left.
  kBackup,
  kMaster,
};
const char* CarpRoleName(CarpRole role);

enum class CarpAction : uint8_t {
  kTakeAddresses,  // Serve.
  kDropAddresses,  // Serve no more.
  kAnnounce,       // Gratuitous ARP, unsolicited neighbour advertisements.
  kSendAdvert,     // MakeAdvert().
  kSendBowOut,     // MakeAdvert() of this action.
};
using CarpActions = absl::InlinedVector<CarpAction, 4>;

// Why a role was taken or dropped.
enum class CarpReason : uint8_t {
  kStarted,
  // Taken:
  kMasterSilent,   // C1
  kMasterTooSlow,  // C5: it left, or its timing is not ours at all.
  kPreempted,      // C5
  kMasterDemoted,  // C6
  // Dropped:
  kFasterPeer,    // C3
  kTieLost,       // C3
  kSwitchover,    // C7
  kLeft,          // C7
  kNotScheduled,  // C9
  kNotUsable,     // No link or address.
};
inline constexpr size_t kCarpReasonCount = 11;
const char* CarpReasonName(CarpReason reason);

// Whose habits the peer has, where they differ.
enum class CarpManner : uint8_t { kUcarp, kFreeBsd, kOpenBsd };

enum class CarpPreempt : uint8_t {
  kOff,
  kOnce,  // Armed at the start, spent by the first takeover.
  kAlways,
};

struct CarpTick {};
// An accepted advert.
struct CarpHeard {
  Address source;
  uint8_t advbase = 0;
  uint8_t advskew = 0;
  uint8_t demotion = 0;
};
// Link and address are there, or not.
struct CarpUsable {
  bool usable = true;
};
// How sending an advert went.
struct CarpSent {
  bool ok = true;
};
// The peer is to be master.
struct CarpSwitchover {};
// This unit ends.
struct CarpLeave {};
using CarpEvent = std::variant<CarpTick, CarpHeard, CarpUsable, CarpSent,
                               CarpSwitchover, CarpLeave>;

class CarpNode {
 public:
  struct Options {
    uint8_t advbase = 1;
    uint8_t advskew = 0;  // 0..254; not 0 with advbase 0.
    uint8_t dead_ratio = 3;
    CarpPreempt preempt = CarpPreempt::kOff;
    CarpManner manner = CarpManner::kUcarp;
    Address source;  // This unit's own, for C3.
    absl::Duration initial_wait = absl::ZeroDuration();
    bool usable = true;  // At the start.
  };
  // kInvalidArgument: names the field, its value and the limit.
  static absl::Status Validate(const Options& options);

  // Of valid options. `now` never goes back, here or in Step().
  CarpNode(const Options& options, Instant now);

  [[nodiscard]] CarpActions Step(Instant now, const CarpEvent& event);
  // Never() in kInit.
  Instant deadline() const;

  CarpRole role() const { return role_; }
  // Why it has that role.
  CarpReason reason() const { return reason_; }
  // What kSendAdvert or kSendBowOut sends; the caller signs it.
  CarpAdvert MakeAdvert(CarpAction action, uint64_t counter) const;

  // C9: until when a master may serve, if it is not called any more.
  Instant lease() const;
  absl::Duration interval() const;          // L
  absl::Duration master_down_time() const;  // D

  // How often the role of master was taken, or dropped, for that reason.
  uint64_t taken(CarpReason reason) const {
    return taken_[static_cast<size_t>(reason)];
  }
  uint64_t dropped(CarpReason reason) const {
    return dropped_[static_cast<size_t>(reason)];
  }

 private:
  absl::Duration patience() const;
  bool LateByTooMuch(Instant now) const;
  void OnTick(Instant now, CarpActions& actions);
  void OnHeard(Instant now, const CarpHeard& heard, CarpActions& actions);
  void OnHeardAsMaster(Instant now, const CarpHeard& heard,
                       CarpActions& actions);
  void OnHeardAsBackup(Instant now, const CarpHeard& heard,
                       CarpActions& actions);
  void OnUsable(Instant now, bool usable, CarpActions& actions);
  void OnSent(bool ok);
  void Take(Instant now, CarpReason reason, CarpActions& actions);
  // A master's; it is `role` then.
  void Drop(Instant now, CarpRole role, CarpReason reason,
            CarpActions& actions);
  void Wait(Instant now);

  Options options_;
  CarpRole role_ = CarpRole::kInit;
  CarpReason reason_ = CarpReason::kStarted;
  bool left_ = false;
  bool preempts_;
  Instant last_step_;
  // C1, C7: by the initial wait or a switchover, until an advert is heard.
  Instant hold_until_;
  Instant last_advert_;                  // Of a master.
  Instant deadline_ = Instant::Never();  // Of the next advert, or of C1.
  Instant announce_at_ = Instant::Never();
  Instant weaker_announced_until_;  // C4.
  int adverts_until_announce_ = 0;  // 0: not to come.
  int sends_failed_ = 0;            // In a row.
  int sends_good_ = 0;              // In a row, while cannot_send_.
  bool cannot_send_ = false;        // C8.
  std::array<uint64_t, kCarpReasonCount> taken_{};
  std::array<uint64_t, kCarpReasonCount> dropped_{};
};

}  // namespace ballast::ha

#endif  // HA_CARP_NODE_H_
