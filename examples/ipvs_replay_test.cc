// What no golden capture holds: idle ends, ports used again, direct routing,
// settings that cannot be replayed. Expected values: the IPVS sync notes §5 and
// §6, and Linux 6.1 net/netfilter/ipvs/ip_vs_core.c for ports used again.
#include "examples/ipvs_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "examples/ipvs_settings.h"
#include "ha/capture.h"
#include "io/base/address.h"
#include "io/base/status_matchers.h"

namespace ballast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kNat[] =
    "sync_threshold 3\t50\n"
    "-A -t 10.0.0.100:80 -s rr\n"
    "-a -t 10.0.0.100:80 -r 10.1.0.10:8080 -m -w 1\n"
    "-A -u 10.0.0.100:53 -s rr\n"
    "-a -u 10.0.0.100:53 -r 10.1.0.10:53 -m -w 1\n"
    "-A -t [fd00::100]:80 -s rr\n"
    "-a -t [fd00::100]:80 -r [fd01::10]:80 -g -w 1\n";

constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

IpvsSettings Settings(const std::string& text) {
  auto settings = ParseIpvsSettings(text);
  EXPECT_TRUE(settings.ok()) << settings.status();
  return *std::move(settings);
}

// A client, a server behind the service, and the director between them.
class World {
 public:
  explicit World(const std::string& settings, bool v6 = false)
      : replay_(Settings(settings)),
        client_(Address::Parse(v6 ? "fd00::10" : "10.0.0.10").value()),
        service_(Address::Parse(v6 ? "fd00::100" : "10.0.0.100").value()) {}

  void SetClock(int64_t us) { now_us_ = us; }
  void Sleep(double s) { now_us_ += static_cast<int64_t>(s * 1e6); }
  // "entry count state last timeout synced", or "".
  std::string Client(uint8_t flags) { return Packet(6, 80, flags, true); }
  std::string Server(uint8_t flags) { return Packet(6, 80, flags, false); }
  std::string Udp(bool of_client = true) {
    return Packet(17, 53, 0, of_client);
  }

 private:
  std::string Packet(uint8_t protocol, uint8_t port, uint8_t flags,
                     bool of_client) {
    std::array<uint8_t, 20> header{};
    header[of_client ? 0 : 2] = 0x75;  // The client's port: 30000.
    header[of_client ? 1 : 3] = 0x30;
    header[of_client ? 3 : 1] = port;
    header[5] = 20;  // UDP's length.
    header[13] = flags;
    ha::CapturedPacket packet;
    packet.when_us = now_us_;
    packet.protocol = protocol;
    packet.source = of_client ? client_ : service_;
    packet.destination = of_client ? service_ : client_;
    packet.payload = header;
    const auto d = replay_.OnPacket(packet);
    if (!d) return "";
    EXPECT_EQ(d->client, (Endpoint{client_, 30000}));
    EXPECT_EQ(d->virtual_port, port);
    return absl::StrCat(d->entry, " ", d->client_packets, " ", d->state, " ",
                        d->last_synced_state, " ", d->timeout_s, " ",
                        d->synced ? "sent" : "-");
  }

  IpvsReplay replay_;
  Address client_;
  Address service_;
  int64_t now_us_ = 1795300000000000;
};

TEST(IpvsReplayTest, ServerClosesFirst) {
  World world(kNat);
  EXPECT_EQ(world.Client(kSyn), "1 1 3 0 60 -");
  EXPECT_EQ(world.Server(kSyn | kAck), "");
  EXPECT_EQ(world.Client(kAck), "1 2 1 0 900 -");
  EXPECT_EQ(world.Client(kAck), "1 3 1 0 900 sent");
  world.Server(kFin | kAck);  // Found at the client's next packet.
  EXPECT_EQ(world.Client(kAck), "1 4 4 1 120 sent");
  EXPECT_EQ(world.Client(kFin | kAck), "1 5 5 4 120 sent");
}

TEST(IpvsReplayTest, DirectRoutingDoesNotSeeTheServer) {
  World world(kNat, /*v6=*/true);
  EXPECT_EQ(world.Client(kSyn), "1 1 3 0 60 -");
  world.Server(kSyn | kAck);
  EXPECT_EQ(world.Client(kAck), "1 2 1 0 900 -");
  world.Server(kFin | kAck);
  EXPECT_EQ(world.Client(kAck), "1 3 1 0 900 sent");
  EXPECT_EQ(world.Client(kFin | kAck), "1 4 4 1 120 sent");
}

TEST(IpvsReplayTest, APacketOfNoConnectionIsNoQuestion) {
  World world(kNat);
  EXPECT_EQ(world.Client(kAck), "");
  EXPECT_EQ(world.Client(kRst | kSyn), "");
  EXPECT_EQ(world.Server(kAck), "");
  EXPECT_EQ(world.Udp(/*of_client=*/false), "");
  EXPECT_EQ(world.Udp(), "1 1 0 0 300 -");
}

TEST(IpvsReplayTest, AnIdleConnectionEndsWithTheTimeoutOfItsState) {
  World world(kNat);
  world.Client(kSyn);
  world.Sleep(59.9);
  EXPECT_EQ(world.Client(kAck), "1 2 1 0 900 -");
  world.Sleep(899.9);
  EXPECT_EQ(world.Client(kAck), "1 3 1 0 900 sent");
  world.Sleep(900);
  EXPECT_EQ(world.Client(kAck), "");
  EXPECT_EQ(world.Client(kSyn), "2 1 3 0 60 -");
}

