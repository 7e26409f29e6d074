// What readers make of a stream, as text, for tests and fuzzers: one line per
// event, bodies joined.
#ifndef LB_HTTP_TRANSCRIPT_H_
#define LB_HTTP_TRANSCRIPT_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "lb/http/head.h"
#include "lb/http/limits.h"
#include "lb/http/refusal.h"

namespace ballast::http {

struct Transcript {
  // "GET /a host=h" or "200 OK", then "  name: value" for each field, then
  // "  [body]" and "  trailer name: value".
  std::string text;
  size_t messages = 0;  // That came to their end.
  Refusal refusal = Refusal::kNone;
  bool waiting = false;   // The stream ended inside a message.
  bool in_head = false;   // Nor was its head complete.
  std::string rewritten;  // Every complete message as the writer writes it.
};

// How many of the `left` bytes to give next: 1 to all of them.
using Cut = std::function<size_t(size_t left)>;

Transcript ReadRequests(absl::string_view stream, const Limits& limits = {},
                        const Cut& cut = nullptr);
// All in answer to requests of that method. The stream ends with a close.
Transcript ReadResponses(absl::string_view stream, Method request_method,
                         const Limits& limits = {}, const Cut& cut = nullptr);

}  // namespace ballast::http

#endif  // LB_HTTP_TRANSCRIPT_H_
