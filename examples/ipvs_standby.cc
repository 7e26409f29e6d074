// Stands beside a live Linux IPVS master: hears what it tells of its
// connections and lists them. See kHelp.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "examples/learned_entries.h"
#include "ha/ipvs_wire.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/udp_multicast.h"
#include "io/unique_fd.h"

ABSL_FLAG(std::string, interface, "",
          "Where the master's sync messages come in; its --mcast-interface's "
          "link.");
ABSL_FLAG(std::string, group, "224.0.0.81",
          "The multicast group: the master's --mcast-group.");
ABSL_FLAG(int, port, 8848, "The first UDP port: its --mcast-port.");
ABSL_FLAG(int, ports, 1, "How many ports: its net.ipv4.vs.sync_ports, 1..64.");
ABSL_FLAG(int, syncid, -1,
          "Which messages count: its --syncid, 1..255. 0 or -1: all.");
ABSL_FLAG(int, entries_max, 1'000'000, "What is heard beyond is not kept.");

namespace ballast {
namespace {

constexpr char kHelp[] =
    "Joins the multicast group of a live Linux IPVS master and lists the\n"
    "connections and persistence templates that it tells of:\n"
    "\n"
    "  ipvs_standby --interface=eth0\n"
    "\n"
    "On the master: ipvsadm --start-daemon master --mcast-interface=eth0\n"
    "\n"
    "Nothing is sent but the group's membership reports. Each second a line of "
    "totals;\nSIGUSR1 prints the whole table, SIGTERM and SIGINT print it and "
    "end. A connection\nis told of from its third packet on "
    "(net.ipv4.vs.sync_threshold); one that was there\nbefore and is idle is "
    "heard of when it next speaks.";

absl::Status CheckFlags() {
  const auto range = [](const char* name, int value, int from, int to) {
    return value >= from && value <= to
               ? absl::OkStatus()
               : absl::InvalidArgumentError(absl::StrCat(
                     "--", name, "=", value, ": must be ", from, " to ", to));
  };
  if (absl::GetFlag(FLAGS_interface).empty()) {
    return absl::InvalidArgumentError("--interface is needed; see --help");
  }
  BALLAST_RETURN_IF_ERROR(range("port", absl::GetFlag(FLAGS_port), 1, 65535));
  BALLAST_RETURN_IF_ERROR(range("ports", absl::GetFlag(FLAGS_ports), 1, 64));
  BALLAST_RETURN_IF_ERROR(
      range("syncid", absl::GetFlag(FLAGS_syncid), -1, 255));
  return range("entries_max", absl::GetFlag(FLAGS_entries_max), 1, 100'000'000);
}

class Standby {
 public:
  Standby() : entries_(static_cast<size_t>(absl::GetFlag(FLAGS_entries_max))) {
    const int syncid = absl::GetFlag(FLAGS_syncid);
    reader_.any_syncid = syncid <= 0;
    reader_.syncid = static_cast<uint8_t>(std::max(syncid, 0));
  }

  absl::Status Run() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGUSR1, SIGTERM, SIGINT}) {
      sigaddset(&signals, number);
    }
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    const UniqueFd signal_fd(signalfd(-1, &signals, SFD_CLOEXEC));
    const UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    const UniqueFd loop(epoll_create1(EPOLL_CLOEXEC));
    if (!signal_fd.valid() || !timer.valid() || !loop.valid()) {
      return absl::ErrnoToStatus(errno, "signalfd, timerfd or epoll");
    }
    const itimerspec each_second{{1, 0}, {1, 0}};
    timerfd_settime(timer.get(), 0, &each_second, nullptr);
    BALLAST_RETURN_IF_ERROR(Join());

