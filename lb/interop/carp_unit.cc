// One CARP unit on a real interface, for tests against ucarp: our node, wire
// and frame joined to a raw socket. It holds no address: it adverts, announces,
// and says its role on standard output:
//
//   role backup started
//   role master master_silent
//   refused other_vhid 12           (at the end)
//
// SIGTERM: leaves in good order. SIGUSR2: switchover.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "ha/carp_frame.h"
#include "ha/carp_node.h"
#include "ha/carp_receiver.h"
#include "ha/carp_wire.h"
#include "io/base/address.h"
#include "io/base/bytes.h"
#include "io/base/check.h"
#include "io/base/status_macros.h"
#include "io/clock.h"
#include "io/datagram.h"
#include "io/raw_socket.h"
#include "io/testing_raw_port.h"

ABSL_FLAG(std::string, interface, "", "the interface");
ABSL_FLAG(std::string, source, "", "this unit's address on it");
ABSL_FLAG(std::string, address, "", "the shared IPv4 address");
ABSL_FLAG(std::string, password, "", "1..19 bytes");
ABSL_FLAG(int, vhid, 0, "1..255");
ABSL_FLAG(int, advbase, 1, "seconds");
ABSL_FLAG(int, advskew, 0, "1/256 s");
ABSL_FLAG(bool, preempt, false, "always");
ABSL_FLAG(bool, broadcast, false, "ucarp's form: Ethernet broadcast");
ABSL_FLAG(std::string, peer, "", "pinned: ADDRESS,ADVBASE,ADVSKEW");

namespace ballast::ha {
namespace {

absl::StatusOr<std::optional<CarpReceiver::Peer>> ParsePeer(
    const std::string& text) {
  if (text.empty()) return std::nullopt;
  const std::vector<std::string> words = absl::StrSplit(text, ',');
  int base = 0;
  int skew = 0;
  if (words.size() != 3 || !absl::SimpleAtoi(words[1], &base) ||
      !absl::SimpleAtoi(words[2], &skew)) {
    return absl::InvalidArgumentError("--peer: must be ADDRESS,BASE,SKEW");
  }
  BALLAST_ASSIGN_OR_RETURN(const Address source, Address::Parse(words[0]));
  return CarpReceiver::Peer{.source = source,
                            .advbase = static_cast<uint8_t>(base),
                            .advskew = static_cast<uint8_t>(skew)};
}

class Unit {
 public:
  Unit(const std::string& interface, RawSocket socket, CarpReceiver receiver,
       const CarpNode::Options& options, const CarpFraming& framing,
       const Address& shared)
      : socket_(std::move(socket)),
        port_(interface),
        receiver_(std::move(receiver)),
        node_(options, MonotonicNow()),
        framing_(framing),
        shared_(shared),
        random_(std::random_device{}()) {}

