#include "io/af_packet_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/base/status_matchers.h"
#include "io/packet_io_conformance.h"
#include "io/testing_namespace.h"
#include "io/testing_raw_port.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

// Two veth pairs, p0-w0 and p1-w1, in a fresh namespace without IP: nothing
// but the test's own frames. Returns why it cannot, or empty.
std::string MakeWires() {
  if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
    return std::string(status.message());
  }
  const auto made = RunCommand(
      "set -e; for c in all default; do"
      "  echo 1 > /proc/sys/net/ipv6/conf/$c/disable_ipv6;"
      "done;"
      "for n in 0 1; do"
      "  ip link add p$n type veth peer name w$n;"
      "  ip link set p$n up arp off; ip link set w$n up arp off;"
      "done");
  EXPECT_THAT(made, IsOk());
  EXPECT_THAT(WaitForLinks(), IsOk());
  return "";
}

class VethWire : public PacketIoWire {
 public:
  std::string Open(const Limits& limits) override {
    if (std::string reason = MakeWires(); !reason.empty()) return reason;
    AfPacketOptions options;
    options.buffer_count = limits.buffer_count;
    options.frame_bytes = limits.frame_bytes;
    if (limits.small_receive_queue) options.receive_queue_bytes = 64 << 10;
    PacketFilter all;
    all.everything = true;
    options.ports = {{"p0", all}, {"p1", all}};
    auto io = AfPacketIo::Create(options);
    EXPECT_THAT(io, IsOk());
    io_ = std::move(*io);
    for (int n = 0; n < 2; ++n) {
      far_[n] = std::make_unique<RawPort>(absl::StrCat("w", n));
    }
    return "";
  }
  PacketIo& io() override { return *io_; }
  void Inject(const MemoryFrame& frame) override {
    far_[frame.port]->Send(frame.bytes, frame.offload);
  }
  MemoryFrame NextSent() override {
    MemoryFrame frame;
    for (int waited_ms = 0; waited_ms < 1000; ++waited_ms) {
      for (uint16_t port = 0; port < 2; ++port) {
        frame.port = port;
        frame.bytes = far_[port]->Receive(port, frame.offload);
        if (!frame.bytes.empty()) return frame;
      }
    }
    return {};
  }

 private:
  std::unique_ptr<AfPacketIo> io_;
  std::unique_ptr<RawPort> far_[2];
};

INSTANTIATE_TEST_SUITE_P(, PacketIoConformance,
                         ::testing::Values(PacketIoBackend{
                             "AfPacket",
                             [] { return std::make_unique<VethWire>(); }}),
                         BackendName);

class AfPacketIoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = MakeWires(); !reason.empty()) {
      GTEST_SKIP() << "SKIPPED, cannot run here: " << reason;
    }
    far_ = std::make_unique<RawPort>("w0");
  }

  static constexpr MacAddress kOurs = {{0x02, 0xba, 0, 0, 0, 1}};

  AfPacketOptions Options() const {
    AfPacketOptions options;
    PacketFilter filter;
    filter.own_macs = {kOurs};
    options.ports = {{"p0", filter}};
    return options;
  }
  // TaggedFrame() goes to kOurs, from 10.0.0.1 to 10.0.0.2.
  void Inject(uint32_t tag, const MacAddress& to = kOurs,
              uint32_t source = 0x0a000001, uint32_t destination = 0x0a000002) {
    auto bytes = TaggedFrame(tag, 60);
    std::copy(to.bytes.begin(), to.bytes.end(), bytes.begin());
    StoreBig32(&bytes[26], source);
    StoreBig32(&bytes[30], destination);
    far_->Send(bytes, {});
  }
  // Tags of what waits, sorted by arrival.
  static std::vector<uint32_t> Tags(AfPacketIo& io) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::vector<uint32_t> tags;
    std::array<Frame, PacketIo::kBatchMax> frames;
    while (const size_t count = io.Receive(frames)) {
      for (size_t i = 0; i < count; ++i) {
        tags.push_back(TagOf(frames[i].bytes()));
      }
      io.Release(std::span<Frame>(frames).first(count));
    }
    return tags;
  }

  std::unique_ptr<RawPort> far_;
};

