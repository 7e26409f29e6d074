#include "lb/http/transcript.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/http/message_reader.h"
#include "lb/http/writer.h"

namespace ballast::http {
namespace {

std::string FirstLine(const RequestHead& head) {
  return absl::StrCat(head.method_text(), " ", head.target(),
                      " host=", head.host());
}
std::string FirstLine(const ResponseHead& head) {
  return absl::StrCat(head.status, " ", head.reason());
}

void WriteHead(const RequestHead& head, std::string* out) {
  WriteRequestHead(head,
                   {.framing = head.framing,
                    .content_length = head.content_length,
                    .connection = head.upgrade      ? ConnectionOption::kUpgrade
                                  : head.keep_alive ? ConnectionOption::kNone
                                                    : ConnectionOption::kClose,
                    .host_if_missing = "none"},
                   out);
}
void WriteHead(const ResponseHead& head, std::string* out) {
  // A body that ends with the stream is passed on in chunks.
  const bool chunked = head.framing == BodyFraming::kUntilClose ||
                       head.framing == BodyFraming::kChunked;
  WriteResponseHead(head,
                    {.framing = chunked ? BodyFraming::kChunked : head.framing,
                     .content_length = head.content_length,
                     .connection = head.upgrade ? ConnectionOption::kUpgrade
                                                : ConnectionOption::kNone},
                    out);
}

template <typename Reader, typename Begin>
class Recorder {
 public:
  Recorder(Reader* reader, Begin begin) : reader_(*reader), begin_(begin) {
    begin_();
  }

  // False once refused.
  bool Feed(absl::string_view bytes) {
    while (true) {
      const size_t before = bytes.size();
      const Read read = reader_.Next(&bytes);
      BALLAST_CHECK(bytes.size() <= before);
      if (read == Read::kNeedMore) {
        BALLAST_CHECK(bytes.empty());
        return true;
      }
      if (!Take(read)) return false;
    }
  }

  bool Take(Read read) {
    switch (read) {
      case Read::kHead: {
        const auto& head = reader_.head();
        absl::StrAppend(&out_.text, FirstLine(head), "\n");
        for (size_t i = 0; i < head.fields.size(); ++i) {
          absl::StrAppend(&out_.text, "  ", head.fields[i].name, ": ",
                          head.fields[i].value, "\n");
        }
        absl::StrAppend(&out_.text, "  [");
        message_.clear();
        body_.clear();
        WriteHead(head, &message_);
        break;
      }
      case Read::kBody:
        BALLAST_CHECK(!reader_.body().empty());
        absl::StrAppend(&out_.text, reader_.body());
        body_.append(reader_.body().data(), reader_.body().size());
        break;
      case Read::kEnd: {
        absl::StrAppend(&out_.text, "]\n");
        const Fields& trailers = reader_.trailers();
        for (size_t i = 0; i < trailers.size(); ++i) {
          absl::StrAppend(&out_.text, "  trailer ", trailers[i].name, ": ",
                          trailers[i].value, "\n");
        }
        if (!Chunked()) {
          message_ += body_;
        } else {
          if (!body_.empty()) WriteChunk(body_, &message_);
          WriteLastChunk(trailers, &message_);
        }
        out_.rewritten += message_;
        ++out_.messages;
        begin_();
        break;
      }
      case Read::kRefused:
        BALLAST_CHECK(reader_.refusal() != Refusal::kNone);
        out_.refusal = reader_.refusal();
        return false;
      case Read::kNeedMore:
        break;
    }
    return true;
  }

  Transcript& out() { return out_; }

 private:
  bool Chunked() const {
    return reader_.head().framing == BodyFraming::kChunked ||
           reader_.head().framing == BodyFraming::kUntilClose;
  }

  Reader& reader_;
  Begin begin_;
  Transcript out_;
  std::string message_;  // As rewritten, so far.
  std::string body_;
};

// False once refused.
template <typename R>
bool FeedInPieces(R* recorder, absl::string_view stream, const Cut& cut) {
  while (!stream.empty()) {
    size_t size = cut ? cut(stream.size()) : stream.size();
    size = std::clamp<size_t>(size, 1, stream.size());
    // A copy of its own, so that a sanitizer sees reads past its end.
    const std::string piece(stream.substr(0, size));
    if (!recorder->Feed(piece)) return false;
    stream.remove_prefix(size);
  }
  return true;
}

}  // namespace

Transcript ReadRequests(absl::string_view stream, const Limits& limits,
                        const Cut& cut) {
  RequestReader reader(limits);
  Recorder recorder(&reader, [&reader] { reader.Begin(); });
  const bool ok = FeedInPieces(&recorder, stream, cut);
  Transcript& out = recorder.out();
  out.waiting = ok && reader.started();
  out.in_head = out.waiting && reader.head().target().empty();
  return std::move(out);
}

Transcript ReadResponses(absl::string_view stream, Method request_method,
                         const Limits& limits, const Cut& cut) {
  ResponseReader reader(limits);
  Recorder recorder(&reader, [&] { reader.Begin(request_method); });
  if (FeedInPieces(&recorder, stream, cut)) recorder.Take(reader.Closed());
  return std::move(recorder.out());
}

}  // namespace ballast::http
