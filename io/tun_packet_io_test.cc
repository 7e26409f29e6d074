#include "io/tun_packet_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/status_matchers.h"
#include "io/packet_io_conformance.h"
#include "io/testing_namespace.h"
#include "io/testing_raw_port.h"

namespace ballast {
namespace {

using ::testing::HasSubstr;

class TapWire : public PacketIoWire {
 public:
  std::string Open(const Limits& limits) override {
    if (const absl::Status status = EnterTestNamespace(); !status.ok()) {
      return std::string(status.message());
    }
    TunPacketOptions options;
    options.buffer_count = limits.buffer_count;
    options.frame_bytes = limits.frame_bytes;
    options.interfaces = {"tap0", "tap1"};
    auto io = TunPacketIo::Create(options);
    if (!io.ok()) return std::string(io.status().message());
    io_ = std::move(*io);
    EXPECT_THAT(RunCommand("set -e; for n in 0 1; do"
                           "  echo 1 > "
                           "/proc/sys/net/ipv6/conf/tap$n/disable_ipv6;"
                           "  ip link set tap$n up arp off;"
                           "done"),
                IsOk());
    EXPECT_THAT(WaitForLinks(), IsOk());
    for (int n = 0; n < 2; ++n) {
      far_[n] = std::make_unique<RawPort>(absl::StrCat("tap", n));
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
  std::unique_ptr<TunPacketIo> io_;
  std::unique_ptr<RawPort> far_[2];
};

INSTANTIATE_TEST_SUITE_P(, PacketIoConformance,
                         ::testing::Values(PacketIoBackend{
                             "Tap",
                             [] { return std::make_unique<TapWire>(); }}),
                         BackendName);

TEST(TunPacketIoTest, CreateSaysWhatIsWrong) {
  TunPacketOptions options;
  EXPECT_THAT(TunPacketIo::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("port")));
  options.interfaces = {"a-name-of-sixteen"};
  EXPECT_THAT(
      TunPacketIo::Create(options),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a-name-of")));
}

}  // namespace
}  // namespace ballast