TEST_F(AfPacketIoTest, CreateSaysWhatIsWrong) {
  AfPacketOptions options = Options();
  options.ports[0].interface = "nosuch0";
  EXPECT_THAT(AfPacketIo::Create(options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nosuch0")));
  options.ports.clear();
  EXPECT_THAT(AfPacketIo::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("port")));
}

TEST_F(AfPacketIoTest, FilterIsTheKernelsAndCanBeReplaced) {
  const MacAddress other = {{0x02, 0xba, 0, 0, 0, 9}};
  auto io = AfPacketIo::Create(Options());
  ASSERT_THAT(io, IsOk());
  Inject(1);
  Inject(2, other);
  Inject(3);
  EXPECT_THAT(Tags(**io), ::testing::ElementsAre(1, 3));
  PacketFilter filter;
  filter.own_macs = {other};
  ASSERT_THAT((*io)->SetFilter(0, filter), IsOk());
  Inject(4);
  Inject(5, other);
  EXPECT_THAT(Tags(**io), ::testing::ElementsAre(5));
  EXPECT_EQ((*io)->stats().received, 3u);
}

TEST_F(AfPacketIoTest, VlanFramesAreNotCopiedPriorityTagsAreTakenOff) {
  auto io = AfPacketIo::Create(Options());
  ASSERT_THAT(io, IsOk());
  for (const uint16_t tci : {0x0005, 0xe000}) {  // VLAN 5; priority 7.
    auto bytes = TaggedFrame(tci, 60);
    std::copy(kOurs.bytes.begin(), kOurs.bytes.end(), bytes.begin());
    const uint8_t tag[] = {0x81, 0x00, static_cast<uint8_t>(tci >> 8),
                           static_cast<uint8_t>(tci)};
    bytes.insert(bytes.begin() + 12, tag, tag + 4);
    far_->Send(bytes, {});
  }
  EXPECT_THAT(Tags(**io), ::testing::ElementsAre(0xe000));
}

TEST_F(AfPacketIoTest, OwnMacsAreAddedToTheCardsFilter) {
  // A veth has no address filter: the kernel makes it promiscuous for as long
  // as anybody wants a further address. A filter that wants everything asks for
  // that itself.
  const auto promiscuity = [] {
    const std::string link = *RunCommand("ip -d link show p0");
    return link[link.find("promiscuity ") + strlen("promiscuity ")];
  };
  EXPECT_EQ(promiscuity(), '0');
  auto io = AfPacketIo::Create(Options());
  ASSERT_THAT(io, IsOk());
  EXPECT_EQ(promiscuity(), '1');
  PacketFilter filter = Options().ports[0].filter;
  filter.everything = true;
  ASSERT_THAT((*io)->SetFilter(0, filter), IsOk());
  EXPECT_EQ(promiscuity(), '2');
  ASSERT_THAT((*io)->SetFilter(0, PacketFilter()), IsOk());
  EXPECT_EQ(promiscuity(), '0');
}

TEST_F(AfPacketIoTest, SurvivesTheLinkGoingDownAndUp) {
  auto io = AfPacketIo::Create(Options());
  ASSERT_THAT(io, IsOk());
  ASSERT_THAT(RunCommand("ip link set p0 down"), IsOk());
  std::array<Frame, 1> frames;
  EXPECT_EQ((*io)->Receive(frames), 0u);
  ASSERT_EQ((*io)->Allocate(frames), 1u);
  frames[0].length = 60;
  EXPECT_EQ((*io)->Send(frames), 1u);
  EXPECT_EQ((*io)->stats().send_refused, 1u);
  ASSERT_THAT(RunCommand("ip link set p0 up"), IsOk());
  ASSERT_THAT(WaitForLinks(), IsOk());
  Inject(7);
  EXPECT_THAT(Tags(**io), ::testing::ElementsAre(7));
}

TEST_F(AfPacketIoTest, TooLongForTheLinkIsRefusedAndTheRestIsSent) {
  auto io = AfPacketIo::Create(Options());
  ASSERT_THAT(io, IsOk());
  std::array<Frame, 3> frames;
  ASSERT_EQ((*io)->Allocate(frames), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const auto bytes = TaggedFrame(i + 1, i == 1 ? 3000 : 100);
    std::copy(bytes.begin(), bytes.end(), frames[i].data);
    frames[i].length = static_cast<uint32_t>(bytes.size());
  }
  EXPECT_EQ((*io)->Send(frames), 3u);
  EXPECT_EQ((*io)->stats().send_refused, 1u);
  EXPECT_EQ((*io)->stats().sent, 2u);
  Offload offload;
  EXPECT_EQ(TagOf(far_->Receive(1000, offload)), 1u);
  EXPECT_EQ(TagOf(far_->Receive(1000, offload)), 3u);
}

TEST_F(AfPacketIoTest, GroupGetsFramesByTheClientsAddress) {
  PacketSteering steering;
  steering.thread_count = 3;
  const Address vip = Address::V4(0xc0000250);
  steering.floating = {vip};
  auto group = AfPacketIo::CreateGroup(Options(), steering);
  ASSERT_THAT(group, IsOk());
  ASSERT_EQ(group->size(), 3u);

  const auto inject_and_check = [&] {
    std::vector<std::vector<uint32_t>> expected(3);
    for (uint32_t i = 0; i < 60; ++i) {
      const uint32_t client = 0xc6336400 + i;
      auto& mine = expected[steering.ThreadOf(Address::V4(client))];
      Inject(2 * i + 1, kOurs, client, vip.v4_bits());
      Inject(2 * i + 2, kOurs, /*source=*/0x0a00000b, client);
      mine.push_back(2 * i + 1);
      mine.push_back(2 * i + 2);
    }
    for (uint32_t thread = 0; thread < 3; ++thread) {
      EXPECT_GT(expected[thread].size(), 10u);
      EXPECT_EQ(Tags(*(*group)[thread]), expected[thread]) << thread;
    }
  };
  inject_and_check();

  // The kernel forgets and finds the group's members with the link.
  ASSERT_THAT(RunCommand("ip link set p0 down; ip link set p0 up"), IsOk());
  ASSERT_THAT(WaitForLinks(), IsOk());
  for (auto& member : *group) Tags(*member);
  inject_and_check();

  // Without floating addresses the destination decides: the VIP's thread.
  steering.floating = {};
  ASSERT_THAT((*group)[1]->SetSteering(steering), IsOk());
  const uint32_t thread = steering.ThreadOf(vip);
  for (uint32_t i = 1; i <= 9; ++i) {
    Inject(i, kOurs, 0xc6336400 + i, vip.v4_bits());
  }
  EXPECT_EQ(Tags(*(*group)[thread]).size(), 9u);
  steering.thread_count = 2;
  EXPECT_THAT((*group)[0]->SetSteering(steering),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3")));
}

}  // namespace
}  // namespace ballast
