#include "lb/run/host_sampler.h"

#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <time.h>

#include <cstdint>

namespace ballast::run {
namespace {

Instant At(int milliseconds) {
  return Instant::FromNanos(int64_t{milliseconds} * 1'000'000);
}

double Sum(const HostStatistics::Cpu& cpu) {
  return cpu.user + cpu.system + cpu.idle + cpu.io_wait + cpu.interrupts +
         cpu.soft_interrupts;
}

TEST(HostSamplerTest, TellsOfThisHost) {
  HostSampler sampler(At(0), {"/", "/no/such/folder"});
  const HostStatistics& host = sampler.Sample(At(1500));
  ASSERT_FALSE(host.cpus.empty());
  EXPECT_EQ(host.cpus[0].name, "total");
  EXPECT_GE(host.cpus.size(), 2u);
  EXPECT_LE(Sum(host.cpus[0]), 100.001);
  EXPECT_GT(host.memory_used, 0u);
  EXPECT_GT(host.memory_free, 0u);
  ASSERT_EQ(host.disks.size(), 1u);
  struct statvfs root;
  ASSERT_EQ(statvfs("/", &root), 0);
  EXPECT_EQ(host.disks[0].total, root.f_blocks * root.f_frsize);
  EXPECT_LE(host.disks[0].free, host.disks[0].total);
}

// Work shows, over the time since the last reading.
TEST(HostSamplerTest, SharesAreOfTheLastInterval) {
  HostSampler sampler(At(0), {});
  sampler.Sample(At(1000));
  const clock_t until = clock() + CLOCKS_PER_SEC / 5;
  while (clock() < until) {
  }
  const HostStatistics::Cpu busy = sampler.Sample(At(2000)).cpus[0];
  EXPECT_GT(busy.user + busy.system, 0);
  EXPECT_LE(Sum(busy), 100.001);
  // Not read again so soon.
  const double before = busy.user;
  while (clock() < until + CLOCKS_PER_SEC / 20) {
  }
  EXPECT_EQ(sampler.Sample(At(2999)).cpus[0].user, before);
}

}  // namespace
}  // namespace ballast::run
