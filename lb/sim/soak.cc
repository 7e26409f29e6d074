// Runs one seed after another until one fails, or all of them are done:
//
//   ./bazelw run //lb/sim:soak -- --seeds=100000 --first_seed=1
//   ./bazelw run //lb/sim:soak -- --seeds=1 --first_seed=4711 --trace
//
//   --seeds=N --first_seed=S   which; 1000 from 1
//   --faults=N --only=NAME     how many each, and of one kind alone
//   --keep_going               counts failures, and goes on
//   --expect=V4                a seed must fail, and break that invariant
//   --trace                    tells what happens, event by event
// Prints its progress every two seconds and one line of totals; exits with 1 if
// a seed failed, which it names (with --expect: if none did so).
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "lb/sim/faults.h"
#include "lb/sim/simulation.h"

namespace ballast::sim {
namespace {

struct Settings {
  uint64_t seeds = 1000;
  uint64_t first_seed = 1;
  bool keep_going = false;
  std::string expect;
  Options options;
};

bool ParseFault(absl::string_view name, int* only) {
  for (int i = 0; i < kFaultCount; ++i) {
    if (name == FaultName(static_cast<Fault>(i))) {
      *only = i;
      return true;
    }
  }
  return false;
}

bool Parse(absl::string_view argument, Settings* settings) {
  if (absl::ConsumePrefix(&argument, "--seeds=")) {
    return absl::SimpleAtoi(argument, &settings->seeds);
  }
  if (absl::ConsumePrefix(&argument, "--first_seed=")) {
    return absl::SimpleAtoi(argument, &settings->first_seed);
  }
  if (absl::ConsumePrefix(&argument, "--faults=")) {
    return absl::SimpleAtoi(argument, &settings->options.faults);
  }
  if (absl::ConsumePrefix(&argument, "--only=")) {
    return ParseFault(argument, &settings->options.only);
  }
  if (absl::ConsumePrefix(&argument, "--expect=")) {
    settings->expect = std::string(argument);
    return true;
  }
  if (argument == "--trace") return settings->options.trace = true;
  if (argument == "--keep_going") return settings->keep_going = true;
  return false;
}

double Seconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int Soak(const Settings& settings) {
  const double start = Seconds();
  double told = start;
  uint64_t failures = 0;
  std::string failure;
  uint64_t done = 0;
  Outcome total;
  const auto say = [&](const char* what) {
    const double spent = Seconds() - start;
    std::printf(
        "%s: %llu seeds, %llu failed, %llu sessions (%llu excused), %llu "
        "answers, %llu faults, %llu role changes, %llu hand-overs, %llu "
        "incomplete, %llu repaired, %llu transfers, %llu events; %.1f s, %.0f "
        "virtual seconds a second\n",
        what, static_cast<unsigned long long>(done),
        static_cast<unsigned long long>(failures),
        static_cast<unsigned long long>(total.sessions_opened),
        static_cast<unsigned long long>(total.sessions_excused),
        static_cast<unsigned long long>(total.answers),
        static_cast<unsigned long long>(
            done * static_cast<uint64_t>(settings.options.faults)),
        static_cast<unsigned long long>(total.role_changes),
        static_cast<unsigned long long>(total.handed_over),
        static_cast<unsigned long long>(total.took_over_incomplete),
        static_cast<unsigned long long>(total.repaired),
        static_cast<unsigned long long>(total.transfers),
        static_cast<unsigned long long>(total.events), spent,
        static_cast<double>(done) *
            absl::ToDoubleSeconds(settings.options.length) / spent);
    std::fflush(stdout);
  };
  for (uint64_t i = 0; i < settings.seeds; ++i) {
    Options options = settings.options;
    options.seed = settings.first_seed + i;
    const Outcome outcome = Simulate(options);
    ++done;
    total.sessions_opened += outcome.sessions_opened;
    total.sessions_excused += outcome.sessions_excused;
    total.answers += outcome.answers;
    total.role_changes += outcome.role_changes;
    total.handed_over += outcome.handed_over;
    total.took_over_incomplete += outcome.took_over_incomplete;
    total.repaired += outcome.repaired;
    total.transfers += outcome.transfers;
    total.events += outcome.events;
    if (!outcome.failure.empty()) {
      ++failures;
      failure = outcome.failure;
      std::printf("seed %llu FAILED %s (faults: %s)\n",
                  static_cast<unsigned long long>(options.seed),
                  outcome.failure.c_str(), outcome.faults.c_str());
      if (!settings.keep_going) break;
    }
    if (Seconds() - told >= 2) {
      told = Seconds();
      say("so far");
    }
  }
  say("total");
  if (settings.expect.empty()) return failures == 0 ? 0 : 1;
  const bool as_expected = absl::StartsWith(failure, settings.expect + " ");
  std::printf(
      "%s %s\n", settings.expect.c_str(),
      as_expected ? "is broken, as expected" : "is NOT what was broken");
  return as_expected ? 0 : 1;
}

}  // namespace
}  // namespace ballast::sim

int main(int argc, char** argv) {
  ballast::sim::Settings settings;
  for (int i = 1; i < argc; ++i) {
    if (ballast::sim::Parse(argv[i], &settings)) continue;
    std::fprintf(stderr, "what is %s?\n", argv[i]);
    return 2;
  }
  return ballast::sim::Soak(settings);
}
