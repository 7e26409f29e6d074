#include "io/packet_steering.h"

#include <linux/if_ether.h>

#include <span>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/bytes.h"
#include "io/packet_filter_assembler.h"

namespace ballast {
namespace {

using Label = FilterAssembler::Label;

// Two odd multipliers with well-spread bits (those of MurmurHash3's finaliser).
constexpr uint32_t kMultiplyWord = 0x85ebca6b;
constexpr uint32_t kMultiplyLast = 0xc2b2ae35;
constexpr uint32_t kFoldShift = 15;

constexpr uint32_t kIcmp = 1;
constexpr uint32_t kIcmpV6 = 58;
constexpr uint32_t kFragmentOffsetMask = 0x1fff;
constexpr uint32_t kIcmpHeader = 8;
constexpr uint32_t kIpV6Header = 40;
// Unreachable, source quench, redirect, time exceeded, parameter problem.
constexpr uint8_t kIcmpErrors[] = {3, 4, 5, 11, 12};
// Unreachable, too big, time exceeded, parameter problem.
constexpr uint32_t kIcmpV6ErrorLast = 4;
constexpr uint32_t kRouterSolicitation = 133;
constexpr uint32_t kRedirect = 137;

// Scratch words. `kAsked` is the address that may be floating; the client is
// `kOther` if it is, else kAsked itself.
constexpr uint32_t kAsked = 0;
constexpr uint32_t kOther = 4;
constexpr uint32_t kHash = 8;

// A = the hash of `words` scratch words from `slot`, made a thread; returns.
void HashAndReturn(FilterAssembler& code, uint32_t slot, uint32_t words,
                   const PacketSteering& steering) {
  for (uint32_t i = 0; i < words; ++i) {
    if (i == 0) {
      code.LoadMemory(slot);
      code.Xor(steering.seed);
    } else {
      code.LoadXMemory(slot + i);
      code.XorX();
    }
    code.Multiply(kMultiplyWord);
    code.Store(kHash);
    code.ShiftRight(kFoldShift);
    code.LoadXMemory(kHash);
    code.XorX();
  }
  code.Multiply(kMultiplyLast);
  code.ShiftRight(16);
  code.Multiply(steering.thread_count);
  code.ShiftRight(16);
  code.ReturnA();
}

void LoadV6(FilterAssembler& code, uint32_t offset, uint32_t slot) {
  for (uint32_t i = 0; i < 4; ++i) {
    code.LoadWord(offset + 4 * i);
    code.Store(slot + i);
  }
}

void SteerV4(FilterAssembler& code, const PacketSteering& steering) {
  const Label outer = code.NewLabel();
  const Label quoted = code.NewLabel();
  const Label ask = code.NewLabel();
  const Label is_floating = code.NewLabel();
  code.LoadByte(9);
  code.IfNotEqual(kIcmp, outer);
  code.LoadHalf(6);
  code.IfAnyBit(kFragmentOffsetMask, outer);
  code.LoadXHeaderLength(0);
  code.LoadByteAtX(0);
  for (const uint8_t type : kIcmpErrors) code.IfEqual(type, quoted);
  code.Jump(outer);
  code.Bind(quoted);
  code.LoadWordAtX(kIcmpHeader + 16);
  code.Store(kOther);
  code.LoadWordAtX(kIcmpHeader + 12);
  code.Store(kAsked);
  code.Jump(ask);
  code.Bind(outer);
  code.LoadWord(12);
  code.Store(kOther);
  code.LoadWord(16);
  code.Store(kAsked);
  code.Bind(ask);
  for (const Address& address : steering.floating) {
    if (address.is_v4()) code.IfEqual(address.v4_bits(), is_floating);
  }
  HashAndReturn(code, kAsked, 1, steering);
  code.Bind(is_floating);
  HashAndReturn(code, kOther, 1, steering);
}

void SteerV6(FilterAssembler& code, const PacketSteering& steering,
             Label thread_0) {
  const Label outer = code.NewLabel();
  const Label quoted = code.NewLabel();
  const Label ask = code.NewLabel();
  const Label is_floating = code.NewLabel();
  code.LoadByte(6);
  code.IfNotEqual(kIcmpV6, outer);
  code.LoadByte(kIpV6Header);
  code.IfEqual(0, outer);
  code.IfBelow(kIcmpV6ErrorLast + 1, quoted);
  code.IfBelow(kRouterSolicitation, outer);
  code.IfAbove(kRedirect, outer);
  code.Jump(thread_0);
  code.Bind(quoted);
  LoadV6(code, kIpV6Header + kIcmpHeader + 24, kOther);
  LoadV6(code, kIpV6Header + kIcmpHeader + 8, kAsked);
  code.Jump(ask);
  code.Bind(outer);
  LoadV6(code, 8, kOther);
  LoadV6(code, 24, kAsked);
  code.Bind(ask);
  for (const Address& address : steering.floating) {
    if (address.is_v4()) continue;
    const Label next = code.NewLabel();
    // Last word first: it differs most often.
    for (const uint32_t i : {3, 2, 1, 0}) {
      code.LoadMemory(kAsked + i);
      code.IfNotEqual(LoadBig32(&address.bytes()[4 * i]), next);
    }
    code.Jump(is_floating);
    code.Bind(next);
  }
  HashAndReturn(code, kAsked, 4, steering);
  code.Bind(is_floating);
  HashAndReturn(code, kOther, 4, steering);
}

}  // namespace

uint32_t PacketSteering::ThreadOf(const Address& client) const {
  const std::span<const uint8_t> wire = client.wire();
  uint32_t hash = seed;
  for (size_t i = 0; i < wire.size(); i += 4) {
    hash = (hash ^ LoadBig32(&wire[i])) * kMultiplyWord;
    hash ^= hash >> kFoldShift;
  }
  hash *= kMultiplyLast;
  return ((hash >> 16) * thread_count) >> 16;
}

absl::StatusOr<std::vector<sock_filter>> CompilePacketSteering(
    const PacketSteering& steering) {
  if (steering.thread_count < 1 ||
      steering.thread_count > PacketSteering::kThreadCountMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "frames are steered to 1 to ", PacketSteering::kThreadCountMax,
        " threads, not ", steering.thread_count));
  }
  FilterAssembler code;
  const Label v4 = code.NewLabel();
  const Label v6 = code.NewLabel();
  const Label thread_0 = code.NewLabel();
  code.LoadAncillary(SKF_AD_PROTOCOL);
  code.IfEqual(ETH_P_IP, v4);
  code.IfEqual(ETH_P_IPV6, v6);
  code.Jump(thread_0);
  code.Bind(v4);
  SteerV4(code, steering);
  code.Bind(v6);
  SteerV6(code, steering, thread_0);
  code.Bind(thread_0);
  code.Return(0);
  auto program = code.Finish();
  if (program.size() > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(absl::StrCat(
        "steering by ", steering.floating.size(), " floating addresses needs ",
        program.size(), " instructions; the kernel takes ", BPF_MAXINSNS));
  }
  return program;
}

}  // namespace ballast
