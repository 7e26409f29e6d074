// Properties: whatever the peer sends, a channel keeps its bounds, its deadline
// moves on, and what it sends can be read.
#include <algorithm>

#include "absl/time/time.h"
#include "ha/conntrack_ftfw.h"
#include "io/base/check.h"
#include "io/base/instant.h"

namespace {

using namespace ballast;
using namespace ballast::ha;

struct Reading : ConntrackChannel::Host {
  void SendConntrack(Instant, std::span<const uint8_t> bytes) override {
    BALLAST_CHECK(bytes.size() <= 1471);
    ConntrackReader reader;
    ReadConntrackDatagram(bytes, reader, [](const ConntrackMessage&) {});
    for (const uint64_t count : reader.errors) BALLAST_CHECK(count == 0);
  }
  void OnConntrack(Instant now, ConntrackType type,
                   const ConntrackEntry& entry) override {
    // What it hears, it tells: there is something to be asked for.
    channel->Tell(now, type, entry);
  }
  void OnTellAll(Instant) override {}
  void OnGreeted(Instant now) override { channel->AskAll(now); }
  ConntrackFtfw* channel = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Instant now = Instant::FromNanos(0) + absl::Hours(1);
  Reading host;
  ConntrackFtfw::Options options;
  options.window = 3;
  options.kept_max = 16;
  ConntrackFtfw channel(options, now, host);
  host.channel = &channel;
  std::span<const uint8_t> left(data, size);
  while (!left.empty()) {
    // The first byte: how much is a datagram, and how much later it comes.
    const size_t length =
        std::min<size_t>(left[0] < 8 ? left[0] * 32 : left.size(), left.size());
    now += absl::Milliseconds(left[0] * 40);
    channel.Tick(now);
    channel.OnDatagram(now, left.first(std::max<size_t>(length, 1)));
    BALLAST_CHECK(channel.deadline() > now);
    BALLAST_CHECK(channel.lag(now).connections <= options.kept_max);
    left = left.subspan(std::max<size_t>(length, 1));
  }
  return 0;
}
