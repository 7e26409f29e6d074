#include "io/packet_io_buffers.h"

#include <sys/mman.h>

#include "io/base/check.h"

namespace ballast {
namespace {

constexpr size_t kCacheLine = 64;

// Whole cache lines, an odd number of them: a multiple of the page size would
// put every header into the same few sets of the first-level cache.
size_t Stride(uint32_t frame_bytes) {
  const size_t lines =
      (FrameBuffers::kHeadroom + frame_bytes + kCacheLine - 1) / kCacheLine;
  return (lines | 1) * kCacheLine;
}

}  // namespace

FrameBuffers::FrameBuffers(uint32_t count, uint32_t frame_bytes)
    : count_(count), frame_bytes_(frame_bytes), stride_(Stride(frame_bytes)) {
  BALLAST_CHECK(count > 0);
  void* memory =
      mmap(nullptr, count_ * stride_, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, 0);
  BALLAST_CHECK(memory != MAP_FAILED);
  // A huge page would make memory of buffers nobody touched.
  madvise(memory, count_ * stride_, MADV_NOHUGEPAGE);
  base_ = static_cast<uint8_t*>(memory);
  taken_.assign(count_, 0);
  free_.reserve(count_);
  for (uint32_t i = count_; i > 0; --i) free_.push_back(i - 1);
}

FrameBuffers::~FrameBuffers() { munmap(base_, count_ * stride_); }

bool FrameBuffers::Take(Frame& frame) {
  if (free_.empty()) return false;
  const uint32_t index = free_.back();
  free_.pop_back();
  taken_[index] = 1;
  frame = Frame();
  frame.data = Start(index) + kHeadroom;
  frame.headroom = kHeadroom;
  frame.tailroom = static_cast<uint32_t>(stride_) - kHeadroom;
  frame.cookie = index;
  return true;
}

void FrameBuffers::Give(const Frame& frame) {
  const uint32_t index = frame.cookie;
  BALLAST_CHECK(index < count_ && taken_[index] != 0);
  BALLAST_CHECK(frame.data >= Start(index) &&
                frame.data + frame.length <= Start(index) + stride_);
  taken_[index] = 0;
  free_.push_back(index);
}

}  // namespace ballast
