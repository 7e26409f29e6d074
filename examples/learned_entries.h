// What a Linux director has told of its connections so far, as a list to look
// at: kept as one of its backups would keep it, and forgotten when that would.
//
// Bounds   `limit` entries; more are refused.
// Cost     Take: a search. Expire(), Summary(), Lines(): a walk through all.
// Threads  one.
#ifndef EXAMPLES_LEARNED_ENTRIES_H_
#define EXAMPLES_LEARNED_ENTRIES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "ha/ipvs_wire.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/instant.h"

namespace ballast {

class LearnedEntries {
 public:
  explicit LearnedEntries(size_t limit) : limit_(limit) {}

  enum class Outcome {
    kNew,
    kKnown,     // Its state and timeout are taken over.
    kReplaced,  // It has another server now.
    kIgnored,   // It would have, but is said to be inactive.
    kRefused,   // No room.
  };
  Outcome Take(Instant now, const ha::IpvsEntry& entry);
  // Forgets what was not told of for its timeout; how many.
  size_t Expire(Instant now);

  size_t connections() const { return entries_.size() - templates_; }
  size_t templates() const { return templates_; }
  // "200 connections (190 ESTABLISHED, 10 FIN_WAIT), 3 templates".
  std::string Summary() const;
  // A heading and a line for each, connections first, as `ipvsadm -Lnc` would:
  // at most `count_max`.
  std::vector<std::string> Lines(Instant now, size_t count_max) const;

 private:
  // Of a template or not, protocol, client, virtual service, what a
  // persistence engine knows it by.
  using Key = std::tuple<bool, uint8_t, Endpoint, Endpoint, std::string>;
  struct Entry {
    ha::SyncRecord record;
    Instant heard;
    uint64_t times = 0;  // Told of.
  };

  const size_t limit_;
  size_t templates_ = 0;
  std::map<Key, Entry> entries_;
};

}  // namespace ballast

#endif  // EXAMPLES_LEARNED_ENTRIES_H_
