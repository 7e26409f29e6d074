// One unit of a pair for benchmarks: a table's replicator, with the sealed
// envelopes around all that it says. What is sealed waits here until the
// benchmark gives it to the other unit: nothing is lost, no time passes.
#ifndef BENCH_SYNC_UNIT_H_
#define BENCH_SYNC_UNIT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ha/envelope.h"
#include "ha/pair_key.h"
#include "ha/replicator.h"
#include "ha/state_table.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/instant.h"

namespace ballast::ha {

class SyncUnit : public ReplicationHost {
 public:
  // `number`: 1 or 2.
  SyncUnit(StateTable& table, uint16_t number,
           const Replicator::Options& options = {})
      : replicator_(options, table, *this),
        sealer_(kKeys, kVirtualId, number, kBoot + number),
        opener_(kKeys, kVirtualId, number, kBoot + number) {}

  Replicator& replicator() { return replicator_; }

  // -- What waits for the partner ---------------------------------------------
  size_t datagrams() const { return count_; }
  // Sealed bytes of datagrams, ever.
  uint64_t datagram_bytes() const { return datagram_bytes_; }
  uint64_t stream_bytes() const { return stream_bytes_; }
  size_t stream_waiting() const { return stream_.size() - stream_at_; }

  // Opens and applies all datagrams of `from`.
  void TakeDatagrams(Instant now, SyncUnit& from) {
    for (size_t i = 0; i < from.count_; ++i) {
      Opened opened;
      BALLAST_CHECK(opener_.Open(from.datagrams_[i], &opened) ==
                    OpenError::kNone);
      replicator_.OnSync(now, opened.payload);
    }
    from.count_ = 0;
  }
  // The same of the stream's next message; false: none.
  bool TakeStreamMessage(Instant now, SyncUnit& from) {
    if (from.stream_waiting() == 0) return false;
    const size_t length = LoadBig32(&from.stream_[from.stream_at_]);
    const auto message =
        std::span(from.stream_).subspan(from.stream_at_ + 4, length);
    Opened opened;
    BALLAST_CHECK(opener_.Open(message, &opened) == OpenError::kNone);
    replicator_.OnStream(now, opened.payload);
    from.stream_at_ += 4 + length;
    if (from.stream_at_ == from.stream_.size()) {
      from.stream_.clear();
      from.stream_at_ = 0;
    }
    return true;
  }

 private:
  // As lb/run's stream.
  static constexpr size_t kStreamMax = 8 << 20;
  static constexpr uint8_t kVirtualId = 1;
  static constexpr BootId kBoot = 0x1234567800000000;
  static constexpr PairKey kKeys[] = {{1, 2, 3}};

  void SendSync(Instant, std::span<const uint8_t> payload) override {
    if (count_ == datagrams_.size()) datagrams_.emplace_back();
    std::vector<uint8_t>& datagram = datagrams_[count_++];
    datagram.clear();
    sealer_.Seal(EnvelopeType::kSync, payload, datagram);
    datagram_bytes_ += datagram.size();
  }
  bool SendStream(Instant, std::span<const uint8_t> payload) override {
    if (stream_waiting() > kStreamMax) return false;
    message_.clear();
    sealer_.Seal(EnvelopeType::kStream, payload, message_);
    const size_t at = stream_.size();
    stream_.resize(at + 4 + message_.size());
    StoreBig32(&stream_[at], static_cast<uint32_t>(message_.size()));
    std::copy(message_.begin(), message_.end(),
              stream_.begin() + static_cast<ptrdiff_t>(at + 4));
    stream_bytes_ += 4 + message_.size();
    return true;
  }

  Replicator replicator_;
  Sealer sealer_;
  Opener opener_;
  std::vector<std::vector<uint8_t>> datagrams_;  // The first count_ wait.
  size_t count_ = 0;
  uint64_t datagram_bytes_ = 0;
  std::vector<uint8_t> stream_;
  size_t stream_at_ = 0;
  uint64_t stream_bytes_ = 0;
  std::vector<uint8_t> message_;
};

// `leader` gives `follower` its whole table, and both are in step.
inline void Join(Instant now, SyncUnit& leader, SyncUnit& follower) {
  leader.replicator().Lead(now);
  leader.replicator().OnStreamUp(now);
  follower.replicator().OnStreamUp(now);
  follower.replicator().Follow(now);
  for (int i = 0; i < 100000 && !follower.replicator().complete(); ++i) {
    leader.replicator().Tick(now);
    follower.replicator().Tick(now);
    while (follower.TakeStreamMessage(now, leader)) {
    }
    while (leader.TakeStreamMessage(now, follower)) {
    }
  }
  BALLAST_CHECK(follower.replicator().complete());
}

}  // namespace ballast::ha

#endif  // BENCH_SYNC_UNIT_H_
