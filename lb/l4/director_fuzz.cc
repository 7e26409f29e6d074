// Properties of a director whatever its networks, its configuration and its
// owner do to it, with tables of a few places:
//   - each frame gets exactly one verdict, and a held one comes back once;
//   - frames stay within their buffers; what is sent parses again;
//   - counters balance as counters.h says, frame by frame;
//   - flows stay within the limit; the sink, the servers' counters and the
//     scheduler agree on how many there are;
//   - when all have been idle for long enough nothing is left of them, nor of
//     what a partner told of;
//   - what is told is counted as a naive reader of the changes counts it.
// Input: a script, a byte or a few for each step. What it leaves open goes on
// with bytes made from it, so that a short input is a whole run, too.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ha/state_table.h"
#include "ha/sync_record.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "lb/l4/director.h"
#include "lb/l4/director_fuzz_world.h"
#include "lb/l4/frame_builder.h"
#include "lb/l4/packet.h"
#include "persist/key_store.h"

namespace ballast::l4 {
namespace {

class Run : public FlowSink {
 public:
  Run(const uint8_t* data, size_t size) : script_(data, size) {
    auto keys = persist::KeyStore::Create({.limit = 2});
    BALLAST_CHECK(keys.ok());
    Director::Options options{.connections_max = kFlowsMax,
                              .persistence_entries_max = 3,
                              .fragments_max = 4,
                              .pending_frames_max = 3,
                              .keys = std::move(*keys),
                              .sink = this,
                              .changes_max = 64,
                              .unbound_max = 3};
    Build(0);
    auto director =
        Director::Create(options, plan_, Views()[script_.Below(2)], now_);
    BALLAST_CHECK(director.ok());
    director_ = *std::move(director);
    director_->SetActive(now_, true, /*at_once=*/true);
  }

  void Go() {
    while (!script_.done()) {
      Step();
      CheckCounters();
    }
    Process();
    director_->SetFollowing(now_, false);
    // A view that lets everything leave, then silence.
    for (int i = 0; i < 8; ++i) {
      now_ += absl::Minutes(20);
      while (Emit(64, true) == 64) {
      }
      CheckCounters();
    }
    BALLAST_CHECK(director_->flow_count() == 0);
    BALLAST_CHECK(director_->Mark(now_) == ha::TableSummary{});
    BALLAST_CHECK(held_.empty());
  }

  void OnFlow(FlowEvent event, const FlowView& flow) override {
    BALLAST_CHECK(flow.client_side.source.address.is_v4() != flow.handle.v6);
    if (event == FlowEvent::kAdded) ++flows_told_;
    if (event == FlowEvent::kRemoved) --flows_told_;
    BALLAST_CHECK(flows_told_ <= kFlowsMax);
  }

 private:
  struct Owned {
    std::unique_ptr<TestFrame> memory;
    size_t room = 0;  // Of the buffer.
    const uint8_t* begin = nullptr;
  };

  void Step() {
    switch (script_.Below(22)) {
      case 0:
        Process();
        return;
      case 1:
        Process();
        now_ += absl::Milliseconds(1u << script_.Below(18));
        return;
      case 2:
      case 3:
        Process();
        Emit(1 + script_.Below(6), script_.Below(4) != 0);
        return;
      case 4:
        if (script_.Below(3) != 0) return;
        Process();
        Build(script_.Below(static_cast<uint32_t>(Models().size())));
        director_->Apply(now_, plan_);
        return;
      case 5:
        if (script_.Below(2) != 0) return;
        Process();
        director_->SetView(now_, script_.Of(Views()));
        director_->TakeWantedHops();
        return;
      case 6:
        if (script_.Below(4) != 0) return;
        Process();
        director_->SetActive(now_, script_.Below(8) != 0,
                             script_.Below(2) != 0);
        return;
      case 7: {
        Process();
        const Slot slot = static_cast<Slot>(script_.Below(12));
        if (plan_->server(slot) == nullptr) return;
        director_->SetHealthy(now_, slot, script_.Below(2) != 0);
        return;
      }
      case 8:
        Process();
        Records();
        return;
      case 9:
        Process();
        Partner();
        return;
      case 10:
        Process();
        Told();
        return;
      default:
        Add(NextFrame());
    }
  }

