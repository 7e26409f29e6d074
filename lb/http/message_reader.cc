#include "lb/http/message_reader.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "io/base/check.h"
#include "lb/http/beast_sink.h"
#include "lb/http/message_policy.h"

namespace ballast::http {
namespace {

// How much of the input is joined at a time to a chunk's line that came in
// pieces.
constexpr size_t kCarryStep = 64;

boost::asio::const_buffer Buffer(absl::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

// Whether an LF without CR stands in `bytes`; `before` is the byte before them.
bool HasBareLineFeed(char before, absl::string_view bytes) {
  size_t from = 0;
  while (true) {
    const size_t at = bytes.find('\n', from);
    if (at == absl::string_view::npos) return false;
    if ((at == 0 ? before : bytes[at - 1]) != '\r') return true;
    from = at + 1;
  }
}

// Whether a chunk's line, and after the last one the trailers, are all there,
// so that a parser that wants more has read past them (in search of a quote).
bool ChunkHeadIsComplete(absl::string_view bytes) {
  if (bytes.substr(0, 2) == "\r\n") bytes.remove_prefix(2);
  const size_t line_end = bytes.find("\r\n");
  if (line_end == absl::string_view::npos) return false;
  const char first = bytes[std::min(bytes.find_first_not_of('0'), line_end)];
  if (absl::ascii_isxdigit(static_cast<unsigned char>(first))) return true;
  return bytes.find("\r\n\r\n", line_end) != absl::string_view::npos;
}

// All but the meaning of a head.
template <bool kIsRequest>
class Core {
 public:
  using Sink = BeastSink<kIsRequest>;
  using Head = typename Sink::Head;

  explicit Core(const Limits& limits) : limits_(limits) {}

  void Begin() {
    Fields fields = std::move(head.fields);  // With what it has allocated.
    fields.Clear();
    head = Head{};
    head.fields = std::move(fields);
    trailers.Clear();
    carry_.clear();
    body = {};
    refusal = Refusal::kNone;
    state_ = State::kFirst;
    parsed_ = 0;
    empty_line_ = 0;
    parser_.emplace(limits_, &head, &trailers);
  }

  Read Next(absl::string_view* input) {
    body = {};
    switch (state_) {
      case State::kFirst:
        if constexpr (kIsRequest) {
          if (!SkipEmptyLine(input)) return Result();
        }
        if (input->empty()) return Read::kNeedMore;
        state_ = State::kHead;
        [[fallthrough]];
      case State::kHead:
        return ReadHead(input);
      case State::kBodyStart:
        state_ = State::kBody;
        [[fallthrough]];
      case State::kBody:
        switch (head.framing) {
          case BodyFraming::kNone:
            return End();
          case BodyFraming::kLength:
            return ReadLength(input);
          case BodyFraming::kChunked:
            return ReadChunked(input);
          case BodyFraming::kUntilClose:
            if (input->empty()) return Read::kNeedMore;
            body = *input;
            input->remove_prefix(input->size());
            return Read::kBody;
        }
        break;
      case State::kDone:
        break;
    }
    BALLAST_CHECK(false);  // Begin() was not called.
  }

  Read Closed() {
    body = {};
    BALLAST_CHECK(state_ != State::kDone);
    if (state_ == State::kFirst) return Read::kNeedMore;
    if (state_ != State::kHead) {
      if (head.framing == BodyFraming::kUntilClose) return End();
      if (head.framing == BodyFraming::kNone ||
          (head.framing == BodyFraming::kLength && left_ == 0)) {
        return End();
      }
    }
    return Refuse(Refusal::kTruncated);
  }

  bool started() const { return state_ != State::kFirst; }
  bool body_given() const {
    return state_ == State::kBody && left_ == 0 &&
           head.framing == BodyFraming::kLength;
  }

  // Called with a parsed head; sets what it means.
  Refusal Finish();

  Head head;
  Fields trailers;
  absl::string_view body;
  Refusal refusal = Refusal::kNone;
  Method request_method = Method::kGet;  // Of a response.

 private:
  enum class State : uint8_t { kFirst, kHead, kBodyStart, kBody, kDone };

  Read Refuse(Refusal why) {
    refusal = why;
    state_ = State::kDone;
    return Read::kRefused;
  }
  Read End() {
    state_ = State::kDone;
    return Read::kEnd;
  }
  Read Result() const {
    return refusal == Refusal::kNone ? Read::kNeedMore : Read::kRefused;
  }

  // One CRLF before a request. False if the first line cannot begin yet.
  bool SkipEmptyLine(absl::string_view* input) {
    while (!input->empty() && empty_line_ < 2) {
      if (empty_line_ == 0 && input->front() != '\r') {
        empty_line_ = 2;
        break;
      }
      if (empty_line_ == 1 && input->front() != '\n') {
        Refuse(Refusal::kBareCarriageReturn);
        return false;
      }
      input->remove_prefix(1);
      ++empty_line_;
    }
    return empty_line_ == 2;
  }

  Read ReadHead(absl::string_view* input) {
    std::string& text = head.fields.text();
    // The whole head commonly comes at once and is parsed where it lies.
    const size_t kept = text.size();
    absl::string_view bytes = *input;
    if (kept > 0) {
      const size_t room = limits_.head_size_max + 1 - kept;
      text.append(input->data(), std::min(room, input->size()));
      bytes = text;
    }
    parser_->set_base(bytes.data());
    BeastError error;
    parsed_ += parser_->put(Buffer(bytes.substr(parsed_)), error);
    if (error == beast::http::error::need_more) {
      return KeepPartOfHead(kept, input);
    }
    if (error) {
      return Refuse(parser_->RefusalOf(error, bytes.substr(parsed_)));
    }
    if (!parser_->is_header_done()) return KeepPartOfHead(kept, input);
    if (parsed_ > limits_.head_size_max) return Refuse(Refusal::kHeadTooLarge);
    if (kept == 0) {
      text.assign(bytes.data(), parsed_);
    } else {
      text.resize(parsed_);
    }
    input->remove_prefix(parsed_ - kept);
    const Refusal why = Finish();
    if (why != Refusal::kNone) return Refuse(why);
    left_ = head.content_length;
    state_ = State::kBodyStart;
    return Read::kHead;
  }

  Read KeepPartOfHead(size_t kept, absl::string_view* input) {
    std::string& text = head.fields.text();
    // Beast waits for the end of the head without looking at what is between.
    if (HasBareLineFeed(kept == 0 ? '\0' : text[kept - 1], *input)) {
      return Refuse(Refusal::kBareLineFeed);
    }
    if (kept == 0) {
      text.assign(input->data(),
                  std::min<size_t>(limits_.head_size_max + 1, input->size()));
    }
    if (text.size() > limits_.head_size_max) return RefuseTooLarge();
    input->remove_prefix(input->size());
    return Read::kNeedMore;
  }

  Read RefuseTooLarge() {
    const bool first_line =
        kIsRequest && head.fields.text().find('\n') == std::string::npos;
    return Refuse(first_line ? Refusal::kTargetTooLong
                             : Refusal::kHeadTooLarge);
  }

  Read ReadLength(absl::string_view* input) {
    if (left_ == 0) return End();
    if (input->empty()) return Read::kNeedMore;
    body = input->substr(0, std::min<uint64_t>(left_, input->size()));
    input->remove_prefix(body.size());
    left_ -= body.size();
    return Read::kBody;
  }

  // Beast takes a chunk's line whole (with the CRLF before it, or the trailers
  // after it), and data as it comes.
  Read ReadChunked(absl::string_view* input) {
    while (true) {
      const bool carried = !carry_.empty();
      const size_t kept = carry_.size();
      if (input->empty()) return Read::kNeedMore;
      absl::string_view bytes = *input;
      if (carried) {
        carry_.append(input->data(), std::min(kCarryStep, input->size()));
        bytes = carry_;
        // Beast asserts that there is more once it has seen "0" and CRLF.
        if (bytes.size() == 4 && absl::StartsWith(bytes, "0\r\n")) {
          input->remove_prefix(4 - kept);
          continue;
        }
      }
      parser_->clear_chunk();
      BeastError error;
      const size_t taken = parser_->put(Buffer(bytes), error);
      const bool data = !parser_->chunk().empty();
      if (error == beast::http::error::need_more) {
        BALLAST_CHECK(taken == 0);
        if (HasBareLineFeed('\0', bytes)) return Refuse(Refusal::kBareLineFeed);
        if (ChunkHeadIsComplete(bytes)) {
          return Refuse(Refusal::kChunkExtensionInvalid);
        }
        if (!carried) {
          carry_.assign(
              bytes.data(),
              std::min<size_t>(bytes.size(), limits_.chunk_head_size_max + 1));
        }
        if (carry_.size() > limits_.chunk_head_size_max) {
          return Refuse(Refusal::kChunkHeadTooLong);
        }
        input->remove_prefix(carry_.size() - kept);
        continue;
      }
      if (error) {
        return Refuse(parser_->RefusalOf(error, bytes.substr(taken)));
      }
      BALLAST_CHECK(taken >= kept);
      if (!data && taken > limits_.chunk_head_size_max) {
        return Refuse(Refusal::kChunkHeadTooLong);
      }
      input->remove_prefix(taken - kept);
      carry_.clear();
      if (data) {
        BALLAST_CHECK(!carried);
        body = parser_->chunk();
        return Read::kBody;
      }
      if (parser_->is_done()) return End();
    }
  }

  Limits limits_;
  std::optional<Sink> parser_;
  std::string carry_;  // An incomplete chunk line.
  size_t parsed_ = 0;  // Bytes of the head that Beast has taken.
  uint64_t left_ = 0;  // Of a body with a length.
  State state_ = State::kDone;
  uint8_t empty_line_ = 0;  // Bytes of it seen.
};

template <>
Refusal Core<true>::Finish() {
  return FinishRequest(&head);
}
template <>
Refusal Core<false>::Finish() {
  return FinishResponse(request_method, &head);
}

}  // namespace

class RequestReader::Impl : public Core<true> {
  using Core::Core;
};
class ResponseReader::Impl : public Core<false> {
  using Core::Core;
};

RequestReader::RequestReader(const Limits& limits)
    : impl_(std::make_unique<Impl>(limits)) {}
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;
RequestReader::~RequestReader() = default;

void RequestReader::Begin() { impl_->Begin(); }
Read RequestReader::Next(absl::string_view* input) {
  return impl_->Next(input);
}
bool RequestReader::started() const { return impl_->started(); }
bool RequestReader::body_given() const { return impl_->body_given(); }
RequestHead& RequestReader::head() { return impl_->head; }
const RequestHead& RequestReader::head() const { return impl_->head; }
absl::string_view RequestReader::body() const { return impl_->body; }
const Fields& RequestReader::trailers() const { return impl_->trailers; }
Refusal RequestReader::refusal() const { return impl_->refusal; }

ResponseReader::ResponseReader(const Limits& limits)
    : impl_(std::make_unique<Impl>(limits)) {}
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;
ResponseReader::~ResponseReader() = default;

void ResponseReader::Begin(Method request_method) {
  impl_->request_method = request_method;
  impl_->Begin();
}
Read ResponseReader::Next(absl::string_view* input) {
  return impl_->Next(input);
}
Read ResponseReader::Closed() { return impl_->Closed(); }
bool ResponseReader::started() const { return impl_->started(); }
ResponseHead& ResponseReader::head() { return impl_->head; }
const ResponseHead& ResponseReader::head() const { return impl_->head; }
absl::string_view ResponseReader::body() const { return impl_->body; }
const Fields& ResponseReader::trailers() const { return impl_->trailers; }
Refusal ResponseReader::refusal() const { return impl_->refusal; }

}  // namespace ballast::http
