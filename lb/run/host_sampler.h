// What the host does besides: processors, memory, links, disks. Read from the
// kernel when it is asked for; shares and rates are since the last reading that
// is at least kPeriodMin old, or since the sampler was made.
//
// Errors   what cannot be read is not told: none of the processors, say.
// Cost     some files of /proc and /sys, a system call or three for each link:
//          100 us. Asked again within kPeriodMin: a copy.
// Threads  one.
#ifndef LB_RUN_HOST_SAMPLER_H_
#define LB_RUN_HOST_SAMPLER_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "io/base/instant.h"
#include "lb/run/host_reading.h"
#include "lb/statistics.h"

namespace ballast::run {

class HostSampler {
 public:
  static constexpr absl::Duration kPeriodMin = absl::Seconds(1);

  // `folders`: those whose file systems are told, one line each.
  HostSampler(Instant now, std::vector<std::string> folders);

  const HostStatistics& Sample(Instant now);

 private:
  struct Reading {
    Instant at;
    std::vector<CpuTicks> cpus;
    std::vector<LinkBytes> links;
  };
  static Reading Read(Instant now);
  void Tell(const Reading& reading);

  const std::vector<std::string> folders_;
  Reading last_;
  bool told_ = false;
  HostStatistics statistics_;
};

}  // namespace ballast::run

#endif  // LB_RUN_HOST_SAMPLER_H_
