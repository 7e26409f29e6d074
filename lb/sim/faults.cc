#include "lb/sim/faults.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ballast::sim {
namespace {

constexpr absl::Duration kWarmUp = absl::Seconds(12);
constexpr absl::Duration kQuietEnd = absl::Seconds(25);
constexpr absl::Duration kPatience = absl::Seconds(1);

}  // namespace

const char* FaultName(Fault fault) {
  switch (fault) {
    case Fault::kLoss:
      return "loss";
    case Fault::kDuplication:
      return "duplication";
    case Fault::kReordering:
      return "reordering";
    case Fault::kPartition:
      return "partition";
    case Fault::kOneWayPartition:
      return "one-way partition";
    case Fault::kStall:
      return "stall";
    case Fault::kClockRate:
      return "clock rate";
    case Fault::kCrash:
      return "crash";
    case Fault::kSickInterface:
      return "sick interface";
    case Fault::kConfiguration:
      return "configuration";
    case Fault::kSwitchover:
      return "switchover";
    case Fault::kUnplugged:
      return "unplugged";
    case Fault::kReplay:
      return "replay";
    case Fault::kLeave:
      return "leave";
  }
  return "?";
}

Faults::Faults(Course& course, std::array<Host, 2>& hosts, PairNetwork& network,
               Invariants& invariants, Operator& op)
    : course_(course),
      hosts_(hosts),
      network_(network),
      weather_(network.weather()),
      invariants_(invariants),
      operator_(op) {}

double Faults::Random(double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(course_.random());
}

void Faults::Plan(int count, int only, Instant end) {
  const Instant last_end = end - kQuietEnd;
  const absl::Duration room = last_end - course_.start() - kWarmUp;
  for (int i = 0; i < count; ++i) {
    const auto fault =
        static_cast<Fault>(only >= 0 ? static_cast<uint64_t>(only)
                                     : course_.random()() % kFaultCount);
    const Instant begin = course_.start() + kWarmUp + room * Random(0, 0.85);
    const absl::Duration length = std::min(
        absl::Milliseconds(200 + course_.random()() % 8000), last_end - begin);
    const int unit = static_cast<int>(course_.random()() % 2);
    absl::StrAppend(&report_, i == 0 ? "" : ", ", FaultName(fault), " at ",
                    absl::ToInt64Seconds(begin - course_.start()), " s");
    course_.At(begin, [=, this] { Begin(fault, unit, length); });
  }
}

void Faults::Begin(Fault fault, int unit, absl::Duration length) {
  course_.Trace(absl::StrCat("fault: ", FaultName(fault), ", unit ", unit, ", ",
                             absl::FormatDuration(length)));
  if (fault == Fault::kLeave) invariants_.OnOrder(unit);
  invariants_.Disturbed();
  const auto at = static_cast<size_t>(unit);
  switch (fault) {
    case Fault::kLoss:
      weather_.loss = Random(0.05, 0.5);
      course_.After(length, [this] { weather_.loss = 0; });
      return;
    case Fault::kDuplication:
      weather_.duplication = 0.3;
      course_.After(length, [this] { weather_.duplication = 0; });
      return;
    case Fault::kReordering:
      weather_.reordering = true;
      course_.After(length, [this] { weather_.reordering = false; });
      return;
    case Fault::kPartition:
      weather_.cut = {true, true};
      course_.After(length, [this] { weather_.cut = {false, false}; });
      return;
    case Fault::kOneWayPartition:
      weather_.cut[at] = true;
      course_.After(length, [this, at] { weather_.cut[at] = false; });
      return;
    case Fault::kStall:
      Stall(unit, std::min(length, absl::Seconds(3)));
      return;
    case Fault::kClockRate:
      hosts_[at].SetClockRate(Random(0.95, 1.05));
      return;
    case Fault::kCrash:
      operator_.Crash(unit);
      course_.After(length, [this, unit] { operator_.Boot(unit); });
      return;
    case Fault::kSickInterface: {
      const size_t link = course_.random()() % 2;
      const bool carrier = course_.random()() % 2 == 0;
      weather_.sick[at][link] = true;
      SetLink(unit, link, !carrier);
      course_.After(length, [this, unit, at, link] {
        weather_.sick[at][link] = false;
        SetLink(unit, link, true);
        invariants_.Disturbed();
      });
      return;
    }
    case Fault::kConfiguration:
      operator_.ChangeConfiguration();
      return;
    case Fault::kSwitchover:
      for (Host& host : hosts_) {
        if (!host.runs() || !host.serving()) continue;
        (void)host.unit()->node().RequestSwitchover(host.local());
      }
      return;
    case Fault::kUnplugged:
      weather_.unplugged[at] = true;
      course_.After(length, [this, at] { weather_.unplugged[at] = false; });
      return;
    case Fault::kReplay:
      weather_.recording = true;
      course_.After(length, [this] {
        weather_.recording = false;
        network_.Replay();
      });
      return;
    case Fault::kLeave:
      Leave(unit, length);
      return;
  }
}

void Faults::Stall(int unit, absl::Duration length) {
  hosts_[static_cast<size_t>(unit)].Stop(length, [this, unit, length] {
    course_.Trace(absl::StrCat("unit ", unit, " goes on"));
    invariants_.OnWentOn(unit, length);
    invariants_.Disturbed();
  });
}

void Faults::SetLink(int unit, size_t link, bool up) {
  hosts_[static_cast<size_t>(unit)].Do([link, up](Unit& told, Instant local) {
    told.node().OnLink(local, static_cast<int>(link), up);
  });
}

// As on SIGTERM (lb/run): the process ends when the node says so.
void Faults::Leave(int unit, absl::Duration length) {
  Host& host = hosts_[static_cast<size_t>(unit)];
  if (!host.runs()) return;
  host.unit()->node().Leave(host.local(), kPatience);
  AwaitLeft(unit, host.process(), length);
}

void Faults::AwaitLeft(int unit, uint64_t process, absl::Duration length) {
  const Host& host = hosts_[static_cast<size_t>(unit)];
  if (host.process() != process || host.unit() == nullptr) return;
  if (host.unit()->node().role() != ha::Role::kLeaving) {
    course_.After(absl::Milliseconds(10),
                  [=, this] { AwaitLeft(unit, process, length); });
    return;
  }
  operator_.Crash(unit);
  course_.After(length, [this, unit] { operator_.Boot(unit); });
}

}  // namespace ballast::sim