  void Build(size_t model) {
    auto plan = builder_.Build(Models()[model], now_, [this](Slot slot) {
      const ServerCounters* counters = director_->counters().servers.Get(slot);
      return counters != nullptr && counters->open.value() > 0;
    });
    BALLAST_CHECK(plan.ok());
    plan_ = *plan;
    slots_ = std::max(slots_, plan_->server_slots());
  }

  Bytes NextFrame() {
    const Ends& ends = EndsOf(script_.Below(3) == 0);
    Endpoint from = script_.Of(ends.clients), to = script_.Of(ends.services);
    switch (script_.Below(8)) {
      case 0:
        std::swap(from, to);
        break;
      case 1:
      case 2:
        to = std::exchange(from, script_.Of(ends.servers));
        break;
      case 3:
        to = script_.Of(ends.servers);
        break;
      default:
        break;
    }
    Bytes frame = Framed(PacketBetween(script_, from, to, script_.Below(13)));
    std::copy(kOurMac.bytes.begin(), kOurMac.bytes.end(), frame.begin());
    std::copy(kNeighbourMac.bytes.begin(), kNeighbourMac.bytes.end(),
              frame.begin() + 6);
    if (from.address.is_v4() && script_.Below(16) == 0) {
      frame =
          Concat({EthernetHeader(kEtherTypeArp),
                  ArpPacket(from.address, to.address, script_.Below(2) != 0)});
    }
    if (script_.Below(4) != 0) return frame;
    for (uint32_t i = 1 + script_.Below(3); i > 0; --i) {
      frame[script_.Byte() % frame.size()] = script_.Byte();
    }
    if (script_.Below(4) == 0) frame.resize(script_.Byte() % frame.size());
    if (script_.Below(2) != 0 && frame.size() >= 34 && frame[14] == 0x45) {
      StoreBig16(&frame[24], 0);
      StoreBig16(&frame[24], static_cast<uint16_t>(~NaiveSum(Bytes(
                                 frame.begin() + 14, frame.begin() + 34))));
    }
    return frame;
  }

  Frame Own(const Bytes& bytes, size_t headroom, size_t tailroom) {
    Owned owned;
    owned.memory = std::make_unique<TestFrame>(bytes, headroom, tailroom);
    Frame frame = owned.memory->frame;
    owned.begin = frame.data - headroom;
    owned.room = headroom + bytes.size() + tailroom;
    frame.cookie = ++cookie_;
    owned_[frame.cookie] = std::move(owned);
    return frame;
  }

  void Add(const Bytes& bytes) {
    Frame frame = Own(bytes, script_.Below(4) == 0 ? 0 : 64,
                      script_.Below(4) == 0 ? 0 : 64);
    constexpr std::array<uint16_t, 5> kPorts = {
        kClientPort, kClientPort, kServerPort, kServerPort, kPuntPort};
    frame.port = script_.Of(kPorts);
    if (script_.Below(8) == 0) {
      frame.offload.partial_checksum = true;
      frame.offload.checksum_start = script_.Below(2) != 0 ? 34 : 54;
      frame.offload.checksum_offset = script_.Below(2) != 0 ? 16 : 6;
      frame.offload.segmentation =
          static_cast<Offload::Segmentation>(script_.Below(4));
      frame.offload.segment_size = script_.Byte();
    }
    batch_.push_back(frame);
    if (batch_.size() == Director::kBatchMax) Process();
  }

  // A verdict on one frame that is ours to carry out.
  void Carry(const Frame& frame, const Verdict& verdict) {
    BALLAST_CHECK(frame.port <= kPuntPort);
    switch (verdict.action) {
      case Verdict::Action::kHeld:
        BALLAST_CHECK(held_.insert(frame.cookie).second);
        return;  // Its memory stays.
      case Verdict::Action::kDrop:
        BALLAST_CHECK(verdict.reason != DropReason::kNone &&
                      verdict.reason < DropReason::kCount);
        ++dropped_;
        break;
      case Verdict::Action::kSend: {
        ++(frame.port == kPuntPort ? punted_ : sent_);
        const Owned& owned = owned_.at(frame.cookie);
        BALLAST_CHECK(frame.data - frame.headroom == owned.begin);
        BALLAST_CHECK(frame.headroom + frame.length + frame.tailroom ==
                      owned.room);
        Packet packet;
        BALLAST_CHECK(Parse(frame, &packet) == DropReason::kNone);
        break;
      }
    }
    BALLAST_CHECK(owned_.erase(frame.cookie) == 1);
  }

