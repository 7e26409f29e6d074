// Runs LLVMFuzzerTestOneInput without libFuzzer: every seed file named on the
// command line, then 20,000 inputs made from them (and from nothing) by random
// changes with a fixed seed. Under --config=fuzz libFuzzer's main takes over.
#ifndef BALLAST_LIBFUZZER
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  std::vector<std::vector<uint8_t>> seeds;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", argv[i]);
      return 1;
    }
    seeds.emplace_back(std::istreambuf_iterator<char>(file),
                       std::istreambuf_iterator<char>());
    LLVMFuzzerTestOneInput(seeds.back().data(), seeds.back().size());
  }
  seeds.emplace_back(64, 0);
  std::mt19937 prng(20220623);
  constexpr int kInputs = 20000;
  for (int n = 0; n < kInputs; ++n) {
    std::vector<uint8_t> input = seeds[prng() % seeds.size()];
    for (uint32_t changes = 1 + prng() % 8; changes > 0; --changes) {
      const uint32_t at = input.empty() ? 0 : prng() % input.size();
      switch (prng() % 5) {
        case 0:
          if (!input.empty()) input[at] = static_cast<uint8_t>(prng());
          break;
        case 1:
          if (!input.empty()) input[at] ^= 1u << (prng() % 8);
          break;
        case 2:
          input.resize(at);
          break;
        case 3:
          input.insert(input.begin() + at, static_cast<uint8_t>(prng()));
          break;
        default:
          for (uint32_t i = prng() % 64; i > 0; --i) {
            input.push_back(static_cast<uint8_t>(prng()));
          }
      }
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu seeds, %d inputs\n", seeds.size() - 1, kInputs);
  return 0;
}
#endif
