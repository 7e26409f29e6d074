// Bounded readers and writers of big-endian bytes, and unaligned loads and
// stores for code that has checked its bounds already.
//
// A reader or writer that runs out stays failed: read a whole structure, then
// ask ok() once. Nothing is ever read or written outside the span.
#ifndef IO_BASE_BYTES_H_
#define IO_BASE_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ballast {

inline uint16_t LoadBig16(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] << 8 | p[1]);
}
inline uint32_t LoadBig32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}
inline uint64_t LoadBig64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return __builtin_bswap64(v);
}
inline void StoreBig16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}
inline void StoreBig32(uint8_t* p, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, 4);
}
inline void StoreBig64(uint8_t* p, uint64_t v) {
  v = __builtin_bswap64(v);
  std::memcpy(p, &v, 8);
}

class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  // Whether everything was read and nothing was missing.
  bool AtEnd() const { return ok_ && offset_ == bytes_.size(); }
  size_t remaining() const { return ok_ ? bytes_.size() - offset_ : 0; }
  size_t offset() const { return offset_; }

  // 0, or an empty span, once the bytes have run out.
  uint8_t U8() {
    const auto b = Take(1);
    return b.empty() ? 0 : b[0];
  }
  uint16_t U16() {
    const auto b = Take(2);
    return b.empty() ? 0 : LoadBig16(b.data());
  }
  uint32_t U32() {
    const auto b = Take(4);
    return b.empty() ? 0 : LoadBig32(b.data());
  }
  uint64_t U64() {
    const auto b = Take(8);
    return b.empty() ? 0 : LoadBig64(b.data());
  }
  std::span<const uint8_t> Bytes(size_t count) { return Take(count); }
  void Skip(size_t count) { Take(count); }

 private:
  std::span<const uint8_t> Take(size_t count) {
    if (!ok_ || bytes_.size() - offset_ < count) {
      ok_ = false;
      return {};
    }
    const auto taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }

  std::span<const uint8_t> bytes_;
  size_t offset_ = 0;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::span<uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t size() const { return offset_; }
  size_t remaining() const { return ok_ ? bytes_.size() - offset_ : 0; }
  std::span<uint8_t> written() const { return bytes_.first(offset_); }

  void U8(uint8_t v) {
    if (uint8_t* p = Room(1)) *p = v;
  }
  void U16(uint16_t v) {
    if (uint8_t* p = Room(2)) StoreBig16(p, v);
  }
  void U32(uint32_t v) {
    if (uint8_t* p = Room(4)) StoreBig32(p, v);
  }
  void U64(uint64_t v) {
    if (uint8_t* p = Room(8)) StoreBig64(p, v);
  }
  void Bytes(std::span<const uint8_t> bytes) {
    if (uint8_t* p = Room(bytes.size())) {
      std::copy(bytes.begin(), bytes.end(), p);
    }
  }
  void Zeros(size_t count) {
    if (uint8_t* p = Room(count)) std::fill(p, p + count, uint8_t{0});
  }

 private:
  uint8_t* Room(size_t count) {
    if (!ok_ || bytes_.size() - offset_ < count) {
      ok_ = false;
      return nullptr;
    }
    uint8_t* p = bytes_.data() + offset_;
    offset_ += count;
    return p;
  }

  std::span<uint8_t> bytes_;
  size_t offset_ = 0;
  bool ok_ = true;
};

}  // namespace ballast

#endif  // IO_BASE_BYTES_H_
