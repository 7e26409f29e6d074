// Prints every IPVS sync record it hears, one CSV line each, as our codec reads
// it; for tests against a kernel that sends them. Ends on SIGTERM with one line
// of what was left out, to standard error.
//
//   ipvs_listener INTERFACE GROUP:PORT SYNCID
//   ipvs_listener eth0 224.0.0.81:8848 5
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ha/ipvs_wire.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/clock.h"
#include "io/udp_multicast.h"
#include "io/unique_fd.h"

namespace ballast {
namespace {

constexpr char kColumns[] =
    "message,t_s,version,syncid,size,nr_conns,offset,rec_size,proto,caddr,"
    "cport,vaddr,vport,daddr,dport,flags,state,timeout_s,fwmark,options";

std::string Options(const ha::IpvsOptions& options) {
  std::string text;
  if (options.sequence) {
    for (const ha::SequenceAdjust& adjust : *options.sequence) {
      absl::StrAppend(&text, adjust.initial, "/", adjust.delta, "/",
                      adjust.previous_delta, " ");
    }
  }
  if (!options.pe_name.empty()) {
    absl::StrAppend(&text, options.pe_name, "=", options.pe_data);
  }
  return text;
}

int Listen(const std::string& interface, const Endpoint& group,
           uint8_t syncid) {
  auto socket = UdpMulticast::Open({.group = group, .interface = interface});
  if (!socket.ok()) {
    absl::FPrintF(stderr, "%s\n", socket.status().ToString());
    return 1;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const UniqueFd ended(signalfd(-1, &ends, SFD_CLOEXEC));

  const Instant begin = MonotonicNow();
  ha::IpvsReader reader{.syncid = syncid};
  std::array<uint8_t, 65536> buffer;
  int messages = 0;
  absl::PrintF("%s\n", kColumns);
  std::fflush(stdout);
  while (true) {
    std::array<pollfd, 2> polled = {
        {{socket->fd(), POLLIN, 0}, {ended.get(), POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // A signal.
    if (polled[1].revents != 0) break;
    const auto datagram = socket->Receive(buffer);
    if (!datagram.ok()) continue;
    ++messages;
    const std::span<const uint8_t> payload = datagram->payload;
    // The entries come before what the header says of them is returned.
    std::string lines;
    const auto info =
        ha::ReadIpvsMessage(payload, reader, [&](const ha::IpvsEntry& entry) {
          const ha::SyncRecord& r = entry.record;
          absl::StrAppendFormat(
              &lines, "@,%d,%d,%d,%s,%d,%s,%d,%s,%d,0x%x,%d,%d,%d,%s\n",
              entry.offset, entry.size, r.protocol, r.client.address.ToString(),
              r.client.port, r.virtual_service.address.ToString(),
              r.virtual_service.port, r.server.address.ToString(),
              r.server.port, r.flags, r.state, r.timeout_s, r.fwmark,
              Options(entry.options));
        });
    if (!info) continue;
    const std::string head = absl::StrFormat(
        "%d,%.3f,%d,%d,%d,%d", messages,
        absl::ToDoubleSeconds(MonotonicNow() - begin), info->version,
        info->syncid, payload.size(), info->count);
    for (size_t at = 0; at < lines.size();) {
      const size_t end = lines.find('\n', at) + 1;
      absl::PrintF("%s%s", head, lines.substr(at + 1, end - at - 1));
      at = end;
    }
    std::fflush(stdout);
  }
  std::string refused;
  for (size_t i = 1; i < reader.errors.size(); ++i) {
    if (reader.errors[i] == 0) continue;
    absl::StrAppend(&refused, ", ", ha::IpvsReadErrorName(ha::IpvsReadError(i)),
                    " ", reader.errors[i]);
  }
  absl::FPrintF(stderr, "%d messages, %d entries%s\n", reader.messages,
                reader.entries, refused);
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  int syncid = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &syncid)) {
    absl::FPrintF(stderr, "usage: ipvs_listener INTERFACE GROUP:PORT SYNCID\n");
    return 2;
  }
  const auto group = ballast::Endpoint::Parse(argv[2]);
  if (!group.ok()) {
    absl::FPrintF(stderr, "%s\n", group.status().ToString());
    return 2;
  }
  return ballast::Listen(argv[1], *group, static_cast<uint8_t>(syncid));
}