TEST(IpvsReplayTest, TheServersPacketsKeepAConnection) {
  World world(kNat);
  world.Udp();
  world.Sleep(200);
  world.Udp(/*of_client=*/false);
  world.Sleep(200);
  EXPECT_EQ(world.Udp(), "1 2 0 0 300 -");
  world.Sleep(300);
  EXPECT_EQ(world.Udp(), "2 1 0 0 300 -");
}

TEST(IpvsReplayTest, ASynAfterTimeWaitOrCloseIsAnotherConnection) {
  World world(kNat);
  world.Client(kSyn);
  world.Client(kAck);
  EXPECT_EQ(world.Client(kRst), "1 3 6 0 10 sent");
  EXPECT_EQ(world.Client(kSyn), "2 1 3 0 60 -");
  world.Client(kFin);  // 3 -> 5.
  EXPECT_EQ(world.Client(kSyn), "3 1 3 0 60 -");
  // Not of a live one.
  EXPECT_EQ(world.Client(kSyn), "3 2 3 0 60 -");

  World no_reuse(absl::StrCat(kNat, "conn_reuse_mode 0\n"));
  no_reuse.Client(kSyn);
  no_reuse.Client(kFin);
  EXPECT_EQ(no_reuse.Client(kSyn), "1 3 3 5 60 -");
}

TEST(IpvsReplayTest, AConnectionsEndStartsAsTheTimeItWasMade) {
  // 900 s before the clock of 32-bit milliseconds is 0 again: an end of 0 would
  // be the one of ESTABLISHED, and hold the record back.
  World world(
      absl::StrCat(kNat, "sync_threshold 0 0\nsync_refresh_period 10\n"));
  world.SetClock(((int64_t{1} << 32) - 900000) * 1000);
  world.Client(kSyn);
  EXPECT_EQ(world.Client(kAck), "1 2 1 0 900 sent");
}

// -- Settings -----------------------------------------------------------------

TEST(IpvsSettingsTest, ReadsSysctlsInBothSpellings) {
  const std::string service =
      "-A -u 10.0.0.1:53 -s wlc\n-a -u 10.0.0.1:53 -r 10.1.0.1:53 -i -w 1\n";
  const IpvsSettings a = Settings(
      "sync_threshold 5\t255\nsync_refresh_period 7\nsync_retries 2\n"
      "conn_reuse_mode 0\nsync_sock_size 9\n" +
      service);
  const IpvsSettings b = Settings(
      "net.ipv4.vs.sync_threshold = 5\t255\n"
      "net.ipv4.vs.sync_refresh_period = 7\nnet.ipv4.vs.sync_retries = 2\n"
      "net.ipv4.vs.conn_reuse_mode = 0\r\n" +
      service);
  EXPECT_EQ(a.sync, (ha::SyncSettings{5, 255, 7, 2}));
  EXPECT_EQ(b.sync, a.sync);
  EXPECT_EQ(a.conn_reuse_mode, 0u);
  EXPECT_EQ(b.conn_reuse_mode, 0u);
  EXPECT_THAT(
      a.nat,
      ElementsAre(std::pair(
          IpvsServiceKey(17, Endpoint::Parse("10.0.0.1:53").value()), false)));
}

TEST(IpvsSettingsTest, NamesTheLineThatIsWrong) {
  const auto error = [](const std::string& text) {
    return std::string(ParseIpvsSettings(text).status().message());
  };
  EXPECT_EQ(error("\nsync_threshold 3\n"),
            "line 2: sync_threshold: nothing, must be a number");
  EXPECT_EQ(error("sync_threshold 3 x\n"),
            "line 1: sync_threshold: x, must be a number");
  EXPECT_THAT(error("-A -t web:http -s rr\n"), HasSubstr("line 1: -t: "));
  EXPECT_EQ(error("-D -t 10.0.0.1:80\n"),
            "line 1: -D: only -A and -a, as `ipvsadm -Sn` writes them");
  EXPECT_EQ(error("-A -s rr\n"), "line 1: -A: names no service");
  EXPECT_EQ(error("-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m\n"),
            "line 1: -a: service 10.0.0.1:80 was not added before");
  EXPECT_EQ(error("-A -t 10.0.0.1:80\n"), "sync_threshold: missing");
  EXPECT_EQ(error("sync_threshold 3 50\n"), "no service to replay");
}

TEST(IpvsSettingsTest, SaysWhichServicesAreLeftOutAndWhy) {
  const IpvsSettings settings = Settings(
      "sync_threshold 3 50\n"
      "-A -t 10.0.0.1:80 -s rr\n"
      "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m\n"
      "-A -t 10.0.0.2:80 -s rr -p 360\n"
      "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -m\n"
      "-A -f 77 -s rr\n"
      "-a -f 77 -r 10.1.0.1:80 -m\n"
      "-A -u 10.0.0.3:53 -s rr --ops\n"
      "-A -t 10.0.0.4:80 -s rr\n"
      "-A -t 10.0.0.5:80 -s rr\n"
      "-a -t 10.0.0.5:80 -r 10.1.0.1:80 -m\n"
      "-a -t 10.0.0.5:80 -r 10.1.0.2:80 -g\n"
      "-A --sctp-service 10.0.0.6:99 -s rr\n");
  EXPECT_EQ(settings.nat.size(), 1u);
  EXPECT_THAT(
      settings.left_out,
      ::testing::UnorderedElementsAre(
          "line 4: 10.0.0.2:80: persistent: its templates are not replayed",
          "line 6: 77: a capture does not show firewall marks",
          "line 8: 10.0.0.3:53: one-packet connections are never sent",
          "line 9: 10.0.0.4:80: it has no server",
          "line 10: 10.0.0.5:80: its servers mix NAT with other methods",
          "line 13: 10.0.0.6:99: SCTP"));
}

}  // namespace
}  // namespace ballast
