#include "io/memory_packet_io.h"

#include <algorithm>
#include <utility>

#include "io/base/check.h"

namespace ballast {
namespace {

constexpr uint32_t kEthernetHeader = 14;

}  // namespace

MemoryPacketIo::MemoryPacketIo(const Options& options)
    : options_(options), buffers_(options.buffer_count, options.frame_bytes) {}

bool MemoryPacketIo::Inject(MemoryFrame frame) {
  BALLAST_CHECK(frame.port < options_.port_count);
  if (receive_queue_.size() >= options_.receive_queue) {
    ++stats_.receive_dropped;
    return false;
  }
  receive_queue_.push_back(std::move(frame));
  return true;
}

std::vector<MemoryFrame> MemoryPacketIo::TakeSent() {
  return std::exchange(sent_, {});
}

size_t MemoryPacketIo::Receive(std::span<Frame> frames) {
  size_t count = 0;
  while (count < frames.size() && !receive_queue_.empty()) {
    const MemoryFrame& from = receive_queue_.front();
    if (from.bytes.size() > options_.frame_bytes) {
      ++stats_.receive_truncated;
      receive_queue_.pop_front();
      continue;
    }
    Frame& frame = frames[count];
    if (!buffers_.Take(frame)) {
      ++stats_.no_buffer;
      break;
    }
    std::copy(from.bytes.begin(), from.bytes.end(), frame.data);
    frame.length = static_cast<uint32_t>(from.bytes.size());
    frame.tailroom -= frame.length;
    frame.port = from.port;
    frame.offload = from.offload;
    receive_queue_.pop_front();
    ++count;
  }
  stats_.received += count;
  return count;
}

size_t MemoryPacketIo::Send(std::span<const Frame> frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    if (sent_.size() >= options_.send_queue) {
      ++stats_.send_full;
      return i;
    }
    if (frame.port >= options_.port_count || frame.length < kEthernetHeader) {
      ++stats_.send_refused;
    } else {
      const auto bytes = frame.bytes();
      sent_.push_back(
          {frame.port, {bytes.begin(), bytes.end()}, frame.offload});
      ++stats_.sent;
    }
    buffers_.Give(frame);
  }
  return frames.size();
}

void MemoryPacketIo::Release(std::span<const Frame> frames) {
  for (const Frame& frame : frames) buffers_.Give(frame);
}

size_t MemoryPacketIo::Allocate(std::span<Frame> frames) {
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!buffers_.Take(frames[i])) {
      ++stats_.no_buffer;
      return i;
    }
  }
  return frames.size();
}

}  // namespace ballast
