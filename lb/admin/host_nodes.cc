#include "lb/admin/host_nodes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace ballast::admin {
namespace {

int64_t Rounded(double number) { return std::llround(std::max(0.0, number)); }

int64_t PercentOf(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0
                    : Rounded(100 * static_cast<double>(part) /
                              static_cast<double>(whole));
}

// An XML element's, whatever links are called.
std::string ElementName(absl::string_view name) {
  std::string element(name);
  for (char& c : element) {
    const auto byte = static_cast<unsigned char>(c);
    if (!absl::ascii_isalnum(byte) && c != '-' && c != '.' && c != '_') c = '_';
  }
  if (element.empty() ||
      (!absl::ascii_isalpha(static_cast<unsigned char>(element[0])) &&
       element[0] != '_')) {
    element.insert(element.begin(), '_');
  }
  return element;
}

Node ShowCpu(const HostStatistics::Cpu& cpu) {
  return Node::Object(
      ElementName(cpu.name),
      {Node::Count("User", Rounded(cpu.user)),
       Node::Count("System", Rounded(cpu.system)),
       Node::Count("HWInterrupts", Rounded(cpu.interrupts)),
       Node::Count("SWInterrupts", Rounded(cpu.soft_interrupts)),
       Node::Count("Idle", Rounded(cpu.idle)),
       Node::Count("IOWaiting", Rounded(cpu.io_wait))});
}

Node ShowLink(const HostStatistics::Link& link) {
  return Node::Object(
      ElementName(link.name),
      {Node::Count("ifaceID", link.index),
       Node::Count("speed", link.speed_mbit),
       Node::Count("in", Rounded(link.bytes_in_per_second * 8)),
       Node::Count("inbytes", Rounded(link.bytes_in_per_second)),
       Node::Count("inbytesTotal", link.bytes_in),
       Node::Count("out", Rounded(link.bytes_out_per_second * 8)),
       Node::Count("outbytes", Rounded(link.bytes_out_per_second)),
       Node::Count("outbytesTotal", link.bytes_out)});
}

std::vector<Node> ShowDisk(const HostStatistics::Disk& disk) {
  const uint64_t used = disk.total - std::min(disk.free, disk.total);
  return {Node::Text("name", disk.folder),
          Node::Count("GBtotal", disk.total >> 30),
          Node::Count("GBused", used >> 30),
          Node::Count("GBfree", disk.free >> 30),
          Node::Count("percentused", PercentOf(used, disk.total)),
          Node::Count("percentfree", PercentOf(disk.free, disk.total))};
}

}  // namespace

std::vector<Node> ShowHost(const HostStatistics& host) {
  std::vector<Node> cpus;
  for (const auto& cpu : host.cpus) cpus.push_back(ShowCpu(cpu));
  std::vector<Node> links;
  for (const auto& link : host.links) links.push_back(ShowLink(link));
  Node disks = Node::List("partition");
  for (const auto& disk : host.disks) disks.AddElement(ShowDisk(disk));
  const uint64_t memory = host.memory_used + host.memory_free;
  return {
      Node::Object("CPU", std::move(cpus)),
      Node::Object(
          "Memory",
          {Node::Count("memused", host.memory_used >> 10),
           Node::Count("percentmemused", PercentOf(host.memory_used, memory)),
           Node::Count("memfree", host.memory_free >> 10),
           Node::Count("percentmemfree", PercentOf(host.memory_free, memory))}),
      Node::Object("Network", std::move(links)),
      Node::Object("DiskUsage", {std::move(disks)})};
}

}  // namespace ballast::admin
