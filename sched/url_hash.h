// URL hash scheduling: the request's place in the list of servers as it is
// configured, so that a server that fails moves nobody else's requests, and
// gets its own back when it returns. While it is away the next available one in
// list order has them.
//
// A server added or removed changes almost every place. Weights count only in
// that a server of weight 0 is never available.
//
// Source  LoadMaster's `uhash`.
#ifndef SCHED_URL_HASH_H_
#define SCHED_URL_HASH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sched/scheduler.h"

namespace ballast::sched {

class UrlHash final : public Scheduler {
 public:
  UrlHash(const Options& options, std::span<const ServerState> servers)
      : Scheduler(options, servers) {}

  std::unique_ptr<Scheduler> Clone() const override {
    return std::make_unique<UrlHash>(*this);
  }
  std::optional<uint16_t> Pick(Instant /*now*/, uint32_t hash) override {
    if (server_count() == 0) return std::nullopt;
    return available_.NextFrom(hash % server_count());
  }
};

}  // namespace ballast::sched

#endif  // SCHED_URL_HASH_H_
