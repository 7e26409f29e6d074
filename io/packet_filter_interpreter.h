// Runs a classic BPF program as the kernel documents it
// (Documentation/networking/filter.rst), for tests. Testonly.
#ifndef IO_PACKET_FILTER_INTERPRETER_H_
#define IO_PACKET_FILTER_INTERPRETER_H_

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "io/base/check.h"

namespace ballast {

// What the kernel knows of a packet beside its bytes.
struct FilterContext {
  uint32_t protocol = 0;     // SKF_AD_PROTOCOL: the Ethernet type.
  uint32_t packet_type = 0;  // SKF_AD_PKTTYPE: PACKET_HOST, ...
  bool tagged = false;       // SKF_AD_VLAN_TAG_PRESENT
  uint32_t tag = 0;          // SKF_AD_VLAN_TAG
};

inline uint32_t RunFilter(std::span<const sock_filter> program,
                          std::span<const uint8_t> packet,
                          const FilterContext& context) {
  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, BPF_MEMWORDS> memory{};
  for (size_t pc = 0;; ++pc) {
    BALLAST_CHECK(pc < program.size());
    const sock_filter& i = program[pc];
    const uint32_t source = BPF_SRC(i.code) == BPF_X ? x : i.k;
    switch (BPF_CLASS(i.code)) {
      case BPF_LD: {
        if (BPF_MODE(i.code) == BPF_MEM) {
          a = memory.at(i.k);
          break;
        }
        const int32_t ancillary = static_cast<int32_t>(i.k) - SKF_AD_OFF;
        if (BPF_MODE(i.code) == BPF_ABS && static_cast<int32_t>(i.k) < 0) {
          switch (ancillary) {
            case SKF_AD_PROTOCOL:
              a = context.protocol;
              break;
            case SKF_AD_PKTTYPE:
              a = context.packet_type;
              break;
            case SKF_AD_VLAN_TAG_PRESENT:
              a = context.tagged ? 1 : 0;
              break;
            case SKF_AD_VLAN_TAG:
              a = context.tag;
              break;
            default:
              BALLAST_CHECK(false);
          }
          break;
        }
        const size_t size = BPF_SIZE(i.code) == BPF_W   ? 4
                            : BPF_SIZE(i.code) == BPF_H ? 2
                                                        : 1;
        const size_t at = size_t{i.k} + (BPF_MODE(i.code) == BPF_IND ? x : 0u);
        if (at + size > packet.size()) return 0;
        a = 0;
        for (size_t n = 0; n < size; ++n) a = a << 8 | packet[at + n];
        break;
      }
      case BPF_LDX:
        if (BPF_MODE(i.code) == BPF_MEM) {
          x = memory.at(i.k);
        } else {
          BALLAST_CHECK(BPF_MODE(i.code) == BPF_MSH);
          if (i.k >= packet.size()) return 0;
          x = 4u * (packet[i.k] & 0xf);
        }
        break;
      case BPF_ST:
        memory.at(i.k) = a;
        break;
      case BPF_ALU:
        switch (BPF_OP(i.code)) {
          case BPF_AND:
            a &= source;
            break;
          case BPF_XOR:
            a ^= source;
            break;
          case BPF_MUL:
            a *= source;
            break;
          case BPF_RSH:
            a >>= source;
            break;
          default:
            BALLAST_CHECK(false);
        }
        break;
      case BPF_JMP:
        switch (BPF_OP(i.code)) {
          case BPF_JA:
            pc += i.k;
            break;
          case BPF_JEQ:
            pc += a == source ? i.jt : i.jf;
            break;
          case BPF_JGT:
            pc += a > source ? i.jt : i.jf;
            break;
          case BPF_JGE:
            pc += a >= source ? i.jt : i.jf;
            break;
          case BPF_JSET:
            pc += (a & source) != 0 ? i.jt : i.jf;
            break;
          default:
            BALLAST_CHECK(false);
        }
        break;
      case BPF_RET:
        return BPF_RVAL(i.code) == BPF_A ? a : i.k;
      default:
        BALLAST_CHECK(i.code == (BPF_MISC | BPF_TAX));
        x = a;
    }
  }
}

}  // namespace ballast

#endif  // IO_PACKET_FILTER_INTERPRETER_H_
