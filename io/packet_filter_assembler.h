// Writes classic BPF programs (linux/filter.h) with labels instead of jump
// distances. For packet_filter and packet_steering.
//
// Every conditional jump is two instructions (a test and an unconditional
// jump), so that no distance is limited to 255. Labels are bound forward only,
// as classic BPF has no loops.
#ifndef IO_PACKET_FILTER_ASSEMBLER_H_
#define IO_PACKET_FILTER_ASSEMBLER_H_

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "io/base/check.h"

namespace ballast {

class FilterAssembler {
 public:
  using Label = size_t;

  Label NewLabel() {
    labels_.push_back(kUnbound);
    return labels_.size() - 1;
  }
  void Bind(Label label) {
    BALLAST_CHECK(labels_[label] == kUnbound);
    labels_[label] = program_.size();
  }

  // A = packet bytes at `offset`; past the end of the packet the program
  // returns 0.
  void LoadByte(uint32_t offset) { Op(BPF_LD | BPF_B | BPF_ABS, offset); }
  void LoadHalf(uint32_t offset) { Op(BPF_LD | BPF_H | BPF_ABS, offset); }
  void LoadWord(uint32_t offset) { Op(BPF_LD | BPF_W | BPF_ABS, offset); }
  // The same at X + offset.
  void LoadByteAtX(uint32_t offset) { Op(BPF_LD | BPF_B | BPF_IND, offset); }
  void LoadWordAtX(uint32_t offset) { Op(BPF_LD | BPF_W | BPF_IND, offset); }
  // A = what the kernel knows of the packet: SKF_AD_....
  void LoadAncillary(int what) {
    LoadWord(static_cast<uint32_t>(SKF_AD_OFF + what));
  }
  // X = 4 * (low half of the byte at `offset`): an IPv4 header's length.
  void LoadXHeaderLength(uint32_t offset) {
    Op(BPF_LDX | BPF_B | BPF_MSH, offset);
  }
  // Scratch memory, 16 words.
  void Store(uint32_t slot) { Op(BPF_ST, slot); }
  void LoadMemory(uint32_t slot) { Op(BPF_LD | BPF_MEM, slot); }
  void LoadXMemory(uint32_t slot) { Op(BPF_LDX | BPF_MEM, slot); }

  // A = A op k.
  void And(uint32_t k) { Op(BPF_ALU | BPF_AND | BPF_K, k); }
  void Xor(uint32_t k) { Op(BPF_ALU | BPF_XOR | BPF_K, k); }
  void Multiply(uint32_t k) { Op(BPF_ALU | BPF_MUL | BPF_K, k); }
  void ShiftRight(uint32_t k) { Op(BPF_ALU | BPF_RSH | BPF_K, k); }
  void XorX() { Op(BPF_ALU | BPF_XOR | BPF_X, 0); }
  void CopyAToX() { Op(BPF_MISC | BPF_TAX, 0); }

  void Jump(Label to) {
    jumps_.push_back({program_.size(), to});
    Op(BPF_JMP | BPF_JA, 0);
  }
  void IfEqual(uint32_t k, Label to) { Test(BPF_JEQ, k, true, to); }
  void IfNotEqual(uint32_t k, Label to) { Test(BPF_JEQ, k, false, to); }
  void IfAnyBit(uint32_t k, Label to) { Test(BPF_JSET, k, true, to); }
  void IfAbove(uint32_t k, Label to) { Test(BPF_JGT, k, true, to); }
  void IfBelow(uint32_t k, Label to) { Test(BPF_JGE, k, false, to); }

  void Return(uint32_t k) { Op(BPF_RET | BPF_K, k); }
  void ReturnA() { Op(BPF_RET | BPF_A, 0); }

  // The program, its jumps resolved. Its length is not checked.
  std::vector<sock_filter> Finish() {
    for (const auto& [at, label] : jumps_) {
      BALLAST_CHECK(labels_[label] != kUnbound && labels_[label] > at);
      program_[at].k = static_cast<uint32_t>(labels_[label] - at - 1);
    }
    return std::move(program_);
  }

 private:
  static constexpr size_t kUnbound = ~size_t{0};

  void Op(uint32_t code, uint32_t k) {
    program_.push_back({static_cast<uint16_t>(code), 0, 0, k});
  }
  void Test(uint32_t test, uint32_t k, bool jump_if, Label to) {
    program_.push_back({static_cast<uint16_t>(BPF_JMP | test | BPF_K),
                        static_cast<uint8_t>(jump_if ? 0 : 1),
                        static_cast<uint8_t>(jump_if ? 1 : 0), k});
    Jump(to);
  }

  std::vector<sock_filter> program_;
  std::vector<size_t> labels_;
  std::vector<std::pair<size_t, Label>> jumps_;
};

}  // namespace ballast

#endif  // IO_PACKET_FILTER_ASSEMBLER_H_
