#include "lb/run/host_sampler.h"

#include <net/if.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "io/file.h"

namespace ballast::run {
namespace {

constexpr size_t kTextMax = size_t{1} << 20;

// Empty if there is none.
std::string TextOf(const std::string& path) {
  const auto bytes = ReadFile(path, kTextMax);
  return bytes.ok() ? std::string(bytes->begin(), bytes->end()) : "";
}

uint32_t NumberIn(const std::string& path) {
  uint32_t number;
  const std::string text = TextOf(path);
  return absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &number) ? number
                                                                     : 0;
}

// What /sys says is of this namespace's link only if the index is the same: it
// shows the namespace that it was mounted in.
uint32_t SpeedOf(const std::string& link, uint32_t index) {
  const std::string folder = absl::StrCat("/sys/class/net/", link);
  if (index == 0 || NumberIn(folder + "/ifindex") != index) return 0;
  return NumberIn(folder + "/speed");
}

double Rate(uint64_t from, uint64_t to, double seconds) {
  // A link that was made anew counts anew.
  return to > from ? static_cast<double>(to - from) / seconds : 0;
}

const CpuTicks* FindCpu(const std::vector<CpuTicks>& cpus,
                        const std::string& name) {
  const auto found =
      std::find_if(cpus.begin(), cpus.end(),
                   [&](const CpuTicks& one) { return one.name == name; });
  return found == cpus.end() ? nullptr : &*found;
}

HostStatistics::Cpu Shares(const CpuTicks& from, const CpuTicks& to) {
  HostStatistics::Cpu shares{.name = to.name};
  const uint64_t sum = to.sum();
  if (sum <= from.sum()) return shares;
  const auto percent = [&](uint64_t CpuTicks::*part) {
    return Rate(from.*part, to.*part, static_cast<double>(sum - from.sum())) *
           100;
  };
  shares.user = percent(&CpuTicks::user);
  shares.system = percent(&CpuTicks::system);
  shares.idle = percent(&CpuTicks::idle);
  shares.io_wait = percent(&CpuTicks::io_wait);
  shares.interrupts = percent(&CpuTicks::interrupts);
  shares.soft_interrupts = percent(&CpuTicks::soft_interrupts);
  return shares;
}

}  // namespace

HostSampler::HostSampler(Instant now, std::vector<std::string> folders)
    : folders_(std::move(folders)), last_(Read(now)) {}

HostSampler::Reading HostSampler::Read(Instant now) {
  return {.at = now,
          .cpus = ReadCpuTicks(TextOf("/proc/stat")),
          .links = ReadLinks(TextOf("/proc/net/dev"))};
}

const HostStatistics& HostSampler::Sample(Instant now) {
  if (told_ && now - last_.at < kPeriodMin) return statistics_;
  Reading reading = Read(now);
  Tell(reading);
  told_ = true;
  last_ = std::move(reading);
  return statistics_;
}

void HostSampler::Tell(const Reading& reading) {
  const double seconds =
      std::max(absl::ToDoubleSeconds(reading.at - last_.at), 1e-3);
  statistics_ = {};
  for (const CpuTicks& cpu : reading.cpus) {
    const CpuTicks* before = FindCpu(last_.cpus, cpu.name);
    statistics_.cpus.push_back(Shares(before ? *before : CpuTicks(), cpu));
  }
  const MemoryBytes memory = ReadMemory(TextOf("/proc/meminfo"));
  statistics_.memory_used = memory.total - memory.available;
  statistics_.memory_free = memory.available;
  for (const LinkBytes& link : reading.links) {
    HostStatistics::Link& told = statistics_.links.emplace_back();
    told.name = link.name;
    told.index = if_nametoindex(link.name.c_str());
    told.speed_mbit = SpeedOf(link.name, told.index);
    told.bytes_in = link.in;
    told.bytes_out = link.out;
    for (const LinkBytes& before : last_.links) {
      if (before.name != link.name) continue;
      told.bytes_in_per_second = Rate(before.in, link.in, seconds);
      told.bytes_out_per_second = Rate(before.out, link.out, seconds);
    }
  }
  for (const std::string& folder : folders_) {
    const auto space = SpaceOf(folder);
    if (!space.ok()) continue;
    statistics_.disks.push_back({folder, space->total, space->free});
  }
}

}  // namespace ballast::run
