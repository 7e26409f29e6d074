// The receive buffers of one reactor: one block of memory cut in equal pieces,
// and the pieces that are free. For io/ only.
//
// Cost  lending and giving back are a push and a pop; nothing allocates.
#ifndef IO_RECEIVE_BUFFERS_H_
#define IO_RECEIVE_BUFFERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/base/check.h"
#include "io/reactor.h"

namespace ballast {

class ReceiveBuffers {
 public:
  ReceiveBuffers(uint32_t count, uint32_t size)
      : count_(count), size_(size), memory_(new uint8_t[size_t{count} * size]) {
    free_.reserve(count);
    for (uint32_t i = count; i > 0; --i) {
      free_.push_back(static_cast<uint16_t>(i - 1));
    }
  }
  ~ReceiveBuffers() { BALLAST_CHECK(lent_ == 0); }
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;

  uint32_t count() const { return count_; }
  uint32_t size() const { return size_; }
  size_t free_count() const { return free_.size(); }
  uint8_t* data(uint16_t id) const { return &memory_[size_t{id} * size_]; }

  // The caller's until Lend() or PutBack(). One must be free.
  uint16_t Take() {
    BALLAST_CHECK(!free_.empty());
    const uint16_t id = free_.back();
    free_.pop_back();
    return id;
  }
  void PutBack(uint16_t id) { free_.push_back(id); }
  LentBuffer Lend(uint16_t id, size_t length) {
    ++lent_;
    return LentBuffer(this, {data(id), length}, id);
  }

  // What to call when a lent buffer comes back; nullptr for nothing.
  void set_on_return(void (*on_return)(void*), void* context) {
    on_return_ = on_return;
    context_ = context;
  }

 private:
  friend class LentBuffer;
  void TakeBack(uint16_t id) {
    --lent_;
    PutBack(id);
    if (on_return_ != nullptr) on_return_(context_);
  }

  const uint32_t count_;
  const uint32_t size_;
  // Not initialised, so that pages never used are never touched.
  const std::unique_ptr<uint8_t[]> memory_;
  std::vector<uint16_t> free_;
  size_t lent_ = 0;
  void (*on_return_)(void*) = nullptr;
  void* context_ = nullptr;
};

}  // namespace ballast

#endif  // IO_RECEIVE_BUFFERS_H_
