// Reads HTTP/1 messages from bytes as they come, strictly: one meaning, or a
// refusal with its reason.
//
//   reader.Begin();
//   while (true) switch (reader.Next(&input)) {
//     case Read::kNeedMore: return;           // All of `input` was taken.
//     case Read::kHead:     use reader.head(); break;
//     case Read::kBody:     use reader.body(); break;
//     case Read::kEnd:      use reader.trailers(); reader.Begin(); break;
//     case Read::kRefused:  count reader.refusal(); close; return;
//   }
//
// Next() takes bytes from the front of `input`, never more than belongs to the
// message. A message is kHead, any number of kBody, kEnd; or it ends with
// kRefused, after which nothing but Begin() is of use, and the stream is not to
// be read on. However the bytes are cut, the result is the same, but for where
// one kBody ends and the next begins.
//
// The parser is Boost.Beast's basic_parser: strict about characters, line ends,
// chunks and extensions. On top comes what it lets pass: folded lines,
// repeated lengths, transfer encodings other than chunked (which it takes for
// "no body"), Host, the forms of the target, sizes. See beast_sink.h.
//
// Memory   the head's size and a chunk's line, both bounded by Limits; body
//          bytes are never kept.
// Cost     a head of 40 bytes about 0.13 us, one of 700 bytes 0.7 us
//          (bench/http_bench.cc). No allocation once the buffers have grown.
// Threads  one.
#ifndef LB_HTTP_MESSAGE_READER_H_
#define LB_HTTP_MESSAGE_READER_H_

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "lb/http/head.h"
#include "lb/http/limits.h"
#include "lb/http/refusal.h"

namespace ballast::http {

enum class Read : uint8_t { kNeedMore, kHead, kBody, kEnd, kRefused };

class RequestReader {
 public:
  explicit RequestReader(const Limits& limits);
  RequestReader(RequestReader&&) noexcept;
  RequestReader& operator=(RequestReader&&) noexcept;
  ~RequestReader();

  // For a new message. One empty line before it is skipped (RFC 9112 §2.2).
  void Begin();
  Read Next(absl::string_view* input);

  // Whether any byte of the message has come (an empty line does not count).
  bool started() const;
  // All bytes of a body with a length were given: the next is kEnd.
  bool body_given() const;
  // From kHead on; may be edited, which does not change how the body is read.
  RequestHead& head();
  const RequestHead& head() const;
  // Of the last kBody; in what was `input`, or the reader's until Next().
  absl::string_view body() const;
  // At kEnd of a chunked body.
  const Fields& trailers() const;
  Refusal refusal() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

class ResponseReader {
 public:
  explicit ResponseReader(const Limits& limits);
  ResponseReader(ResponseReader&&) noexcept;
  ResponseReader& operator=(ResponseReader&&) noexcept;
  ~ResponseReader();

  // For the response to a request of this method, which decides whether it has
  // a body. To be called again for what follows an interim response.
  void Begin(Method request_method);
  Read Next(absl::string_view* input);
  // The stream has ended: kEnd if the body was framed by that, kNeedMore if
  // nothing of a message has come, else kRefused (kTruncated).
  Read Closed();

  bool started() const;
  ResponseHead& head();
  const ResponseHead& head() const;
  absl::string_view body() const;
  const Fields& trailers() const;
  Refusal refusal() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ballast::http

#endif  // LB_HTTP_MESSAGE_READER_H_
