#include "lb/run/host_reading.h"

#include <gtest/gtest.h>

namespace ballast::run {
namespace {

// proc(5), with numbers of a machine of two cores.
TEST(HostReadingTest, CpuTicks) {
  const auto cpus = ReadCpuTicks(
      "cpu  100 20 300 4000 50 6 7 8 9 10\n"
      "cpu0 60 10 200 1900 40 5 6 7 0 0\n"
      "cpu1 40 10 100 2100 10 1 1 1 0 0\n"
      "intr 123 0 0\n"
      "ctxt 5\n");
  ASSERT_EQ(cpus.size(), 3u);
  EXPECT_EQ(cpus[0].name, "total");
  EXPECT_EQ(cpus[0].user, 120u);
  EXPECT_EQ(cpus[0].system, 300u);
  EXPECT_EQ(cpus[0].idle, 4000u);
  EXPECT_EQ(cpus[0].io_wait, 50u);
  EXPECT_EQ(cpus[0].interrupts, 6u);
  EXPECT_EQ(cpus[0].soft_interrupts, 7u);
  EXPECT_EQ(cpus[0].stolen, 8u);
  EXPECT_EQ(cpus[0].sum(), 4491u);
  EXPECT_EQ(cpus[2].name, "cpu1");
  EXPECT_EQ(cpus[2].idle, 2100u);
}

TEST(HostReadingTest, WhatIsNoLineIsLeftOut) {
  EXPECT_TRUE(ReadCpuTicks("").empty());
  EXPECT_TRUE(ReadCpuTicks("cpu 1 2 3\ncpu0 a b c d e f g h\n").empty());
  EXPECT_TRUE(ReadCpuTicks("cpu 99999999999999999999 1 1 1 1 1 1 1\n").empty());
  EXPECT_EQ(ReadMemory("MemTotal:\nMemAvailable: x kB\n").total, 0u);
  EXPECT_TRUE(ReadLinks("eth0 1 2 3\n: 1 2 3 4 5 6 7 8 9\n").empty());
}

TEST(HostReadingTest, Memory) {
  const MemoryBytes memory = ReadMemory(
      "MemTotal:        8152352 kB\n"
      "MemFree:          281024 kB\n"
      "MemAvailable:    4076176 kB\n"
      "Buffers:          102400 kB\n");
  EXPECT_EQ(memory.total, uint64_t{8152352} * 1024);
  EXPECT_EQ(memory.available, uint64_t{4076176} * 1024);
}

TEST(HostReadingTest, Links) {
  const auto links = ReadLinks(
      "Inter-|   Receive                            |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes"
      "    packets errs drop fifo colls carrier compressed\n"
      "    lo:     100       1    0    0    0     0          0         0 "
      "     100       1    0    0    0     0       0          0\n"
      "  eth0: 5000000    4000    0    0    0     0          0         0 "
      " 7000000    6000    0    0    0     0       0          0\n"
      "eth1.5:12 1 0 0 0 0 0 0 34 1 0 0 0 0 0 0\n");
  ASSERT_EQ(links.size(), 2u);
  EXPECT_EQ(links[0].name, "eth0");
  EXPECT_EQ(links[0].in, 5000000u);
  EXPECT_EQ(links[0].out, 7000000u);
  EXPECT_EQ(links[1].name, "eth1.5");
  EXPECT_EQ(links[1].in, 12u);
  EXPECT_EQ(links[1].out, 34u);
}

}  // namespace
}  // namespace ballast::run
