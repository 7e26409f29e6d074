// Properties of the readers and the writer, whatever comes:
//   - a stream means the same however it is cut: the same messages, or refused
//     both times (a cut one may be refused later, never pass);
//   - what is accepted and written anew is accepted, and means the same;
//   - written twice it does not change any more;
//   - a request's kind of body is one, and the bytes after it are the next.
// Input: the first byte chooses requests or responses, and their method; the
// second how the stream is cut; the rest is the stream.
#include <cstddef>
#include <cstdint>
#include <string>

#include "io/base/check.h"
#include "lb/http/transcript.h"

namespace ballast::http {
namespace {

constexpr Limits kLimits{.head_size_max = 600,
                         .target_size_max = 200,
                         .field_size_max = 300,
                         .fields_max = 12,
                         .chunk_head_size_max = 100};

Transcript ReadStream(uint8_t kind, absl::string_view stream, const Cut& cut) {
  if ((kind & 1) == 0) return ReadRequests(stream, kLimits, cut);
  const Method method = (kind & 2) != 0   ? Method::kHead
                        : (kind & 4) != 0 ? Method::kConnect
                                          : Method::kGet;
  return ReadResponses(stream, method, kLimits, cut);
}

}  // namespace
}  // namespace ballast::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast::http;  // NOLINT
  if (size < 2 || size > 4096) return 0;
  const uint8_t kind = data[0];
  uint32_t seed = data[1];
  const std::string stream(reinterpret_cast<const char*>(data + 2), size - 2);

  const Transcript whole = ReadStream(kind, stream, nullptr);
  const bool ones = seed == 0;
  const Transcript cut = ReadStream(kind, stream, [&](size_t) -> size_t {
    seed = seed * 1664525 + 1013904223;
    return ones ? 1 : 1 + (seed >> 24) % 40;
  });
  BALLAST_CHECK(cut.messages == whole.messages);
  BALLAST_CHECK(cut.rewritten == whole.rewritten);
  if (whole.refusal == Refusal::kNone) {
    BALLAST_CHECK(cut.refusal == Refusal::kNone && cut.text == whole.text &&
                  cut.waiting == whole.waiting);
  } else {
    BALLAST_CHECK(cut.refusal != Refusal::kNone || cut.waiting);
  }

  // What is written may be a little longer than what was read (a Host line, a
  // chunk's frame for each piece), so the limits are not the small ones.
  const Transcript again =
      (kind & 1) == 0
          ? ReadRequests(whole.rewritten)
          : ReadResponses(whole.rewritten, (kind & 2) != 0   ? Method::kHead
                                           : (kind & 4) != 0 ? Method::kConnect
                                                             : Method::kGet);
  BALLAST_CHECK(again.refusal == Refusal::kNone && !again.waiting);
  BALLAST_CHECK(again.messages == whole.messages);
  BALLAST_CHECK(again.rewritten == whole.rewritten);
  return 0;
}
