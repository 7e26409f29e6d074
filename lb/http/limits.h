// How much of a message is taken before it is refused, in bytes unless said
// otherwise. A reader's memory is bounded by them.
#ifndef LB_HTTP_LIMITS_H_
#define LB_HTTP_LIMITS_H_

#include <cstdint>

namespace ballast::http {

struct Limits {
  // First line, field lines and the empty line.
  uint32_t head_size_max = 32'768;
  // RFC 9112 §3 wants 8000 at least for the whole first line.
  uint32_t target_size_max = 8'192;
  // One field line with its CRLF. At most 65,535.
  uint32_t field_size_max = 16'384;
  // Field lines, not bytes.
  uint32_t fields_max = 128;
  // One chunk's line with its extensions; of the last chunk, with the trailers.
  uint32_t chunk_head_size_max = 4'096;
};

}  // namespace ballast::http

#endif  // LB_HTTP_LIMITS_H_