    std::vector<int> fds = {signal_fd.get(), timer.get()};
    for (const UdpMulticast& socket : sockets_) fds.push_back(socket.fd());
    for (const int fd : fds) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      epoll_ctl(loop.get(), EPOLL_CTL_ADD, fd, &event);
    }
    for (;;) {
      epoll_event events[8];
      const int count = epoll_wait(loop.get(), events, 8, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == timer.get()) {
          uint64_t expirations;
          (void)!read(fd, &expirations, sizeof(expirations));
          expired_ += entries_.Expire(MonotonicNow());
          PrintTotals();
        } else if (fd == signal_fd.get()) {
          signalfd_siginfo info;
          if (read(fd, &info, sizeof(info)) != sizeof(info)) continue;
          PrintTable();
          PrintTotals();
          if (info.ssi_signo != SIGUSR1) return absl::OkStatus();
        } else {
          for (UdpMulticast& socket : sockets_) {
            if (socket.fd() == fd) Receive(socket);
          }
        }
      }
    }
  }

 private:
  // Datagrams taken before the others have their turn.
  static constexpr int kReceiveMax = 64;
  static constexpr size_t kMastersMax = 16;  // That are named.

  absl::Status Join() {
    BALLAST_ASSIGN_OR_RETURN(const Address group,
                             Address::Parse(absl::GetFlag(FLAGS_group)));
    const std::string interface = absl::GetFlag(FLAGS_interface);
    const int first = absl::GetFlag(FLAGS_port);
    for (int port = first; port < first + absl::GetFlag(FLAGS_ports); ++port) {
      BALLAST_ASSIGN_OR_RETURN(
          UdpMulticast socket,
          UdpMulticast::Open({.group = {group, static_cast<uint16_t>(port)},
                              .interface = interface}));
      sockets_.push_back(std::move(socket));
    }
    absl::PrintF("listening on %s, %s\n", interface,
                 Endpoint{group, static_cast<uint16_t>(first)}.ToString());
    std::fflush(stdout);
    start_ = MonotonicNow();
    return absl::OkStatus();
  }

  void Receive(UdpMulticast& socket) {
    for (int i = 0; i < kReceiveMax; ++i) {
      const auto datagram = socket.Receive(buffer_);
      if (!datagram.ok()) return;
      const Instant now = MonotonicNow();
      const auto info = ha::ReadIpvsMessage(
          datagram->payload, reader_, [&](const ha::IpvsEntry& entry) {
            ++outcomes_[static_cast<size_t>(entries_.Take(now, entry))];
          });
      if (info && masters_.size() < kMastersMax &&
          masters_.insert(datagram->source.address).second) {
        absl::PrintF("a master at %s: version %d, syncid %d\n",
                     datagram->source.address.ToString(), info->version,
                     info->syncid);
      }
    }
  }

  uint64_t outcome(LearnedEntries::Outcome which) const {
    return outcomes_[static_cast<size_t>(which)];
  }

  void PrintTotals() {
    std::string more;
    const auto add = [&more](absl::string_view what, uint64_t count) {
      if (count > 0) absl::StrAppend(&more, ", ", what, " ", count);
    };
    add("expired", expired_);
    add("given another server", outcome(LearnedEntries::Outcome::kReplaced));
    add("inactive ignored", outcome(LearnedEntries::Outcome::kIgnored));
    add("no room for", outcome(LearnedEntries::Outcome::kRefused));
    for (size_t i = 1; i < reader_.errors.size(); ++i) {
      add(absl::StrCat("left out: ",
                       ha::IpvsReadErrorName(ha::IpvsReadError(i))),
          reader_.errors[i]);
    }
    absl::PrintF("%5.0f s  %s; heard %d entries in %d messages%s\n",
                 absl::ToDoubleSeconds(MonotonicNow() - start_),
                 entries_.Summary(), reader_.entries, reader_.messages, more);
    std::fflush(stdout);
  }

  void PrintTable() {
    for (const std::string& line : entries_.Lines(
             MonotonicNow(), entries_.connections() + entries_.templates())) {
      absl::PrintF("%s\n", line);
    }
  }

  LearnedEntries entries_;
  ha::IpvsReader reader_;
  std::vector<UdpMulticast> sockets_;
  std::array<uint8_t, 65536> buffer_;
  std::array<uint64_t, 5> outcomes_{};  // By LearnedEntries::Outcome.
  uint64_t expired_ = 0;
  std::set<Address> masters_;
  Instant start_;
};

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(ballast::kHelp);
  absl::ParseCommandLine(argc, argv);
  absl::Status status = ballast::CheckFlags();
  if (status.ok()) status = ballast::Standby().Run();
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "ipvs_standby: %s\n", status.ToString());
  return 1;
}
