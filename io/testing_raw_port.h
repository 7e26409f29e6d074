// The far end of a wire in tests: a plain packet socket on an interface,
// offload metadata included. Testonly.
#ifndef IO_TESTING_RAW_PORT_H_
#define IO_TESTING_RAW_PORT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/base/frame.h"

namespace ballast {

class RawPort {
 public:
  // CHECKs that it can.
  explicit RawPort(const std::string& interface);
  ~RawPort();
  RawPort(const RawPort&) = delete;
  RawPort& operator=(const RawPort&) = delete;

  // Waits for room.
  void Send(std::span<const uint8_t> bytes, const Offload& offload);
  // The next frame that arrives from the wire; empty when none does within
  // `timeout_ms`.
  std::vector<uint8_t> Receive(int timeout_ms, Offload& offload);

 private:
  int socket_;
};

}  // namespace ballast

#endif  // IO_TESTING_RAW_PORT_H_
