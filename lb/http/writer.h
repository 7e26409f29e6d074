// Writes HTTP/1.1 heads, chunks and trailers. What a proxy passes on is written
// anew from what it understood, never copied: one space after each colon, the
// framing ours, no field that was meant for the connection it came over.
//
// Removed  Connection and every field it names, Keep-Alive, Proxy-Connection,
//          TE, Transfer-Encoding, HTTP2-Settings; Content-Length, Upgrade,
//          Expect and Trailer unless asked for. (RFC 9110 §7.6.1. Without
//          HTTP2-Settings and with Upgrade by consent only, no server can be
//          talked into another protocol behind the proxy's back.)
// Cost     one pass over the fields, appended to `out`.
#ifndef LB_HTTP_WRITER_H_
#define LB_HTTP_WRITER_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "lb/http/head.h"

namespace ballast::http {

// What goes into the Connection field.
enum class ConnectionOption : uint8_t {
  kNone,
  kClose,
  kKeepAlive,  // For HTTP/1.0, which needs to be told.
  kUpgrade,    // And the Upgrade fields are kept.
};

struct RequestWriting {
  // kNone writes no length at all; kUntilClose is our bug.
  BodyFraming framing = BodyFraming::kNone;
  uint64_t content_length = 0;
  ConnectionOption connection = ConnectionOption::kNone;
  bool expect = true;  // Keep `Expect`.
  // For a request without Host (HTTP/1.0): what to ask for instead.
  absl::string_view host_if_missing = "localhost";
};

// The target is sent in origin form ("*" for OPTIONS without a path; CONNECT
// as it came).
void WriteRequestHead(const RequestHead& head, const RequestWriting& writing,
                      std::string* out);

struct ResponseWriting {
  BodyFraming framing = BodyFraming::kNone;
  uint64_t content_length = 0;
  ConnectionOption connection = ConnectionOption::kNone;
  // Keep Content-Length as information: responses to HEAD, and 304.
  bool length_informs = false;
};

void WriteResponseHead(const ResponseHead& head, const ResponseWriting& writing,
                       std::string* out);

// `data` is not empty: an empty chunk is the last one.
void WriteChunk(absl::string_view data, std::string* out);
// The last chunk, with those trailers that may stand there (RFC 9110 §6.5.1:
// nothing about framing, routing, authentication or the content's format).
void WriteLastChunk(const Fields& trailers, std::string* out);

// A whole answer of our own. `content_type` and `location` may be empty.
struct Reply {
  uint16_t status = 500;
  absl::string_view content_type = "text/plain";
  absl::string_view location;
  // Others: tokens and field values.
  std::span<const std::pair<std::string, std::string>> fields;
  absl::string_view body;
  uint32_t retry_after_s = 0;  // 0: no Retry-After.
  bool close = true;
  bool head_only = false;  // In answer to HEAD: the body's length, no body.
};
void WriteReply(const Reply& reply, std::string* out);

// "Bad Gateway" for 502; "Status" for numbers without a standard phrase.
absl::string_view ReasonPhrase(uint16_t status);

}  // namespace ballast::http

#endif  // LB_HTTP_WRITER_H_
