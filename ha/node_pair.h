// Two nodes that hear each other, on virtual time: for tests of what no part of
// a node can promise alone.
#ifndef HA_NODE_PAIR_H_
#define HA_NODE_PAIR_H_

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ha/envelope.h"
#include "ha/fake_l7_table.h"
#include "ha/fake_state_table.h"
#include "ha/node.h"
#include "io/base/instant.h"

namespace ballast::ha {

class NodePair {
 public:
  using Bytes = std::vector<uint8_t>;

  struct Options {
    Replicator::Options replication;
    std::array<PairKey, 2> keys = {PairKey{7}, PairKey{7}};
    bool l7 = false;  // Entries of layer 7 are told.
    // Both are there, and the stream is, before the test begins.
    bool together = true;
  };

  explicit NodePair(const Options& options) : options_(options) {
    Start(0);
    Start(1);
    if (!options.together) return;
    Run(absl::Milliseconds(500));
    Dial();
    Run(absl::Milliseconds(500));
  }

  // What a unit's host was asked for.
  struct Asked {
    std::vector<std::pair<uint64_t, Bytes>> configs;
    int reannounced = 0;
  };

  Node& node(int i) { return *units_[i]->node; }
  FakeStateTable& table(int i) { return units_[i]->table; }
  FakeL7Table& l7(int i) { return units_[i]->l7; }
  Asked& asked(int i) { return units_[i]->asked; }
  Instant now() const { return now_; }

  // A process of unit `i`, the former one's place taken.
  void Start(int i) {
    units_[i] = std::make_unique<Unit>(*this, i, ++boots_);
    Unit& unit = *units_[i];
    unit.node =
        std::make_unique<Node>(unit.MakeOptions(), unit.table, unit, now_);
  }

  // Datagrams get lost, the stream's messages do not.
  void set_cut(bool cut) { cut_ = cut; }
  // What `from` says in messages of `type` is kept back, until it is let go,
  // the last first.
  void Hold(int from, EnvelopeType type) { holding_ = {from, type}; }
  void LetGo() {
    holding_.reset();
    while (!held_.empty()) {
      wire_.push_back(std::move(held_.back()));
      held_.pop_back();
    }
  }

  // The stream: whether each takes the other's first message.
  bool Dial() {
    if (!node(1).OnStreamHello(node(0).StreamHello()) ||
        !node(0).OnStreamHello(node(1).StreamHello())) {
      return false;
    }
    stream_ = true;
    for (auto& unit : units_) unit->node->OnStreamUp(now_);
    return true;
  }
  void HangUp() {
    stream_ = false;
    for (auto& unit : units_) unit->node->OnStreamDown(now_, false);
  }

  void Run(absl::Duration duration) {
    for (const Instant end = now_ + duration; now_ < end;) {
      now_ = now_ + absl::Milliseconds(1);
      // What is sent now arrives in the next millisecond.
      for (size_t count = wire_.size(); count > 0; --count) {
        const auto deliver = std::move(wire_.front());
        wire_.pop_front();
        deliver();
      }
      for (auto& unit : units_) {
        if (unit->node->deadline() <= now_) unit->node->Tick(now_);
      }
    }
  }

 private:
  struct Unit : Node::Host {
    Unit(NodePair& world, int which, BootId start)
        : pair(world), number(which), boot(start), random(start) {}

    Node::Options MakeOptions() {
      Node::Options options;
      options.election.mode = number == 0 ? Mode::kFirst : Mode::kSecond;
      options.election.interval = absl::Milliseconds(100);
      options.election.syncs = true;
      options.replication = pair.options_.replication;
      if (pair.options_.l7) options.replication.l7 = &l7;
      options.replication.seed = boot;
      options.keys = {pair.options_.keys[static_cast<size_t>(number)]};
      options.unit = static_cast<uint16_t>(number);
      options.boot = boot;
      return options;
    }
    void Send(EnvelopeType type, std::span<const uint8_t> bytes) {
      auto deliver = [this, type, copy = Bytes(bytes.begin(), bytes.end())] {
        const bool stream = type == EnvelopeType::kStream;
        if (stream ? !pair.stream_ : pair.cut_) return;
        Node& other = pair.node(1 - number);
        if (type == EnvelopeType::kAdvert) other.OnAdvert(pair.now_, 0, copy);
        if (type == EnvelopeType::kSync) other.OnSync(pair.now_, copy);
        if (stream) (void)other.OnStream(pair.now_, copy);
      };
      const bool held = pair.holding_ == std::pair(number, type);
      (held ? pair.held_ : pair.wire_).push_back(std::move(deliver));
    }

    void SendAdvert(Instant, int, std::span<const uint8_t> bytes) override {
      Send(EnvelopeType::kAdvert, bytes);
    }
    void SendSync(Instant, std::span<const uint8_t> bytes) override {
      Send(EnvelopeType::kSync, bytes);
    }
    bool SendStream(Instant, std::span<const uint8_t> bytes) override {
      if (pair.stream_) Send(EnvelopeType::kStream, bytes);
      return pair.stream_;
    }
    void TakeRole(Instant) override { table.set_active(true); }
    void DropRole(Instant) override { table.set_active(false); }
    void Reannounce(Instant) override { ++asked.reannounced; }
    void Reboot(Instant) override {}
    void OnRoleChange(const RoleChange&) override {}
    void OnConfig(Instant, uint64_t generation,
                  std::span<const uint8_t> config) override {
      asked.configs.emplace_back(generation,
                                 Bytes(config.begin(), config.end()));
      node->KeepConfig(generation, asked.configs.back().second);
    }
    void FillRandom(std::span<uint8_t> bytes) override {
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    }

    NodePair& pair;
    const int number;
    const BootId boot;
    std::mt19937_64 random;
    FakeStateTable table;
    FakeL7Table l7;
    Asked asked;
    std::unique_ptr<Node> node;
  };

  const Options options_;
  Instant now_ = Instant::FromNanos(1'000'000'000'000);
  BootId boots_ = 0;
  bool cut_ = false;
  bool stream_ = false;
  std::optional<std::pair<int, EnvelopeType>> holding_;
  std::deque<std::function<void()>> wire_;
  std::deque<std::function<void()>> held_;
  std::unique_ptr<Unit> units_[2];
};

}  // namespace ballast::ha

#endif  // HA_NODE_PAIR_H_
