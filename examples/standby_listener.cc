#include "examples/standby_listener.h"

#include <signal.h>

#include <array>
#include <cstdio>
#include <deque>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "examples/learned_entries.h"
#include "examples/watch_loop.h"
#include "ha/ipvs_wire.h"
#include "io/base/instant.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/udp_multicast.h"

namespace ballast {
namespace {

// Datagrams taken before the others have their turn.
constexpr int kReceiveMax = 64;
constexpr size_t kMastersMax = 16;  // That are named.

class Listener {
 public:
  explicit Listener(const StandbyListenerOptions& options)
      : options_(options),
        entries_(options.entries_max),
        reader_{.syncid = options.syncid.value_or(0),
                .any_syncid = !options.syncid.has_value()} {}

  absl::Status Run() {
    WatchLoop loop({SIGUSR1, SIGTERM, SIGINT});
    BALLAST_RETURN_IF_ERROR(Join(loop));
    loop.EachSecond([this] {
      expired_ += entries_.Expire(MonotonicNow());
      PrintTotals();
    });
    loop.OnSignal(SIGUSR1, [this] { PrintAll(); });
    for (const int number : {SIGTERM, SIGINT}) {
      loop.OnSignal(number, [this, &loop] {
        PrintAll();
        loop.Stop();
      });
    }
    return loop.Run();
  }

 private:
  absl::Status Join(WatchLoop& loop) {
    for (int i = 0; i < options_.ports; ++i) {
      Endpoint group = options_.group;
      group.port = static_cast<uint16_t>(group.port + i);
      BALLAST_ASSIGN_OR_RETURN(
          UdpMulticast opened,
          UdpMulticast::Open(
              {.group = group, .interface = options_.interface}));
      UdpMulticast& socket = sockets_.emplace_back(std::move(opened));
      loop.OnReadable(socket.fd(), [this, &socket] { Receive(socket); });
    }
    absl::PrintF("listening on %s, %s\n", options_.interface,
                 options_.group.ToString());
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

  void PrintAll() {
    for (const std::string& line :
         entries_.Lines(MonotonicNow(), options_.entries_max)) {
      absl::PrintF("%s\n", line);
    }
    PrintTotals();
  }

  const StandbyListenerOptions options_;
  LearnedEntries entries_;
  ha::IpvsReader reader_;
  std::deque<UdpMulticast> sockets_;
  std::array<uint8_t, 65536> buffer_;
  std::array<uint64_t, 5> outcomes_{};  // By LearnedEntries::Outcome.
  uint64_t expired_ = 0;
  std::set<Address> masters_;
  Instant start_;
};

}  // namespace

absl::Status ListenToMaster(const StandbyListenerOptions& options) {
  return Listener(options).Run();
}

}  // namespace ballast
