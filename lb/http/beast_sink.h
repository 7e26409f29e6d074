// Beast's parser, made to record heads as spans, and the strictness it lacks
// line by line. Private to the readers.
//
// What Beast accepts and this refuses: obs-fold; a Content-Length twice or as a
// list; controls inside a quoted chunk extension. What it says of framing is
// not believed: see message_policy.h.
#ifndef LB_HTTP_BEAST_SINK_H_
#define LB_HTTP_BEAST_SINK_H_

#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "lb/http/head.h"
#include "lb/http/limits.h"
#include "lb/http/refusal.h"

namespace ballast::http {

namespace beast = boost::beast;
using BeastError = beast::error_code;
using BeastView = beast::string_view;

template <bool kIsRequest>
class BeastSink final : public beast::http::basic_parser<kIsRequest> {
 public:
  using Head = std::conditional_t<kIsRequest, RequestHead, ResponseHead>;

  BeastSink(const Limits& limits, Head* head, Fields* trailers)
      : limits_(limits), head_(head), trailers_(trailers) {
    this->header_limit(limits.head_size_max + kSlack);
    this->body_limit(boost::none);
    this->eager(false);
  }

  // Where the message's first byte lies during the next put() of its head.
  void set_base(const char* base) { base_ = base; }
  // The piece of a chunk that the last put() found.
  absl::string_view chunk() const { return chunk_; }
  void clear_chunk() { chunk_ = {}; }

  // What an error of put() means; `rest` is what put() did not take.
  Refusal RefusalOf(BeastError error, absl::string_view rest) const;

 private:
  // So that ours is the limit that counts.
  static constexpr uint32_t kSlack = 64;

  TextSpan Span(BeastView view) const {
    return {static_cast<uint32_t>(view.data() - base_),
            static_cast<uint32_t>(view.size())};
  }
  void Refuse(Refusal refusal, BeastError& error) {
    refusal_ = refusal;
    error = beast::http::error::bad_value;
  }
  void OnFirstLine(int version) {
    head_->minor_version = static_cast<uint8_t>(version % 10);
    first_line_done_ = true;
  }

  void on_request_impl(beast::http::verb verb, BeastView method,
                       BeastView target, int version,
                       BeastError& error) override;
  void on_response_impl(int status, BeastView reason, int version,
                        BeastError& error) override;
  void on_field_impl(beast::http::field field, BeastView name, BeastView value,
                     BeastError& error) override;
  void on_header_impl(BeastError&) override { in_trailers_ = true; }
  void on_body_init_impl(const boost::optional<uint64_t>&,
                         BeastError&) override {}
  size_t on_body_impl(BeastView body, BeastError&) override {
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, BeastView extensions,
                            BeastError& error) override {
    for (const char c : extensions) {
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
        return Refuse(Refusal::kChunkExtensionInvalid, error);
      }
    }
  }
  size_t on_chunk_body_impl(uint64_t, BeastView body, BeastError&) override {
    chunk_ = {body.data(), body.size()};
    return body.size();
  }
  void on_finish_impl(BeastError&) override {}

  const Limits& limits_;
  Head* head_;
  Fields* trailers_;
  const char* base_ = nullptr;
  absl::string_view chunk_;
  Refusal refusal_ = Refusal::kNone;
  bool first_line_done_ = false;
  bool in_trailers_ = false;
  bool has_length_ = false;
  bool has_transfer_encoding_ = false;
};

}  // namespace ballast::http

#endif  // LB_HTTP_BEAST_SINK_H_
