// Property: whatever an authentic partner says, in any role, nothing breaks,
// nothing is waited for that is due already, and an honest partner afterwards
// brings both tables together.
//
// Input: role (1), then messages: how (1), length (2), bytes. how & 1: by
// stream; how & 2: then 20 ms pass; how & 4: names and positions are made to
// fit, so that what is said gets further than "not mine".
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "ha/fake_state_table.h"
#include "ha/replication_pair.h"
#include "ha/replicator.h"
#include "ha/transfer_wire.h"
#include "io/base/bytes.h"
#include "io/base/check.h"

namespace ballast::ha {
namespace {

enum Scenario : uint8_t { kHaving, kWaiting, kTelling, kAlone, kFinished };

class World {
 public:
  explicit World(uint8_t scenario) : pair_({}, 1, 100000, /*l7=*/true) {
    pair_.on_stream = [this](int to, std::span<const uint8_t> message) {
      if (to == 0 && message[0] == uint8_t(StreamMessage::kRequest)) {
        request_ = DecodeRequest(message.subspan(1))->id;
      }
    };
    for (uint32_t n = 0; n < 8; ++n) {
      pair_.a().table.Put(FakeStateTable::Connection(n, 1, n % 2 == 0));
    }
    switch (scenario % 5) {
      case kWaiting:
        pair_.StreamUp();
        pair_.b().replicator.Follow(pair_.now());
        break;
      case kAlone:
        target_ = 0;
        pair_.a().replicator.Lead(pair_.now());
        pair_.StreamUp();
        break;
      case kFinished:
        pair_.Join();
        pair_.a().replicator.Finish(pair_.now());
        target_ = 0;
        break;
      case kTelling:
        target_ = 0;
        [[fallthrough]];
      default:
        pair_.Join();
        pair_.a().table.Put(FakeStateTable::Connection(100));
        pair_.Run(absl::Milliseconds(20));
    }
  }

  void Say(uint8_t how, std::vector<uint8_t> bytes) {
    auto& unit = pair_.unit(target_);
    const bool stream = (how & 1) != 0;
    if ((how & 4) != 0) Fit(stream, bytes);
    if (stream) {
      unit.replicator.OnStream(pair_.now(), bytes);
    } else {
      unit.replicator.OnSync(pair_.now(), bytes);
    }
    unit.replicator.Tick(pair_.now());
    BALLAST_CHECK(unit.replicator.deadline() > pair_.now());
    BALLAST_CHECK(!unit.replicator.complete() ||
                  unit.replicator.position() != 0);
    if ((how & 2) != 0) pair_.Run(absl::Milliseconds(20));
  }

  void BecomeHonest() {
    pair_.a().replicator.Lead(pair_.now());
    pair_.b().replicator.Follow(pair_.now());
    pair_.Run(absl::Milliseconds(100));
    BALLAST_CHECK(pair_.b().replicator.complete());
    BALLAST_CHECK(pair_.a().table.ToldNow() == pair_.b().table.ToldNow());
  }

 private:
  void Fit(bool stream, std::vector<uint8_t>& bytes) {
    const uint64_t position = pair_.unit(target_).replicator.position();
    if (!stream) {
      if (bytes.size() < 8 || LoadBig64(bytes.data()) == 0) return;
      StoreBig64(bytes.data(), position + bytes[7] % 8);
      return;
    }
    if (bytes.empty()) return;
    const auto type = static_cast<StreamMessage>(bytes[0]);
    if (type == StreamMessage::kChanges && bytes.size() >= 9) {
      StoreBig64(bytes.data() + 1, ++changes_);
    } else if (type == StreamMessage::kBegin && bytes.size() >= 26) {
      StoreBig64(bytes.data() + 1, request_);
      changes_ = LoadBig64(bytes.data() + 18);
    } else if (type == StreamMessage::kEnd && bytes.size() >= 17) {
      StoreBig64(bytes.data() + 1, request_);
      StoreBig64(bytes.data() + 9, changes_);
    }
  }

  ReplicationPair pair_;
  int target_ = 1;
  uint64_t request_ = 0;
  uint64_t changes_ = 0;  // The position of the last one, in a transfer.
};

}  // namespace
}  // namespace ballast::ha

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  ByteReader in({data, size});
  ha::World world(in.U8());
  for (int messages = 0; messages < 16 && in.remaining() > 3; ++messages) {
    const uint8_t how = in.U8();
    const auto bytes = in.Bytes(std::min<size_t>(in.U16(), in.remaining()));
    world.Say(how, {bytes.begin(), bytes.end()});
  }
  world.BecomeHonest();
  return 0;
}
