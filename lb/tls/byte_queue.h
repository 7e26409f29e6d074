// Bytes on their way: appended at the end, taken from the front. Its memory is
// kept until Trim().
//
// Threads  one.
#ifndef LB_TLS_BYTE_QUEUE_H_
#define LB_TLS_BYTE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ballast::tls {

class ByteQueue {
 public:
  size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }

  void Append(std::span<const uint8_t> bytes) {
    if (begin_ > 0 && bytes_.size() + bytes.size() > bytes_.capacity()) {
      bytes_.erase(bytes_.begin(),
                   bytes_.begin() + static_cast<ptrdiff_t>(begin_));
      begin_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  size_t Take(std::span<uint8_t> out) {
    const size_t count = std::min(out.size(), size());
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(begin_), count,
                out.begin());
    begin_ += count;
    if (empty()) Clear();
    return count;
  }
  // Everything, without a copy: `out`'s memory is what is appended to next.
  void TakeAll(std::vector<uint8_t>* out) {
    bytes_.erase(bytes_.begin(),
                 bytes_.begin() + static_cast<ptrdiff_t>(begin_));
    begin_ = 0;
    out->clear();
    bytes_.swap(*out);
  }
  void Clear() {
    begin_ = 0;
    bytes_.clear();
  }
  void Trim() {
    if (empty()) std::vector<uint8_t>().swap(bytes_);
  }

 private:
  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;
};

}  // namespace ballast::tls

#endif  // LB_TLS_BYTE_QUEUE_H_