  void Process() {
    const std::vector<Frame> before = batch_;
    std::vector<Verdict> verdicts(batch_.size(),
                                  {static_cast<Verdict::Action>(99)});
    director_->Process(now_, batch_, verdicts);
    received_ += batch_.size();
    for (size_t i = 0; i < batch_.size(); ++i) {
      BALLAST_CHECK(batch_[i].cookie == before[i].cookie);
      Carry(batch_[i], verdicts[i]);
    }
    batch_.clear();
  }

  size_t Emit(size_t room, bool allocates) {
    std::vector<Frame> frames(room);
    std::vector<Verdict> verdicts(room);
    std::set<uint32_t> fresh;
    const size_t count =
        director_->Emit(now_, frames, verdicts, [&](Frame* frame) {
          if (!allocates && script_.Below(2) == 0) return false;
          *frame = Own({}, 64, 512);
          fresh.insert(frame->cookie);
          return true;
        });
    BALLAST_CHECK(count <= room);
    for (size_t i = 0; i < count; ++i) {
      const uint32_t cookie = frames[i].cookie;
      const bool own = fresh.erase(cookie) == 1;
      BALLAST_CHECK(own || held_.erase(cookie) == 1);
      BALLAST_CHECK(verdicts[i].action != Verdict::Action::kHeld);
      made_ += own;
      Carry(frames[i], verdicts[i]);
    }
    BALLAST_CHECK(fresh.empty());  // What was allocated came back.
    return count;
  }

  // Every flow goes out as a record, and in again: it is there already.
  void Records() {
    Director::ExportCursor cursor;
    std::array<FlowRecord, 4> records;
    size_t flows = 0;
    while (!cursor.done) {
      const size_t count = director_->Export(now_, cursor, records);
      for (size_t i = 0; i < count; ++i) {
        if (records[i].kind != FlowRecord::Kind::kFlow) continue;
        ++flows;
        const auto flow = director_->FindFlow(records[i].client_side);
        BALLAST_CHECK(flow.has_value());
        BALLAST_CHECK(flow->server == records[i].server);
        BALLAST_CHECK(!director_->Import(now_, records[i]));
        director_->Absorb(now_, flow->handle, 1, 60, now_);
        if (script_.Below(4) == 0) {
          records[i].client_side.source.port ^= 1;
          director_->Import(now_, records[i]);
        }
      }
    }
    BALLAST_CHECK(flows <= director_->flow_count());
  }

  // The pair's orders.
  void Partner() {
    switch (script_.Below(8)) {
      case 0:
        director_->StartTelling(now_);
        known_.clear();
        lost_ = director_->changes_lost();
        return;
      case 1:
        if (script_.Below(4) == 0) {
          director_->StopTelling(now_);
          lost_ = ~uint64_t{0};  // Nobody reads: nothing to compare.
        }
        return;
      case 2:
        director_->SetFollowing(now_, script_.Below(2) != 0);
        return;
      case 3:
        director_->BeginReplace(now_);
        lost_ = ~uint64_t{0};
        return;
      case 4:
        director_->EndReplace(now_, script_.Below(2) != 0);
        return;
      case 5:
        director_->SetSync(
            {.settings = {.threshold = script_.Below(4),
                          .period = script_.Below(4),
                          .refresh_s = script_.Below(3),
                          .retries = script_.Below(4)},
             .gone = true,
             .templates = static_cast<TemplateRule>(script_.Below(3))});
        return;
      case 6:
        director_->SetLease(script_.Below(4) == 0 ? now_ : Instant::Never());
        return;
      default: {
        ha::StateTable::Cursor cursor;
        std::array<ha::SyncRecord, 3> records;
        while (!cursor.done) {
          const size_t count = director_->Export(now_, cursor, records);
          for (size_t i = 0; i < count; ++i) Know(records[i]);
        }
        Compare();
        return;
      }
    }
  }

  void Know(const ha::SyncRecord& record) {
    const auto key =
        std::tuple(record.protocol, record.client, record.virtual_service);
    if (record.kind == ha::SyncRecord::Kind::kConnection) known_[key] = record;
    if (record.kind == ha::SyncRecord::Kind::kGone) known_.erase(key);
  }