  // Until SIGTERM.
  void Run() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGUSR2}) {
      sigaddset(&signals, signal);
    }
    BALLAST_CHECK(sigprocmask(SIG_BLOCK, &signals, nullptr) == 0);
    const int signal_fd = signalfd(-1, &signals, 0);
    BALLAST_CHECK(signal_fd != -1);
    SayRole();
    while (true) {
      const absl::Duration wait = node_.deadline() - MonotonicNow();
      pollfd pollers[] = {{socket_.fd(), POLLIN, 0}, {signal_fd, POLLIN, 0}};
      // Rounded up, or it would turn idly for the last millisecond.
      const absl::Duration rounded =
          absl::Ceil(std::clamp(wait, absl::ZeroDuration(), absl::Seconds(60)),
                     absl::Milliseconds(1));
      poll(pollers, 2, static_cast<int>(absl::ToInt64Milliseconds(rounded)));
      ReceiveAll();
      if (pollers[1].revents != 0) {
        signalfd_siginfo info;
        BALLAST_CHECK(read(signal_fd, &info, sizeof(info)) == sizeof(info));
        if (info.ssi_signo == SIGTERM) break;
        Step(CarpSwitchover{});
      }
      Step(CarpTick{});
    }
    Step(CarpLeave{});
    SayCounts();
    close(signal_fd);
  }

 private:
  void ReceiveAll() {
    std::array<uint8_t, 2048> buffer;
    while (true) {
      const auto datagram = socket_.Receive(buffer);
      if (absl::IsUnavailable(datagram.status())) return;
      if (!datagram.ok()) continue;
      CarpAdvert advert;
      if (receiver_.Receive({.source = datagram->source.address,
                             .destination = datagram->destination,
                             .ttl = datagram->ttl,
                             .payload = datagram->payload},
                            &advert) != CarpRefusal::kNone) {
        continue;
      }
      counter_.OnAccepted(advert.counter);
      Step(CarpHeard{.source = datagram->source.address,
                     .advbase = advert.advbase,
                     .advskew = advert.advskew,
                     .demotion = advert.demotion});
    }
  }

  void Step(const CarpEvent& event) {
    const CarpRole before = node_.role();
    for (const CarpAction action : node_.Step(MonotonicNow(), event)) {
      switch (action) {
        case CarpAction::kTakeAddresses:
        case CarpAction::kDropAddresses:
          break;
        case CarpAction::kAnnounce:
          Announce();
          break;
        case CarpAction::kSendAdvert:
        case CarpAction::kSendBowOut:
          Send(action);
      }
    }
    if (node_.role() != before) SayRole();
  }

  void Send(CarpAction action) {
    CarpAdvert advert = node_.MakeAdvert(action, counter_.Next(random_()));
    receiver_.key().Sign(advert);
    framing_.identification = static_cast<uint16_t>(random_());
    std::array<uint8_t, kCarpFrameSizeMax> buffer;
    port_.Send(BuildCarpFrame(framing_, advert, buffer), {});
  }

  // RFC 826; the target's MAC is the sender's, as ucarp has it.
  void Announce() {
    std::array<uint8_t, 42> buffer;
    ByteWriter writer(buffer);
    writer.Bytes(MacAddress::Broadcast().bytes);
    writer.Bytes(framing_.source_mac.bytes);
    writer.U16(0x0806);
    writer.U16(1);
    writer.U16(0x0800);
    writer.U8(6);
    writer.U8(4);
    writer.U16(1);
    for (int i = 0; i < 2; ++i) {
      writer.Bytes(framing_.source_mac.bytes);
      writer.Bytes(shared_.wire());
    }
    port_.Send(writer.written(), {});
  }

  void SayRole() {
    std::printf("role %s %s\n", CarpRoleName(node_.role()),
                CarpReasonName(node_.reason()));
    std::fflush(stdout);
  }

  void SayCounts() {
    std::printf("accepted %llu\n", static_cast<unsigned long long>(
                                       receiver_.count(CarpRefusal::kNone)));
    for (size_t i = 1; i < kCarpRefusalCount; ++i) {
      const auto refusal = static_cast<CarpRefusal>(i);
      if (const uint64_t count = receiver_.count(refusal); count > 0) {
        std::printf("refused %s %llu\n", CarpRefusalName(refusal),
                    static_cast<unsigned long long>(count));
      }
    }
    std::fflush(stdout);
  }

  RawSocket socket_;
  RawPort port_;
  CarpReceiver receiver_;
  CarpNode node_;
  CarpCounter counter_;
  CarpFraming framing_;
  Address shared_;
  std::mt19937_64 random_;
};

absl::Status RunUnit() {
  const std::string interface = absl::GetFlag(FLAGS_interface);
  const auto vhid = static_cast<uint8_t>(absl::GetFlag(FLAGS_vhid));
  BALLAST_ASSIGN_OR_RETURN(const Address source,
                           Address::Parse(absl::GetFlag(FLAGS_source)));
  BALLAST_ASSIGN_OR_RETURN(const Address shared,
                           Address::Parse(absl::GetFlag(FLAGS_address)));
  BALLAST_ASSIGN_OR_RETURN(CarpKey key,
                           CarpKey::Create(absl::GetFlag(FLAGS_password), vhid,
                                           std::vector<Address>{shared}));
  BALLAST_ASSIGN_OR_RETURN(const auto peer,
                           ParsePeer(absl::GetFlag(FLAGS_peer)));
  const CarpNode::Options options{
      .advbase = static_cast<uint8_t>(absl::GetFlag(FLAGS_advbase)),
      .advskew = static_cast<uint8_t>(absl::GetFlag(FLAGS_advskew)),
      .preempt = absl::GetFlag(FLAGS_preempt) ? CarpPreempt::kAlways
                                              : CarpPreempt::kOff,
      .source = source};
  BALLAST_RETURN_IF_ERROR(CarpNode::Validate(options));
  BALLAST_ASSIGN_OR_RETURN(
      RawSocket socket,
      RawSocket::Open({.protocol = kCarpIpProtocol, .interface = interface}));
  BALLAST_ASSIGN_OR_RETURN(const int ifindex, InterfaceIndex(interface));
  BALLAST_RETURN_IF_ERROR(socket.Join(CarpGroupV4(), ifindex));
  const CarpFraming framing{.source_mac = CarpVirtualMac(vhid),
                            .source = source,
                            .delivery = absl::GetFlag(FLAGS_broadcast)
                                            ? CarpDelivery::kEthernetBroadcast
                                            : CarpDelivery::kMulticast};
  Unit unit(interface, std::move(socket),
            CarpReceiver(std::move(key), {.own = {source}, .peer = peer}),
            options, framing, shared);
  unit.Run();
  return absl::OkStatus();
}

}  // namespace
}  // namespace ballast::ha

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  if (const absl::Status status = ballast::ha::RunUnit(); !status.ok()) {
    std::fprintf(stderr, "carp_unit: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
