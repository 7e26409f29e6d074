// Heads of requests and responses, as a reader made them or as the caller
// builds them, and what they say about the body and the connection. Values;
// the bytes they speak of are their own (fields.text()).
//
// Source  RFC 9112 §3 to §6, §9.
#ifndef LB_HTTP_HEAD_H_
#define LB_HTTP_HEAD_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "lb/http/fields.h"

namespace ballast::http {

enum class Method : uint8_t {
  kOther,  // Any other token.
  kConnect,
  kDelete,
  kGet,
  kHead,
  kOptions,
  kPatch,
  kPost,
  kPut,
  kTrace,
};

// To be repeated without harm (RFC 9110 §9.2.2).
constexpr bool IsIdempotent(Method method) {
  return method == Method::kDelete || method == Method::kGet ||
         method == Method::kHead || method == Method::kOptions ||
         method == Method::kPut || method == Method::kTrace;
}

// How a message's body ends.
enum class BodyFraming : uint8_t {
  kNone,
  kLength,  // After content_length bytes, which may be 0.
  kChunked,
  kUntilClose,  // With the stream; responses only.
};

// Bytes of fields.text().
struct TextSpan {
  uint32_t at = 0;
  uint32_t size = 0;
};

struct MessageHead {
  Fields fields;
  uint64_t content_length = 0;  // As the field says; with kLength it is true.
  uint8_t minor_version = 1;    // HTTP/1.0 or HTTP/1.1.
  BodyFraming framing = BodyFraming::kNone;
  // The sender will take another message on this connection (RFC 9112 §9.3).
  bool keep_alive = true;
  // `Connection: upgrade` with an Upgrade field, from an HTTP/1.1 sender.
  bool upgrade = false;

  absl::string_view Text(TextSpan span) const {
    return absl::string_view(fields.text()).substr(span.at, span.size);
  }
};

struct RequestHead : MessageHead {
  Method method = Method::kGet;
  bool expect_continue = false;  // `Expect: 100-continue`, HTTP/1.1 only.
  TextSpan method_span;
  TextSpan target_span;
  TextSpan path_span;
  TextSpan host_span;

  bool has_body() const {
    return framing == BodyFraming::kChunked || content_length > 0;
  }
  absl::string_view method_text() const { return Text(method_span); }
  // As received: origin, absolute, authority (CONNECT) or asterisk form.
  absl::string_view target() const { return Text(target_span); }
  // Path and query, from '/' on. Empty for CONNECT, `*`, and an absolute
  // target that has none.
  absl::string_view path() const { return Text(path_span); }
  // The Host field's value, with its port if it has one; of CONNECT the target.
  // Empty only for HTTP/1.0.
  absl::string_view host() const { return Text(host_span); }
};

struct ResponseHead : MessageHead {
  uint16_t status = 0;
  TextSpan reason_span;

  absl::string_view reason() const { return Text(reason_span); }
  // Another response to the same request follows.
  bool interim() const { return status < 200 && status != 101; }
};

}  // namespace ballast::http

#endif  // LB_HTTP_HEAD_H_