  void Compare() {
    const ha::TableSummary told = director_->Mark(now_);
    std::array<ha::SyncRecord, 5> records;
    while (const size_t count = director_->TakeChanges(now_, records)) {
      for (size_t i = 0; i < count; ++i) Know(records[i]);
    }
    if (director_->changes_lost() != lost_) return;
    ha::TableSummary known;
    for (const auto& [key, record] : known_) {
      ++known.count;
      known.digest += ha::IdentityHash(record);
    }
    BALLAST_CHECK(told == known);
  }

  // What a partner might say, and what it never would.
  void Told() {
    std::array<ha::SyncRecord, 2> records;
    for (ha::SyncRecord& record : records) {
      const bool v6 = script_.Below(3) == 0;
      const Ends& ends = EndsOf(v6);
      record.kind = static_cast<ha::SyncRecord::Kind>(1 + script_.Below(3));
      record.protocol = script_.Below(3) == 0 ? kProtocolUdp : kProtocolTcp;
      record.v6 = v6 != (script_.Below(32) == 0);
      record.has_detail = script_.Below(2) != 0;
      record.state = record.protocol == kProtocolUdp ? 0 : script_.Below(12);
      record.flags = script_.Byte() << script_.Below(8);
      record.timeout_s = script_.Below(3) == 0 ? 0 : script_.Byte() * 4;
      record.client = script_.Of(ends.clients);
      record.virtual_service = script_.Of(ends.services);
      record.server = script_.Of(ends.servers);
      record.idle_ms = uint32_t{script_.Byte()} << script_.Below(25);
      record.client_packets = script_.Byte();
      record.client_acknowledged = script_.Byte();
    }
    const ha::ApplyCounts counts = director_->Apply(now_, records);
    BALLAST_CHECK(counts.created + counts.updated + counts.removed +
                      counts.unbound + counts.stale + counts.refused <=
                  records.size());
    BALLAST_CHECK(director_->unbound_count() <= 3);
    // Told by it, and not by us.
    if (counts.created + counts.updated + counts.removed + counts.unbound > 0) {
      lost_ = ~uint64_t{0};
    }
  }

  void CheckCounters() {
    const DirectorCounters& c = director_->counters().director;
    uint64_t drops = 0;
    for (const Counter& counter : c.drops) drops += counter.value();
    const uint64_t received = received_;
    BALLAST_CHECK(c.received.value() == received);
    BALLAST_CHECK(c.sent.value() == sent_);
    BALLAST_CHECK(c.punted.value() == punted_);
    // Errors about dropped packets are made of those packets' frames.
    BALLAST_CHECK(c.made.value() - made_ == drops - dropped_);
    BALLAST_CHECK(received + c.made.value() ==
                  sent_ + punted_ + held_.size() + drops);
    BALLAST_CHECK(c.forwarded.value() + c.answered.value() <=
                  sent_ + held_.size() + drops);

    BALLAST_CHECK(director_->flow_count() <= kFlowsMax);
    BALLAST_CHECK(director_->flow_count() == flows_told_);
    uint64_t open = 0;
    for (Slot slot = 0; slot < slots_; ++slot) {
      const ServerCounters* server = director_->counters().servers.Get(slot);
      if (server == nullptr) continue;
      BALLAST_CHECK(server->active.value() <= server->open.value());
      BALLAST_CHECK(director_->choice().open(slot) == server->active.value());
      open += server->open.value();
    }
    BALLAST_CHECK(open == flows_told_);
  }

  Script script_;
  Instant now_ = Instant::FromNanos(1'000'000'000'000);
  PlanBuilder builder_;
  std::shared_ptr<const Plan> plan_;
  size_t slots_ = 0;
  std::unique_ptr<Director> director_;
  std::vector<Frame> batch_;
  std::map<uint32_t, Owned> owned_;
  std::set<uint32_t> held_;
  uint32_t cookie_ = 0;
  uint64_t received_ = 0, sent_ = 0, punted_ = 0, dropped_ = 0, made_ = 0;
  uint64_t flows_told_ = 0;
  // What a reader of the changes knows; the losses it knows of.
  std::map<std::tuple<uint8_t, Endpoint, Endpoint>, ha::SyncRecord> known_;
  uint64_t lost_ = ~uint64_t{0};
};

}  // namespace
}  // namespace ballast::l4

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::l4::Run(data, size).Go();
  return 0;
}
