#include "lb/sim/pair_network.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ballast::sim {
namespace {

constexpr size_t kRecordedMax = 2000;
// Some is always recorded, so that a replay has something of before.
constexpr double kRecordedShare = 0.02;

uint64_t Refused(const ha::Node::Stats& stats) {
  uint64_t sum = stats.malformed;
  for (const auto& by_type : stats.refused) {
    for (const uint64_t count : by_type) sum += count;
  }
  return sum;
}

}  // namespace

PairNetwork::PairNetwork(Course& course, std::array<Host, 2>& hosts)
    : course_(course), hosts_(hosts), next_dial_(course.start()) {}

bool PairNetwork::Reaches(int from, int interface) const {
  const auto one = static_cast<size_t>(from);
  const size_t other = 1 - one;
  if (weather_.cut[one] || weather_.unplugged[0] || weather_.unplugged[1]) {
    return false;
  }
  const size_t link =
      interface == kChanges ? 0 : static_cast<size_t>(interface);
  return !weather_.sick[one][link] && !weather_.sick[other][link];
}

absl::Duration PairNetwork::Latency() {
  const uint64_t jitter_us = weather_.reordering ? 40'000 : 300;
  return absl::Microseconds(
      100 + static_cast<int64_t>(course_.random()() % jitter_us));
}

// -- Datagrams ---------------------------------------------------------------

void PairNetwork::Datagram(int from, int interface,
                           std::vector<uint8_t> bytes) {
  const auto message =
      std::make_shared<Message>(Message{.from = from,
                                        .interface = interface,
                                        .number = ++messages_,
                                        .said = course_.now(),
                                        .bytes = std::move(bytes)});
  if (weather_.recording || course_.Chance(kRecordedShare)) {
    if (recorded_.size() < kRecordedMax) recorded_.push_back(message);
  }
  if (!Reaches(from, interface) || course_.Chance(weather_.loss)) return;
  Send(message, Latency());
  if (course_.Chance(weather_.duplication)) Send(message, Latency());
}

void PairNetwork::Replay() {
  for (const MessagePtr& message : recorded_) {
    Send(message, absl::Microseconds(course_.random()() % 5'000'000));
  }
  recorded_.clear();
}

void PairNetwork::Send(const MessagePtr& message, absl::Duration delay) {
  hosts_[static_cast<size_t>(1 - message->from)].DoAfter(
      delay, [this, message](Unit& unit, Instant local) {
        Arrive(unit, local, *message);
        Dial();
      });
}

void PairNetwork::Arrive(Unit& unit, Instant local, Message& message) {
  const bool advert = message.interface != kChanges;
  const ha::Node::Stats& stats = unit.node().stats();
  const uint64_t refused = Refused(stats);
  const uint64_t overtaken = stats.overtaken;
  if (advert) {
    unit.node().OnAdvert(local, message.interface, message.bytes);
  } else {
    unit.node().OnSync(local, message.bytes);
  }
  if (Refused(stats) != refused) return;
  // It was taken.
  const auto to = static_cast<size_t>(1 - message.from);
  const Host& host = hosts_[to];
  last_heard_[to] = std::max(last_heard_[to], message.said);
  if (std::exchange(message.counted, true)) {
    course_.Fail("V8", absl::StrCat("unit ", to, " took a message twice"));
  }
  if (message.said < host.started()) {
    course_.Fail("V8", absl::StrCat("unit ", to,
                                    " took a message of before it started"));
  }
  if (!advert || stats.overtaken != overtaken) return;
  if (last_advert_process_[to] == host.process() &&
      message.number < last_advert_[to]) {
    course_.Fail(
        "V8", absl::StrCat("unit ", to, " took an advert after a later one"));
  }
  last_advert_[to] = message.number;
  last_advert_process_[to] = host.process();
}

// -- The stream --------------------------------------------------------------

bool PairNetwork::Stream(int from, std::vector<uint8_t> bytes) {
  if (!stream_) return false;
  const Instant now = course_.now();
  Instant& last = stream_last_[static_cast<size_t>(from)];
  last = std::max(last + absl::Microseconds(1), now + Latency());
  hosts_[static_cast<size_t>(1 - from)].DoAfter(
      last - now, [this, from, stream = stream_number_,
                   bytes = std::move(bytes)](Unit& unit, Instant local) {
        if (stream != stream_number_ || !stream_) return;
        if (!Reaches(from, kChanges) || !unit.node().OnStream(local, bytes)) {
          Break(-1);
        }
      });
  return true;
}

void PairNetwork::Dial() {
  if (stream_ || course_.now() < next_dial_ || !hosts_[0].runs() ||
      !hosts_[1].runs()) {
    return;
  }
  ha::Node& first = hosts_[0].unit()->node();
  ha::Node& second = hosts_[1].unit()->node();
  if (!first.peer_proven() || !Reaches(0, kChanges) || !Reaches(1, kChanges)) {
    return;
  }
  next_dial_ = course_.now() + absl::Milliseconds(50);
  if (!second.OnStreamHello(first.StreamHello()) ||
      !first.OnStreamHello(second.StreamHello())) {
    return;
  }
  course_.Trace("stream up");
  stream_ = true;
  ++stream_number_;
  stream_last_ = {course_.now(), course_.now()};
  for (Host& host : hosts_) {
    host.DoAfter(absl::ZeroDuration(), [](Unit& unit, Instant local) {
      unit.node().OnStreamUp(local);
    });
  }
}

void PairNetwork::OnEnd(int unit) { Break(unit); }

// `ended`: the unit whose process ended, or -1.
void PairNetwork::Break(int ended) {
  const bool was = std::exchange(stream_, false);
  ++stream_number_;
  if (!was) return;
  course_.Trace("stream down");
  for (int i = 0; i < 2; ++i) {
    if (i == ended) continue;
    // The host of a process that ended says so, if it can be heard.
    const bool told =
        ended >= 0 && Reaches(1 - i, kChanges) && Reaches(i, kChanges);
    hosts_[static_cast<size_t>(i)].DoAfter(
        Latency(), [told](Unit& unit, Instant local) {
          unit.node().OnStreamDown(local, told);
        });
  }
}

}  // namespace ballast::sim
